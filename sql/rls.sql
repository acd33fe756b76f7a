-- A rule sees no row that a policy hides: not in an answer, and not through an error that the row would raise.
\set SHOW_CONTEXT never
CREATE ROLE regress_rls_owner;
CREATE ROLE regress_rls_tenant;
CREATE ROLE regress_rls_bypass BYPASSRLS;
GRANT CREATE ON SCHEMA public TO regress_rls_owner, regress_rls_tenant;
SET ROLE regress_rls_owner;
CREATE TABLE numbers (id bigint PRIMARY KEY, tenant text, sent int, clicks int, code text);
-- Rows of others are traps: dividing by their clicks, or casting their codes, fails.
INSERT INTO numbers SELECT i, CASE WHEN i % 2 = 0 THEN 'regress_rls_tenant' ELSE 'other' END, i % 7, CASE WHEN i % 2 = 0 THEN 1 + i % 3 ELSE 0 END,
    CASE WHEN i % 2 = 0 THEN i::text ELSE 'secret of ' || i END FROM generate_series(1, 40) i;
CREATE TABLE list_members (number_id bigint, list_id int, tenant text);
INSERT INTO list_members SELECT i, 1 + i % 4 / 2, CASE WHEN i % 3 = 0 THEN 'other' ELSE 'regress_rls_tenant' END FROM generate_series(1, 40) i;
ANALYZE numbers, list_members;
SELECT segments.add_field('numbers', 'rate', 'sent / clicks');
SELECT segments.add_field('numbers', 'number', 'code::int');
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list_id');
SELECT segments.create('rated', 'numbers', '{"field":"rate","operator":"greater_or_equal","value":0}');
SELECT segments.create('rated_by_owner', 'numbers', '{"field":"rate","operator":"greater_or_equal","value":0}', '{id,sent}', security_invoker => false);
SELECT segments.create('listed', 'numbers', '{"list":1}', '{id}');
GRANT SELECT ON numbers, list_members, rated, rated_by_owner, listed TO regress_rls_tenant, regress_rls_bypass;
ALTER TABLE numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON numbers USING (tenant = CURRENT_USER);
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM numbers WHERE id % 2 = 0;
GRANT SELECT ON barrier TO regress_rls_tenant;
CREATE TABLE rules (rule segments.rule);
INSERT INTO rules VALUES ('{"field":"rate","operator":"greater_or_equal","value":0}'), ('{"field":"number","operator":"greater","value":0}');
GRANT SELECT ON rules TO PUBLIC;

-- Every way of asking, as a role with rules that fail on rows which that role may not see.
CREATE FUNCTION ways(rule segments.rule) RETURNS TABLE (way text, answer text) LANGUAGE plpgsql AS $$
DECLARE
    query text;
BEGIN
    FOR way, query IN VALUES
        ('matches', format('SELECT count(*) FROM numbers n WHERE segments.matches(n, %L)', rule)),
        ('matches, twice', format('SELECT count(*) FROM numbers n WHERE segments.matches(n, %L) AND segments.matches(n, %L)', rule, rule)),
        ('matches of a bare record', format('SELECT count(*) FROM (SELECT * FROM numbers OFFSET 0) n WHERE segments.matches(n, %L)', rule)),
        ('matches, run time', format('SELECT count(*) FROM numbers n, (VALUES (%L::segments.rule)) r(rule), LATERAL (SELECT r.rule OFFSET 0) s WHERE segments.matches(n, s.rule)', rule)),
        ('matches, beside cheaper conditions', format('SELECT count(*) FROM numbers n WHERE segments.matches(n, %L) AND id > 0', rule)),
        ('matches, joined', format('SELECT count(*) FROM numbers n JOIN list_members m ON m.number_id = n.id AND segments.matches(n, %L)', rule)),
        ('matches, outer join', format('SELECT count(n.id) FROM list_members m LEFT JOIN numbers n ON m.number_id = n.id AND segments.matches(n, %L)', rule)),
        ('matches, target', format('SELECT count(*) FILTER (WHERE segments.matches(n, %L)) FROM numbers n', rule)),
        ('count', format('SELECT segments.count(''numbers'', %L)', rule)),
        ('keys', format('SELECT count(*) FROM segments.keys(''numbers'', %L)', rule)),
        ('keys, select list', format('SELECT count(*) FROM (SELECT segments.keys(''numbers'', %L)) k', rule)),
        ('members', format('SELECT count(*) FROM segments.members(NULL::numbers, %L)', rule)),
        ('members, restricted', format('SELECT count(*) FROM segments.members(NULL::numbers, %L) WHERE id < 100', rule)),
        ('members, select list', format('SELECT count(*) FROM (SELECT segments.members(NULL::numbers, %L)) k', rule)),
        ('members, ordinality', format('SELECT count(*) FROM segments.members(NULL::numbers, %L) WITH ORDINALITY', rule)),
        ('explain', format('SELECT count(*) FROM numbers n, LATERAL segments.explain(n, %L) e WHERE e.path = ''$.rules[0]'' AND holds', rule)),
        ('estimate', format('SELECT segments.estimate(''numbers'', %L) BETWEEN 0 AND 40', rule))
    LOOP
        BEGIN
            EXECUTE query INTO answer;
        EXCEPTION WHEN OTHERS THEN
            answer := SQLSTATE || ' ' || SQLERRM;
        END;
        RETURN NEXT;
    END LOOP;
    way := 'sql';
    BEGIN
        EXECUTE 'SELECT count(*) FROM (' || segments.sql('numbers', rule) || ') n' INTO answer;
    EXCEPTION WHEN OTHERS THEN
        answer := SQLSTATE || ' ' || SQLERRM;
    END;
    RETURN NEXT;
