-- What holds of every object of the extension, asked of the catalog: labels, comments, search paths, privileges.
CREATE VIEW functions AS
    SELECT p.oid, p.oid::regprocedure AS signature, p.proname AS name, l.lanname AS language, p.provolatile AS volatility, p.proparallel AS parallel,
        p.prosecdef AS definer, p.proleakproof AS leakproof, p.procost AS cost, p.proconfig AS settings, p.prorettype::regtype AS result, p.proowner AS owner
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'segments'));
SELECT count(*) > 100 AS many FROM functions;

-- Safe for parallel workers, but for these, for these reasons.
CREATE TABLE not_safe (name name PRIMARY KEY, reason text);
-- They take an audience by OID, or look into all of them: it may be a temporary table, which a worker cannot read.
INSERT INTO not_safe SELECT name, 'r' FROM unnest('{builder,canonical_expression,check_relation,check_rule,choices,count,count_by_index,count_by_sql,describe,estimate,explain,facet,fields,index_fields,index_questions,index_status_rows,
    jqqb_filters,keys,lists,measure_sql,members,of,rqb_fields,select_sql,sql,suppressed_members,targets,validate}'::name[]) name;
-- They write, or run commands as somebody.
INSERT INTO not_safe SELECT name, 'u' FROM unnest('{add_audience,add_event_field,add_events,add_field,add_membership,alter,catalog_changed,compact,create,create_index,drop,drop_index,drop_audience,drop_events,drop_field,
    drop_membership,freeze,index_change,make_audience_functions,rebuild,rebuild_index,rename,suppress,unsuppress,verify}'::name[]) name;
SELECT signature, parallel, reason FROM functions LEFT JOIN not_safe USING (name)
WHERE name NOT LIKE '\_%' AND parallel <> coalesce(reason, 's') ORDER BY signature::text COLLATE "C";
SELECT name AS no_such_function FROM not_safe WHERE name NOT IN (SELECT name FROM functions);
-- The inside is called by what administrates, in no worker; what is volatile there writes.
SELECT signature FROM functions WHERE name LIKE '\_%' AND volatility = 'v' AND parallel <> 'u';
SELECT signature FROM functions WHERE name LIKE '\_%' AND volatility = 'i';

-- What asks sees the calling statement's snapshot; what writes is volatile, and nothing else but PostgreSQL's own calls.
SELECT signature, volatility FROM functions
WHERE name NOT LIKE '\_%' AND result <> 'internal'::regtype AND (volatility = 'v') <> (parallel = 'u') ORDER BY signature::text COLLATE "C";
SELECT name FROM functions WHERE volatility = 'i' ORDER BY name, signature::text COLLATE "C";
-- What reads an audience is priced above a page, so that plans ask it last.
SELECT signature, cost FROM functions WHERE volatility = 's' AND parallel = 'r' AND language = 'c' AND cost < 1000 AND name <> 'check_relation';
SELECT signature, cost FROM functions WHERE name IN ('matches', 'is_suppressed') AND cost < 100;
-- Comparing rules as they are stored raises no error that tells of them; all else may.
SELECT name FROM functions WHERE leakproof ORDER BY name;

-- Nobody's search_path interposes. freeze runs as its caller, who writes into a table under the caller's own path, and names nothing unqualified.
SELECT signature, settings FROM functions WHERE definer AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (settings), false);
SELECT signature FROM functions WHERE definer ORDER BY name;
SELECT signature, settings FROM functions
WHERE language IN ('sql', 'plpgsql') AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (settings), false) ORDER BY signature::text COLLATE "C";
SELECT signature FROM functions WHERE signature::text NOT LIKE 'segments.%';

-- The inside is the owner's alone; the rest is everybody's.
CREATE ROLE regress_rules_plain;
SELECT signature FROM functions WHERE has_function_privilege('regress_rules_plain', oid, 'EXECUTE') <> (name NOT LIKE '\_%' AND name <> 'make_audience_functions') ORDER BY signature::text COLLATE "C";
SELECT count(DISTINCT owner) FROM functions;
SELECT c.oid::regclass, p.privilege FROM pg_class c, unnest('{INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p(privilege)
WHERE c.relnamespace = 'segments'::regnamespace AND c.relkind IN ('r', 'v') AND has_table_privilege('regress_rules_plain', c.oid, p.privilege);
SELECT has_schema_privilege('regress_rules_plain', 'segments', 'USAGE') AS uses, has_schema_privilege('regress_rules_plain', 'segments', 'CREATE') AS creates;

-- Everything has a comment.
SELECT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d
WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'segments')
    AND d.classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_type'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_cast'::regclass,
        'pg_namespace'::regclass, 'pg_event_trigger'::regclass)
    AND NOT EXISTS (SELECT FROM pg_type t WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid AND (t.typrelid <> 0 OR t.typelem <> 0))
    AND coalesce(obj_description(d.objid, d.classid::regclass::name), '') !~ '\w'
ORDER BY pg_describe_object(d.classid, d.objid, 0) COLLATE "C";

