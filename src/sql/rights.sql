-- Rights ------------------------------------------------------------------------------------------------------------------------

GRANT USAGE ON SCHEMA segments TO PUBLIC;
GRANT SELECT ON segments.audience, segments.field, segments.membership, segments.event_source, segments.segment, segments.suppression, segments.list,
    segments.suppressed, segments.index_definition, segments.index_status, segments.progress TO PUBLIC;

-- What trusts its arguments, or works as the extension's owner.
DO $$
DECLARE
    internal regprocedure;
BEGIN
    FOR internal IN SELECT p.oid FROM pg_catalog.pg_proc p
                    WHERE p.pronamespace = 'segments'::pg_catalog.regnamespace AND p.proname LIKE '\_%' LOOP
        EXECUTE pg_catalog.format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', internal);
    END LOOP;
END $$;