END $$;

-- The owner is above the policy, and meets every row; so does who bypasses row security.
SELECT count(*), count(*) FILTER (WHERE answer LIKE '22012 %') AS failed FROM ways('{"field":"rate","operator":"greater_or_equal","value":0}');
SET ROLE regress_rls_bypass;
SELECT way, answer FROM ways('{"field":"rate","operator":"greater_or_equal","value":0}');
-- A tenant meets its own rows alone.
SET ROLE regress_rls_tenant;
SELECT way, answer FROM ways('{"field":"rate","operator":"greater_or_equal","value":0}');
SELECT answer, count(*), array_agg(way) FILTER (WHERE way = 'estimate') FROM ways('{"field":"number","operator":"greater","value":0}') GROUP BY answer ORDER BY answer;
SELECT answer, count(*), array_agg(way) FILTER (WHERE way = 'estimate') FROM ways('{"condition":"AND","not":true,"rules":[{"field":"number","operator":"greater","value":1000},{"list":2}]}') GROUP BY answer ORDER BY answer;
SELECT answer, count(*) FROM ways('{"field":"code","operator":"contains","value":"secret"}') GROUP BY answer ORDER BY answer;
SELECT answer, count(*) FROM ways('{"condition":"AND","rules":[{"segment":"rated"},{"list":1}]}') GROUP BY answer ORDER BY answer;
-- A table of rules, asked at run time.
SELECT count(*) FROM numbers n, rules r WHERE segments.matches(n, r.rule);
PREPARE ask(segments.rule) AS SELECT count(*) FROM numbers n WHERE segments.matches(n, $1);
SET plan_cache_mode = force_generic_plan;
EXECUTE ask('{"field":"rate","operator":"greater_or_equal","value":0}');
EXECUTE ask('{"field":"code","operator":"contains","value":"secret"}');
RESET plan_cache_mode;
-- A plan made for one role is not another's.
SET ROLE regress_rls_bypass;
EXECUTE ask('{"field":"code","operator":"contains","value":"secret"}');
SET ROLE regress_rls_tenant;
EXECUTE ask('{"field":"code","operator":"contains","value":"secret"}');
-- In the plan: the policy is asked before the rule.
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END $$;
SELECT * FROM plan($$ SELECT id FROM numbers n WHERE segments.matches(n, '{"field":"rate","operator":"greater_or_equal","value":0}') $$) p WHERE p LIKE '%Filter%';
SELECT * FROM plan($$ SELECT id FROM segments.members(NULL::numbers, '{"field":"rate","operator":"greater_or_equal","value":0}', false) n $$) p WHERE p LIKE '%Filter%';

-- A caller's own leaky function, in a row that the caller makes up, or beside the rule, is told no row either.
CREATE FUNCTION tell(text) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'told: %', $1; RETURN true; END $$;
SELECT count(*) FROM numbers n WHERE segments.matches(n, '{"field":"id","operator":"less","value":5}') AND tell(code);
SELECT count(*) FROM segments.members(NULL::numbers, '{"field":"id","operator":"less","value":5}') n WHERE tell(code);
SELECT count(*) FROM rated WHERE id < 5 AND tell(code);

