-- Segments of 1 to 12 leaves for every rival: as a rule, as SQL that one would write by hand (several ways, of which the fastest counts) with b-trees made
-- to measure, as DuckDB has it, and in the postfix notation of kernel_bench.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
SET maintenance_work_mem = '1GB';

CREATE INDEX ON numbers_plain (click_count) WHERE click_count > 0;
CREATE INDEX ON numbers_plain (sent_count, click_count);
CREATE INDEX ON numbers_plain (last_sent_at) WHERE click_count > 0;
CREATE INDEX ON numbers_plain (carrier);
CREATE INDEX ON numbers_plain (carrier, country, click_count);
CREATE INDEX ON numbers_plain (sent_count, last_sent_at, created_at);
CREATE INDEX ON numbers_plain (click_count, sent_count, country, carrier, last_sent_at, created_at, id);
VACUUM (ANALYZE, FREEZE) numbers, numbers_plain, list_members;

-- Texts as numbers, in the order of the alphabet.
CREATE TABLE countries AS SELECT country, row_number() OVER (ORDER BY country) - 1 AS code FROM numbers GROUP BY country;
CREATE TABLE carriers AS SELECT carrier, row_number() OVER (ORDER BY carrier) - 1 AS code FROM numbers WHERE carrier IS NOT NULL GROUP BY carrier;
CREATE FUNCTION country_code(name text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT code || ',' || code FROM countries WHERE country = name $$;
CREATE FUNCTION carrier_code(name text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT code || ',' || code FROM carriers WHERE carrier = name $$;
-- What stands in a binary COPY of a timestamptz.
CREATE FUNCTION microsecond(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT (1000000 * extract(epoch FROM at - '2000-01-01 00:00Z'))::bigint $$;

CREATE TABLE question (position int GENERATED ALWAYS AS IDENTITY, name text, leaves int, rule text, by_hand text[], duckdb text, kernel text);
-- Columns of the postfix notation: 1 country, 2 carrier, 3 sent_count, 4 click_count, 5 last_sent_at, 6 last_clicked_at, 7 created_at.
INSERT INTO question (name, leaves, rule, by_hand, duckdb, kernel)
SELECT name, leaves, format(rule, VARIADIC dates), ARRAY(SELECT format(h, VARIADIC dates) FROM unnest(by_hand) h),
       format(coalesce(duckdb, by_hand[1]), VARIADIC dates), kernel
FROM (SELECT date_trunc('day', now(), 'UTC') AS today) d,
LATERAL (SELECT ARRAY(SELECT to_char((today - days * interval '24 hours') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM unnest('{5,30,60,400,700}'::int[]) days)) t (dates),
LATERAL (SELECT microsecond(today - interval '120 hours') AS d5, microsecond(today - interval '720 hours') AS d30, microsecond(today - interval '1440 hours') AS d60,
                microsecond(today - interval '9600 hours') AS d400, microsecond(today - interval '16800 hours') AS d700,
                microsecond(now() - interval '30 days') AS n30, 9223372036854775807 AS top, -9223372036854775807 AS bottom) m,
LATERAL (VALUES
('clickers', 1,
 '{"field": "click_count", "operator": "greater", "value": 0}',
 ARRAY['SELECT count(*) FROM numbers_plain WHERE click_count > 0'], NULL, format('c4,1,%s', top)),
('clickers sent to once', 2,
 '[{"field": "click_count", "operator": "greater", "value": 0}, {"field": "sent_count", "operator": "equal", "value": 1}]',
 ARRAY['SELECT count(*) FROM numbers_plain WHERE click_count > 0 AND sent_count = 1'], NULL, format('c4,1,%s c3,1,1 &', top)),
('clickers, rested 30 days', 2,
 '[{"field": "click_count", "operator": "greater", "value": 0}, {"field": "last_sent_at", "operator": "greater_than_n_days", "value": 30}]',
 ARRAY['SELECT count(*) FROM numbers_plain WHERE click_count > 0 AND last_sent_at < now() - interval ''30 days'''],
 'SELECT count(*) FROM numbers_plain WHERE click_count > 0 AND last_sent_at < TIMESTAMPTZ ''%2$s''', format('c4,1,%s c5,%s,%s &', top, bottom, n30 - 1)),
('unused', 1,
 '{"field": "sent_count", "operator": "less", "value": 1}',
 ARRAY['SELECT count(*) FROM numbers_plain WHERE sent_count < 1'], NULL, format('c3,%s,0', bottom)),
('sent to once, never clicked', 2,
 '[{"field": "sent_count", "operator": "equal", "value": 1}, {"field": "click_count", "operator": "equal", "value": 0}]',
 ARRAY['SELECT count(*) FROM numbers_plain WHERE sent_count = 1 AND click_count = 0'], NULL, 'c3,1,1 c4,0,0 &'),
('one carrier', 1,
 '{"field": "carrier", "operator": "equal", "value": "Verizon"}',
 ARRAY['SELECT count(*) FROM numbers_plain WHERE carrier = ''Verizon'''], NULL, format('c2,%s', carrier_code('Verizon'))),
('several carriers', 1,
 '{"field": "carrier", "operator": "in", "value": ["AT&T", "T-Mobile", "O2"]}',
 ARRAY['SELECT count(*) FROM numbers_plain WHERE carrier IN (''AT&T'', ''T-Mobile'', ''O2'')'], NULL,
 format('c2,%s,%s,%s', carrier_code('AT&T'), carrier_code('T-Mobile'), carrier_code('O2'))),
('three lists', 3,
 '[{"list": 1}, {"condition": "AND", "not": true, "rules": [{"list": 3}]}, {"list": 4}]',
 ARRAY['SELECT count(*) FROM list_members a JOIN list_members c USING (number_id) WHERE a.list_id = 1 AND c.list_id = 4
        AND NOT EXISTS (SELECT FROM list_members b WHERE b.list_id = 3 AND b.number_id = a.number_id)',
       'SELECT count(*) FROM (SELECT number_id FROM list_members WHERE list_id = 1 INTERSECT SELECT number_id FROM list_members WHERE list_id = 4
        EXCEPT SELECT number_id FROM list_members WHERE list_id = 3) m',
       'SELECT count(*) FROM (SELECT FROM list_members WHERE list_id IN (1, 3, 4) GROUP BY number_id
        HAVING bool_or(list_id = 1) AND bool_or(list_id = 4) AND NOT bool_or(list_id = 3)) m',
       'SELECT count(*) FROM list_members c WHERE list_id = 4 AND number_id IN (SELECT number_id FROM list_members WHERE list_id = 1)
        AND number_id NOT IN (SELECT number_id FROM list_members WHERE list_id = 3)'],
 'SELECT count(*) FROM list_members c WHERE list_id = 4 AND number_id IN (SELECT number_id FROM list_members WHERE list_id = 1)
  AND NOT EXISTS (SELECT 1 FROM list_members b WHERE b.list_id = 3 AND b.number_id = c.number_id)', 'l1 l3 ! & l4 &'),
('ranges', 3,
 '[{"field": "sent_count", "operator": "between", "value": [3, 9]}, {"field": "last_sent_at", "operator": "between", "value": ["%3$s", "%1$s"]},
   {"field": "created_at", "operator": "greater_or_equal", "value": "%4$s"}]',
 ARRAY['SELECT count(*) FROM numbers_plain WHERE sent_count BETWEEN 3 AND 9 AND last_sent_at BETWEEN timestamptz ''%3$s'' AND timestamptz ''%1$s''
        AND created_at >= timestamptz ''%4$s''',
       'SELECT count(*) FROM numbers_plain WHERE sent_count IN (3, 4, 5, 6, 7, 8, 9) AND last_sent_at BETWEEN timestamptz ''%3$s'' AND timestamptz ''%1$s''
        AND created_at >= timestamptz ''%4$s'''],
 NULL, format('c3,3,9 c5,%s,%s & c7,%s,%s &', d60, d5, d400, top)),
('nested', 12,
 '[{"condition": "OR", "rules": [{"field": "click_count", "operator": "greater", "value": 0}, {"field": "sent_count", "operator": "less", "value": 1}]},
   {"condition": "OR", "rules": [{"field": "carrier", "operator": "in", "value": ["Verizon", "AT&T"]}, {"field": "country", "operator": "equal", "value": "DE"}, {"list": 2}]},
   {"condition": "AND", "not": true, "rules": [{"list": 1}]},
   {"condition": "OR", "rules": [{"field": "last_sent_at", "operator": "less", "value": "%2$s"}, {"field": "last_sent_at", "operator": "is_null"}]},
   {"condition": "OR", "rules": [{"field": "created_at", "operator": "greater_or_equal", "value": "%5$s"}, {"field": "click_count", "operator": "greater_or_equal", "value": 2}]},
   {"condition": "AND", "rules": [{"field": "country", "operator": "not_equal", "value": "IN"}, {"condition": "AND", "not": true, "rules": [{"list": 11}]}]}]',
 ARRAY['SELECT count(*) FROM numbers_plain n WHERE (click_count > 0 OR sent_count < 1)
        AND (carrier IN (''Verizon'', ''AT&T'') OR country = ''DE'' OR id IN (SELECT number_id FROM list_members WHERE list_id = 2))
        AND NOT EXISTS (SELECT FROM list_members m WHERE m.list_id = 1 AND m.number_id = n.id)
        AND (last_sent_at < timestamptz ''%2$s'' OR last_sent_at IS NULL) AND (created_at >= timestamptz ''%5$s'' OR click_count >= 2)
        AND country <> ''IN'' AND NOT EXISTS (SELECT FROM list_members m WHERE m.list_id = 11 AND m.number_id = n.id)',
       'SELECT count(*) FROM numbers_plain n WHERE (click_count > 0 OR sent_count < 1)
        AND (carrier IN (''Verizon'', ''AT&T'') OR country = ''DE'' OR id IN (SELECT number_id FROM list_members WHERE list_id = 2))
        AND id NOT IN (SELECT number_id FROM list_members WHERE list_id IN (1, 11))
        AND (last_sent_at < timestamptz ''%2$s'' OR last_sent_at IS NULL) AND (created_at >= timestamptz ''%5$s'' OR click_count >= 2) AND country <> ''IN'''],
 'SELECT count(*) FROM numbers_plain n WHERE (click_count > 0 OR sent_count < 1)
  AND (carrier IN (''Verizon'', ''AT&T'') OR country = ''DE'' OR id IN (SELECT number_id FROM list_members WHERE list_id = 2))
  AND NOT EXISTS (SELECT 1 FROM list_members m WHERE m.list_id IN (1, 11) AND m.number_id = n.id)
  AND (last_sent_at < TIMESTAMPTZ ''%2$s'' OR last_sent_at IS NULL) AND (created_at >= TIMESTAMPTZ ''%5$s'' OR click_count >= 2) AND country <> ''IN''',
 format('c4,1,%s c3,%s,0 | c2,%s,%s c1,%s | l2 | & l1 ! & c5,%s,%s c5,null | & c7,%s,%s c4,2,%s | & c1,%s ! & l11 ! &',
        top, bottom, carrier_code('Verizon'), carrier_code('AT&T'), country_code('DE'), bottom, d30 - 1, d700, top, top, country_code('IN'))),
('selective', 3,
 '[{"field": "country", "operator": "equal", "value": "NL"}, {"field": "carrier", "operator": "equal", "value": "Odido"},
   {"field": "click_count", "operator": "greater_or_equal", "value": 3}]',
 ARRAY['SELECT count(*) FROM numbers_plain WHERE country = ''NL'' AND carrier = ''Odido'' AND click_count >= 3'], NULL,
 format('c1,%s c2,%s & c4,3,%s &', country_code('NL'), carrier_code('Odido'), top))
) q (name, leaves, rule, by_hand, duckdb, kernel);

-- Milliseconds that a query takes once it has been asked, planning included: of up to 5 times, and no more than 100 ms, the median.
CREATE FUNCTION ask(query text, OUT ms float8, OUT members bigint) LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz;
    times float8[];
BEGIN
    EXECUTE query INTO members;
    WHILE coalesce(array_length(times, 1), 0) < 5 AND coalesce((SELECT sum(t) FROM unnest(times) t), 0) < 100 LOOP
        began := clock_timestamp();
        EXECUTE query INTO members;
        times := times || 1000 * extract(epoch FROM clock_timestamp() - began)::float8;
    END LOOP;
    ms := percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) t;
END $$;

-- Milliseconds that it takes this time.
CREATE FUNCTION once(query text, OUT ms float8) LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz := clock_timestamp();
BEGIN
    EXECUTE query;
    ms := 1000 * extract(epoch FROM clock_timestamp() - began);
END $$;

CREATE FUNCTION by_index(rule text) RETURNS text LANGUAGE sql AS $$ SELECT format('SELECT segments.count(''numbers'', %L, suppress => false)', rule) $$;
CREATE FUNCTION shown(ms float8) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN ms >= 100 THEN round(ms)::text WHEN ms >= 10 THEN round(ms::numeric, 1)::text ELSE round(ms::numeric, 2)::text END
$$;
CREATE TABLE timing (part text, what text, position int, form text, ms float8, amount float8);
CREATE FUNCTION rounds() RETURNS int LANGUAGE sql STABLE AS $$ SELECT current_setting('bench.rounds')::int $$;