-- An administrating function refuses who does not own: each of them, and nothing changes.
CREATE ROLE regress_rules_owner;
GRANT CREATE ON SCHEMA public TO regress_rules_owner, regress_rules_plain;
SET ROLE regress_rules_owner;
CREATE TABLE numbers (id bigint PRIMARY KEY, sent_count int, click_count int);
INSERT INTO numbers SELECT i, i % 7, i % 5 FROM generate_series(1, 20) i;
CREATE TABLE list_members (number_id bigint, list_id int);
CREATE TABLE messages (number_id bigint, kind text, at timestamptz);
INSERT INTO messages SELECT i, 'sent', '2024-01-01Z' FROM generate_series(1, 20) i;
CREATE TABLE bare (id bigint PRIMARY KEY, sent_count int, click_count int);
SELECT segments.add_field('numbers', 'rate', 'click_count::numeric / nullif(sent_count, 0)');
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list_id');
SELECT segments.add_events('numbers', 'messages', 'messages', 'number_id', 'at', 'kind', '{sent,click}');
SELECT segments.add_event_field('numbers', 'sends', '{"event":"sent"}');
SELECT segments.suppress('numbers', sent => 3);
SELECT segments.create('clickers', 'numbers', '{"field":"click_count","operator":"greater","value":0}', '{id}');
GRANT SELECT ON numbers, list_members, messages, clickers TO regress_rules_plain;
RESET ROLE;
CREATE VIEW state AS SELECT md5(concat_ws('|', (SELECT string_agg(a::text, ',' ORDER BY audience) FROM segments.audience a),
    (SELECT string_agg(f::text, ',' ORDER BY f::text) FROM segments.field f), (SELECT string_agg(m::text, ',' ORDER BY m::text) FROM segments.membership m),
    (SELECT string_agg(s::text, ',' ORDER BY name) FROM segments.segment s), (SELECT string_agg(s::text, ',' ORDER BY s::text) FROM segments.suppression s),
    (SELECT string_agg(e::text, ',' ORDER BY e::text) FROM segments.event_source e), (SELECT count(*) FROM list_members), (SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = 'regress_rules_owner'))) AS md5;
SELECT md5 AS before FROM state \gset
CREATE TABLE calls (name name, call text);
INSERT INTO calls VALUES
    ('add_audience', $$('numbers')$$), ('add_audience', $$('bare')$$), ('add_audience', $$('bare', 'id')$$), ('add_field', $$('numbers', 'x', '1')$$), ('add_field', $$('bare', 'x', '1')$$),
    ('add_field', $$('numbers', 'id', label => 'x')$$), ('add_membership', $$('numbers', 'x', 'list_members', 'number_id', 'list_id')$$),
    ('add_membership', $$('bare', 'x', 'list_members', 'number_id', 'list_id')$$), ('alter', $$('clickers', '{"everyone":true}')$$),
    ('rename', $$('clickers', 'x')$$), ('drop', $$('clickers')$$), ('drop', $$('clickers', true)$$), ('drop_audience', $$('numbers')$$),
    ('drop_field', $$('numbers', 'rate')$$), ('drop_membership', $$('numbers', 'list')$$), ('freeze', $$('numbers', '{"everyone":true}', 'list', '2')$$),
    ('rebuild', $$('numbers')$$), ('suppress', $$('numbers', sent => 1)$$), ('suppress', $$('bare', sent => 1)$$), ('suppress', $$('numbers', '{"everyone":true}', reason => 'x')$$), ('unsuppress', $$('numbers')$$),
    ('add_events', $$('numbers', 'x', 'messages', 'number_id', 'at')$$), ('add_events', $$('bare', 'x', 'messages', 'number_id', 'at')$$),
    ('add_event_field', $$('numbers', 'x', '{"event":"sent"}')$$), ('drop_events', $$('numbers', 'messages')$$),
    ('create', $$('x', 'bare', '{"everyone":true}')$$), ('create_index', $$('numbers')$$), ('drop_index', $$('numbers')$$), ('rebuild_index', $$('numbers')$$),
    ('compact', $$('numbers')$$);
SELECT name AS called_by_nobody FROM functions WHERE name NOT LIKE '\_%' AND volatility = 'v' AND result <> 'internal'::regtype
    AND name NOT IN (SELECT name FROM calls) AND name NOT IN ('catalog_changed', 'index_change', 'make_audience_functions', 'verify');
GRANT SELECT ON calls TO PUBLIC;
CREATE FUNCTION refusal(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SET ROLE regress_rules_plain;
SELECT name || call AS call, refusal('SELECT segments.' || name || call) FROM calls WHERE refusal('SELECT segments.' || name || call) <> '42501';
-- Catalog triggers and what makes functions for audiences are of no use to anybody.
SELECT refusal($$SELECT segments.catalog_changed()$$), refusal($$SELECT segments.make_audience_functions('numbers')$$);
RESET ROLE;
SELECT md5 = :'before' AS nothing_changed FROM state;
-- Yet whoever may read may ask everything.
SET ROLE regress_rules_plain;
SELECT segments.count('numbers', '{"segment":"clickers"}'), (SELECT count(*) FROM segments.keys('numbers', '{"everyone":true}')),
    (SELECT count(*) FROM segments.members(NULL::numbers, '{"list":1}')), (SELECT count(*) FROM numbers n WHERE segments.is_suppressed(n)),
    (SELECT count(*) FROM segments.validate('numbers', '{"segment":"clickers"}')), segments.describe('numbers', '{"segment":"clickers"}') <> '' AS described,
    (SELECT count(*) FROM segments.fields('numbers')) AS fields, (SELECT count(*) FROM segments.targets('numbers')) AS targets,
    (SELECT count(*) FROM segments.events()) AS events, segments.count('numbers', '{"field":"sends","operator":"equal","value":1}') AS by_field, segments.count('numbers', '{"event":"sent"}') AS by_event, (SELECT count(*) FROM clickers) AS view;
RESET ROLE;

SET client_min_messages = warning;
DROP OWNED BY regress_rules_owner, regress_rules_plain CASCADE;
DROP ROLE regress_rules_owner, regress_rules_plain;