-- Views: with the rights of who reads, under that one's policy; with their owner's, above it.
SELECT count(*) FROM rated;
SELECT count(*) FROM listed;
SELECT count(*) FROM rated_by_owner;
SELECT count(*) FROM rated_by_owner WHERE id % 2 = 0;
-- What such a view leaves out is hidden when its owner makes it a barrier, which stays when it is written anew.
SET ROLE regress_rls_owner;
SELECT segments.create('even', 'numbers', '{"field":"tenant","operator":"equal","value":"regress_rls_tenant"}', '{id,code}', security_invoker => false);
GRANT SELECT ON even TO regress_rls_tenant;
ALTER VIEW even SET (security_barrier);
SELECT segments.alter('even', '{"condition":"AND","rules":[{"field":"tenant","operator":"equal","value":"regress_rls_tenant"},{"field":"rate","operator":"greater_or_equal","value":0}]}');
ALTER TABLE numbers RENAME clicks TO clicked;
SELECT segments.add_field('numbers', 'rate', 'sent / clicked');
SELECT segments.rebuild('numbers');
SELECT reloptions FROM pg_class WHERE oid = 'even'::regclass;
SET ROLE regress_rls_tenant;
SELECT count(*) FROM even WHERE id < 5 AND tell(code);
SELECT count(*) FROM even WHERE code::int > 0;
-- A view with a security barrier keeps what it hides from rules, errors included.
SELECT count(*) FROM barrier b WHERE segments.matches(b, '{"field":"sent","operator":"greater","value":0}');
SELECT segments.count('barrier', '{"field":"sent","operator":"greater","value":0}');
SET ROLE regress_rls_owner;
SELECT segments.add_audience('barrier', 'id');
SELECT segments.add_field('barrier', 'rate', 'sent / clicks');
GRANT SELECT ON barrier TO regress_rls_tenant;
ALTER TABLE numbers DISABLE ROW LEVEL SECURITY;
SET ROLE regress_rls_tenant;
SELECT count(*) FROM barrier b WHERE segments.matches(b, '{"field":"rate","operator":"greater_or_equal","value":0}');
SELECT segments.count('barrier', '{"field":"rate","operator":"greater_or_equal","value":0}');
SELECT count(*) FROM segments.members(NULL::barrier, '{"field":"rate","operator":"greater_or_equal","value":0}');
SELECT count(*) FROM segments.keys('barrier', '{"field":"rate","operator":"greater_or_equal","value":0}');
SELECT count(*) FROM barrier b, rules r WHERE segments.matches(b, r.rule) AND r.rule::text LIKE '%rate%';
SELECT count(*) FROM barrier b WHERE segments.matches(b, '{"field":"id","operator":"less","value":5}') AND tell(code);

-- Row security on the table of a membership: its hidden rows put nobody into a list.
SET ROLE regress_rls_owner;
ALTER TABLE numbers ENABLE ROW LEVEL SECURITY;
ALTER TABLE list_members ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON list_members USING (tenant = CURRENT_USER);
SET ROLE regress_rls_tenant;
SELECT count(*) FROM numbers n WHERE EXISTS (SELECT FROM list_members m WHERE m.number_id = n.id AND m.list_id = 1);
SELECT answer, count(*) FROM ways('{"list":1}') GROUP BY answer ORDER BY answer;
SELECT count(*) FROM listed;
-- The suppressed: each role's own.
SET ROLE regress_rls_owner;
SELECT segments.suppress('numbers', '{"field":"rate","operator":"greater","value":1}');
SET ROLE regress_rls_tenant;
SELECT count(*) = (SELECT count(*) FROM numbers WHERE sent / clicked > 1) AS own, bool_and(member::int % 2 = 0) AS hidden_stay_hidden FROM segments.suppressed;
SELECT count(*) FROM numbers n WHERE segments.is_suppressed(n);
SELECT segments.count('numbers') + (SELECT count(*) FROM segments.suppressed) = (SELECT count(*) FROM numbers) AS split;
-- Row security turned off refuses where it would filter, and does not lie.
SET row_security = off;
SELECT segments.count('numbers', '{"list":1}');
SELECT count(*) FROM numbers n WHERE segments.matches(n, '{"list":1}');
RESET row_security;
RESET ROLE;

SET client_min_messages = warning;
DROP OWNED BY regress_rls_owner, regress_rls_tenant, regress_rls_bypass CASCADE;
DROP ROLE regress_rls_owner, regress_rls_tenant, regress_rls_bypass;
