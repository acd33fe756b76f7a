-- A constant rule in matches() is planned like the condition written by hand: same nodes, indexes, conditions and row estimates.
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE TABLE numbers (
    id bigint PRIMARY KEY,
    country text NOT NULL,
    carrier text,
    sent_count int NOT NULL,
    click_count int,
    last_sent_at timestamptz
) WITH (autovacuum_enabled = false);
INSERT INTO numbers
SELECT i, (ARRAY['US', 'GB', 'DE', 'FR'])[1 + i % 4], CASE WHEN i % 7 > 0 THEN 'carrier ' || i % 40 END, i % 50,
       CASE WHEN i % 11 > 0 THEN greatest(0, i % 100 - 90) END, '2024-01-01'::timestamptz + i * interval '1 hour'
FROM generate_series(1, 20000) AS i;
CREATE INDEX ON numbers (carrier);
CREATE INDEX ON numbers (sent_count);
CREATE INDEX ON numbers (last_sent_at);
CREATE INDEX clickers ON numbers (id) WHERE click_count > 0;
CREATE INDEX ON numbers (country, id);

CREATE TABLE list_members (list_id int, number_id bigint, PRIMARY KEY (list_id, number_id)) WITH (autovacuum_enabled = false);
INSERT INTO list_members SELECT i % 3, i FROM generate_series(1, 20000, 2) AS i;
CREATE INDEX ON list_members (number_id, list_id);

CREATE TABLE orders (id int PRIMARY KEY, number_id bigint NOT NULL, total int NOT NULL) WITH (autovacuum_enabled = false);
INSERT INTO orders SELECT i, i * 7 % 25000, i % 100 FROM generate_series(1, 5000) AS i;
CREATE INDEX ON orders (number_id);

CREATE TABLE visits (id int, day date NOT NULL, pages int) PARTITION BY RANGE (day);
CREATE TABLE visits_2023 PARTITION OF visits FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE visits_2024 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO visits SELECT i, '2023-01-01'::date + i % 1000, i % 10 FROM generate_series(1, 5000) AS i;
VACUUM (ANALYZE) numbers, list_members, orders, visits;

SELECT segments.add_audience('numbers');
SELECT segments.add_membership('numbers', 'list', 'list_members', member => 'number_id', value => 'list_id');
SELECT segments.add_field('numbers', 'rate', 'click_count * 100 / nullif(sent_count, 0)');
SELECT segments.add_field('numbers', 'orders', '(SELECT count(*) FROM orders o WHERE o.number_id = numbers.id)');

-- A plan without its costs. Joins of a view's or a sub-select's tables differ in nothing but aliases.
CREATE FUNCTION plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON, VERBOSE) ' || query INTO plan;
    RETURN regexp_replace(plan::text, '"(Startup Cost|Total Cost|Alias)": [^,\n]*,\n *', '', 'g');
END $$;

-- What the rows of a query are.
CREATE FUNCTION answer(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    IF query !~ '^(SELECT|WITH|EXECUTE)' THEN
        RETURN 'not run';
    END IF;
    EXECUTE format('SELECT count(*) || '' '' || coalesce(sum(hashtext(q::text)::bigint), 0) FROM (%s) AS q', query) INTO answer;
    RETURN answer;
END $$;

-- 'same', or what differs. The query says %s where the condition stands; both queries call the row n.
CREATE FUNCTION compare(query text, rule text, by_hand text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    asked text := format(query, format('segments.matches(n, %L)', rule));
    written text := format(query, by_hand);
BEGIN
    IF plan(asked) <> plan(written) THEN
        RETURN format(E'asked:\n%s\nby hand:\n%s', plan(asked), plan(written));
    ELSIF answer(asked) <> answer(written) THEN
        RETURN format('asked: %s, by hand: %s', answer(asked), answer(written));
    END IF;
    RETURN 'same';
END $$;

-- Whether a plan has a node.
CREATE FUNCTION uses(query text, rule text, what text) RETURNS boolean LANGUAGE sql AS
    $$ SELECT plan(format(query, format('segments.matches(n, %L)', rule))) LIKE '%' || what || '%' $$;

-- Scans of one table.
\set from 'SELECT * FROM numbers n WHERE %s'
\set carrier '{"field": "carrier", "operator": "equal", "value": "carrier 3"}'
SELECT 'b-tree', compare(:'from', :'carrier', $$n.carrier = 'carrier 3'$$), uses(:'from', :'carrier', 'numbers_carrier_idx');
\set range '{"field": "sent_count", "operator": "between", "value": [3, 4]}'
SELECT 'b-tree range', compare(:'from', :'range', 'n.sent_count >= 3 AND n.sent_count <= 4'), uses(:'from', :'range', 'numbers_sent_count_idx');
\set in '{"field": "carrier", "operator": "in", "value": ["carrier 3", "carrier 5"]}'
SELECT 'b-tree, several', compare(:'from', :'in', $$n.carrier = ANY ('{"carrier 3","carrier 5"}'::text[])$$), uses(:'from', :'in', 'numbers_carrier_idx');
\set clickers '{"field": "click_count", "operator": "greater", "value": 0}'
SELECT 'partial index', compare('SELECT n.id FROM numbers n WHERE %s AND n.id < 5000', :'clickers', 'n.click_count > 0'),
       uses('SELECT n.id FROM numbers n WHERE %s AND n.id < 5000', :'clickers', '"clickers"');
\set both '{"condition": "AND", "rules": [{"field": "carrier", "operator": "equal", "value": "carrier 3"}, {"field": "sent_count", "operator": "equal", "value": 3}]}'
SELECT 'BitmapAnd', compare(:'from', :'both', $$n.carrier = 'carrier 3' AND n.sent_count = 3$$), uses(:'from', :'both', 'BitmapAnd');
\set either '{"condition": "OR", "rules": [{"field": "carrier", "operator": "equal", "value": "carrier 3"}, {"field": "sent_count", "operator": "equal", "value": 3}]}'
SELECT 'BitmapOr', compare(:'from', :'either', $$n.carrier = 'carrier 3' OR n.sent_count = 3$$), uses(:'from', :'either', 'BitmapOr');
\set country '{"field": "country", "operator": "equal", "value": "GB"}'
SELECT 'index-only scan', compare('SELECT n.id FROM numbers n WHERE %s', :'country', $$n.country = 'GB'$$),
       uses('SELECT n.id FROM numbers n WHERE %s', :'country', 'Index Only Scan');
\set recent '{"field": "last_sent_at", "operator": "less_than_n_days", "value": 30}'
SELECT 'relative date', compare(:'from', :'recent', $$n.last_sent_at >= now() - '30 days'::interval AND n.last_sent_at <= now()$$),
       uses(:'from', :'recent', 'now()');
\set rate '{"field": "rate", "operator": "greater", "value": 3}'
SELECT 'expression', compare(:'from', :'rate', 'n.click_count * 100 / nullif(n.sent_count, 0) > 3');
\set orders '{"field": "orders", "operator": "greater", "value": 1}'
SELECT 'sub-select', compare(:'from', :'orders', '(SELECT count(*) FROM orders o WHERE o.number_id = n.id) > 1::bigint');

-- NULL: a complement takes it in, but where NOT NULL says that there is none.
\set not_carrier '{"field": "carrier", "operator": "not_equal", "value": "carrier 3"}'
SELECT 'not equal', compare(:'from', :'not_carrier', $$(n.carrier <> 'carrier 3' OR n.carrier IS NULL)$$);
SELECT 'complement', compare(:'from', '{"condition": "AND", "not": true, "rules": [{"field": "click_count", "operator": "greater", "value": 0}]}',
                             '(n.click_count <= 0 OR n.click_count IS NULL)');
SELECT 'NOT matches()', compare('SELECT * FROM numbers n WHERE NOT %s', :'clickers', '(n.click_count > 0 AND n.click_count IS NOT NULL)');
SELECT 'complement of NOT NULL', compare('SELECT * FROM numbers n WHERE NOT %s', '{"field": "sent_count", "operator": "greater", "value": 2}', '(n.sent_count > 2)'),
       uses('SELECT * FROM numbers n WHERE NOT %s', '{"field": "sent_count", "operator": "greater", "value": 2}', 'numbers_sent_count_idx');
SELECT 'NOT NULL, null-extended', compare('SELECT * FROM orders LEFT JOIN numbers n ON n.id = number_id WHERE NOT %s',
                                          '{"field": "sent_count", "operator": "greater", "value": 2}', '(n.sent_count > 2 AND n.sent_count IS NOT NULL)');

-- Memberships.
\set list '{"list": 1}'
\set on_list 'EXISTS (SELECT 1 FROM list_members m WHERE m.number_id = n.id AND m.list_id = 1)'
SELECT 'list', compare(:'from', :'list', :'on_list'), uses(:'from', :'list', 'SubPlan');
SELECT 'not on list', compare(:'from', '{"condition": "AND", "not": true, "rules": [{"list": 1}]}', 'NOT ' || :'on_list');
SELECT 'NOT list', compare('SELECT * FROM numbers n WHERE NOT %s', :'list', :'on_list'), uses('SELECT * FROM numbers n WHERE NOT %s', :'list', '"Join Type": "Anti"');
SELECT 'list and column', compare(:'from', '{"condition": "AND", "rules": [{"list": 1}, {"field": "carrier", "operator": "equal", "value": "carrier 3"}]}',
                                  :'on_list' || $$ AND n.carrier = 'carrier 3'$$);
-- A row is asked about its columns before its lists.
SELECT 'list or column', compare(:'from', '{"condition": "OR", "rules": [{"list": 1}, {"field": "carrier", "operator": "equal", "value": "carrier 3"}]}',
                                 $$n.carrier = 'carrier 3' OR $$ || :'on_list');
SELECT 'one member', compare('SELECT * FROM numbers n WHERE n.id = 3 AND %s', :'list', :'on_list');
SELECT 'list in ON', compare('SELECT * FROM orders o JOIN (SELECT * FROM numbers n WHERE %s) n ON n.id = o.number_id', :'list', :'on_list'),
       uses('SELECT * FROM orders o JOIN numbers n ON n.id = o.number_id AND %s', :'list', 'SubPlan');
SELECT 'list in ON of LEFT JOIN', compare('SELECT * FROM orders o LEFT JOIN numbers n ON n.id = o.number_id AND %s', :'list', :'on_list');
SELECT 'list in EXISTS', compare('SELECT * FROM orders o WHERE EXISTS (SELECT FROM numbers n WHERE n.id = o.number_id AND %s)', :'list', :'on_list');
SELECT 'list in NOT EXISTS', compare('SELECT * FROM orders o WHERE NOT EXISTS (SELECT FROM numbers n WHERE n.id = o.number_id AND %s)', :'list', :'on_list');
SELECT 'list in EXISTS, under OR', compare('SELECT * FROM orders o WHERE o.id = 3 OR EXISTS (SELECT FROM numbers n WHERE n.id = o.number_id AND %s)', :'list', :'on_list');
SELECT 'list twice', compare('SELECT * FROM numbers n WHERE %1$s AND n.id NOT IN (SELECT n.id FROM numbers n WHERE n.sent_count < 3 AND NOT %1$s)', :'list', :'on_list');

-- Joins.
SELECT 'join', compare('SELECT * FROM orders o JOIN numbers n ON n.id = o.number_id WHERE %s', :'carrier', $$n.carrier = 'carrier 3'$$);
SELECT 'join ON', compare('SELECT * FROM orders o JOIN numbers n ON n.id = o.number_id AND %s', :'carrier', $$n.carrier = 'carrier 3'$$);
SELECT 'LEFT JOIN, reduced', compare('SELECT * FROM orders o LEFT JOIN numbers n ON n.id = o.number_id WHERE %s', :'carrier', $$n.carrier = 'carrier 3'$$),
       uses('SELECT * FROM orders o LEFT JOIN numbers n ON n.id = o.number_id WHERE %s', :'carrier', '"Join Type": "Left"');
SELECT 'LEFT JOIN', compare('SELECT * FROM orders o LEFT JOIN numbers n ON n.id = o.number_id WHERE %s', :'not_carrier',
                            $$(n.carrier <> 'carrier 3' OR n.carrier IS NULL)$$);
SELECT 'LEFT JOIN ON', compare('SELECT * FROM orders o LEFT JOIN numbers n ON n.id = o.number_id AND %s', :'carrier', $$n.carrier = 'carrier 3'$$);
SELECT 'FULL JOIN', compare('SELECT * FROM orders o FULL JOIN numbers n ON n.id = o.number_id WHERE %s', :'not_carrier',
                            $$(n.carrier <> 'carrier 3' OR n.carrier IS NULL)$$);

-- Partitions.
SELECT 'partition pruning', compare('SELECT * FROM visits n WHERE %s', '{"field": "day", "operator": "greater_or_equal", "value": "2025-03-01"}', $$n.day >= '2025-03-01'$$),
       uses('SELECT * FROM visits n WHERE %s', '{"field": "day", "operator": "greater_or_equal", "value": "2025-03-01"}', 'visits_2024');

-- Other queries.
SELECT 'view', compare('SELECT * FROM (SELECT * FROM numbers) n WHERE %s', :'carrier', $$n.carrier = 'carrier 3'$$);
CREATE VIEW numbers_view AS SELECT id, upper(country) AS country, carrier FROM numbers;
SELECT 'view, its own row', compare('SELECT * FROM numbers_view n WHERE %s', :'carrier', $$n.carrier = 'carrier 3'$$);
SELECT 'view, computed column', compare('SELECT * FROM numbers_view n WHERE %s', :'country', $$n.country = 'GB'$$);
SELECT 'view, null-extended', compare('SELECT o.id, n.country FROM orders o LEFT JOIN numbers_view n ON n.id = o.number_id WHERE %s',
                                      '{"field": "country", "operator": "not_equal", "value": "GB"}', $$(n.country <> 'GB' OR n.country IS NULL)$$);
SELECT 'aggregated', compare('SELECT * FROM (SELECT country, count(*) AS members FROM numbers GROUP BY country) n WHERE %s',
                             '{"field": "members", "operator": "greater", "value": 10}', 'n.members > 10::bigint');
SELECT 'CTE', compare('WITH n AS MATERIALIZED (SELECT * FROM numbers) SELECT * FROM n WHERE %s', :'carrier', $$n.carrier = 'carrier 3'$$);
SELECT 'CTE, inlined', compare('WITH n AS (SELECT * FROM numbers) SELECT * FROM n WHERE %s', :'carrier', $$n.carrier = 'carrier 3'$$);
SELECT 'CTE around', compare('WITH c AS (SELECT * FROM numbers n WHERE %s) SELECT * FROM c', :'list', :'on_list');
SELECT 'join as a row', compare('SELECT * FROM (orders o JOIN numbers k ON k.id = o.number_id) AS n (a, b, c, d, e, carrier, sent_count, g, h) WHERE %s',
                                '{"field": "sent_count", "operator": "equal", "value": 3}', 'n.sent_count = 3');
SELECT 'VALUES', compare('SELECT * FROM (VALUES (1, 2), (3, 4)) AS n (a, b) WHERE %s', '{"field": "b", "operator": "greater", "value": 2}', 'n.b > 2');
SELECT 'UNION ALL', compare('SELECT * FROM (SELECT id, sent_count FROM numbers UNION ALL SELECT id, total FROM orders) n WHERE %s',
                            '{"field": "sent_count", "operator": "equal", "value": 3}', 'n.sent_count = 3');
SELECT 'UPDATE', compare('UPDATE numbers n SET sent_count = n.sent_count + 1 WHERE %s', :'carrier', $$n.carrier = 'carrier 3'$$);
SELECT 'UPDATE by list', compare('UPDATE orders o SET total = 0 FROM numbers n WHERE n.id = o.number_id AND %s', :'carrier', $$n.carrier = 'carrier 3'$$);
SELECT 'DELETE', compare('DELETE FROM numbers n WHERE %s', :'carrier', $$n.carrier = 'carrier 3'$$);
SELECT 'ordered, limited', compare('SELECT * FROM numbers n WHERE %s ORDER BY n.sent_count LIMIT 3', :'carrier', $$n.carrier = 'carrier 3'$$);

-- An SQL function that is inlined.
CREATE FUNCTION is_clicker(n numbers) RETURNS boolean LANGUAGE sql STABLE AS
    $$ SELECT segments.matches(n, '{"field": "click_count", "operator": "greater", "value": 0}') $$;
CREATE FUNCTION is_clicker_by_hand(n numbers) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT n.click_count > 0 AND n.click_count IS NOT NULL $$;
SELECT 'inlined SQL function', plan('SELECT * FROM numbers n WHERE is_clicker(n)') = plan('SELECT * FROM numbers n WHERE is_clicker_by_hand(n)');
SELECT 'NOT inlined SQL function', plan('SELECT * FROM numbers n WHERE NOT is_clicker(n)') = plan('SELECT * FROM numbers n WHERE NOT is_clicker_by_hand(n)');

-- Parallel.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT 'parallel scan', compare('SELECT count(*) FROM numbers n WHERE %s', :'rate', 'n.click_count * 100 / nullif(n.sent_count, 0) > 3'),
       uses('SELECT count(*) FROM numbers n WHERE %s', :'rate', '"Parallel Aware": true');
SELECT 'parallel join', compare('SELECT count(*) FROM numbers n WHERE %s', :'list', :'on_list');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- The rule as a parameter: a custom plan knows it, a generic one asks at run time.
PREPARE asked (segments.rule) AS SELECT * FROM numbers n WHERE segments.matches(n, $1);
SELECT 'prepared', plan(format('EXECUTE asked (%L)', :'carrier')) = plan($$SELECT * FROM numbers n WHERE n.carrier = 'carrier 3'$$);
SELECT 'prepared, list', plan(format('EXECUTE asked (%L)', :'list')) = plan('SELECT * FROM numbers n WHERE ' || :'on_list');
SET plan_cache_mode = force_generic_plan;
SELECT 'generic', plan(format('EXECUTE asked (%L)', :'carrier')) LIKE '%segments.matches(n.*, $1)%';
RESET plan_cache_mode;
CREATE FUNCTION plan_of_variable(rule segments.rule) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    FOR plan IN EXPLAIN (FORMAT JSON, VERBOSE) SELECT * FROM numbers n WHERE segments.matches(n, rule) LOOP
        RETURN regexp_replace(plan::text, '"(Startup Cost|Total Cost|Alias)": [^,\n]*,\n *', '', 'g');
    END LOOP;
END $$;
SELECT 'PL/pgSQL variable', plan_of_variable(:'carrier') = plan($$SELECT * FROM numbers n WHERE n.carrier = 'carrier 3'$$);
SELECT 'from text', compare('SELECT * FROM numbers n WHERE segments.matches(n, ''{"field": "sent_count", "operator": "equal", "value": 3}''::text::segments.rule) AND %s', :'carrier',
                            $$n.carrier = 'carrier 3'$$);

-- Row security: the invoker's rows.
CREATE ROLE regress_segments_reader;
GRANT SELECT ON numbers, list_members TO regress_segments_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_segments_reader;
ALTER TABLE numbers ENABLE ROW LEVEL SECURITY;
ALTER TABLE list_members ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON numbers USING (id % 2 = 0 OR country = 'GB');
CREATE POLICY low ON list_members USING (number_id < 10000);
SET ROLE regress_segments_reader;
SELECT 'row security', compare(:'from', :'carrier', $$n.carrier = 'carrier 3'$$);
SELECT 'row security of the list', compare(:'from', :'list', :'on_list');
SELECT 'row security of the list, under OR', compare(:'from', '{"condition": "OR", "rules": [{"list": 1}, {"field": "carrier", "operator": "equal", "value": "carrier 3"}]}',
                                                     $$n.carrier = 'carrier 3' OR $$ || :'on_list');
RESET ROLE;
-- A cached plan is made anew for another role.
SET plan_cache_mode = force_generic_plan;
PREPARE members AS SELECT count(*) FROM numbers n WHERE segments.matches(n, '{"list": 1}');
EXECUTE members;
SET ROLE regress_segments_reader;
EXECUTE members;
RESET ROLE;
EXECUTE members;
RESET plan_cache_mode;

-- A view of an owner who may read the list, for a reader who may not; a view of the reader's own rights.
REVOKE ALL ON list_members FROM regress_segments_reader;
CREATE VIEW on_list AS SELECT n.id FROM numbers n WHERE segments.matches(n, '{"list": 1}');
CREATE VIEW on_list_invoker WITH (security_invoker = true) AS SELECT n.id FROM numbers n WHERE segments.matches(n, '{"list": 1}');
CREATE VIEW rows_of_owner AS SELECT n AS whole FROM numbers n;
GRANT SELECT ON on_list, on_list_invoker, rows_of_owner, numbers_view TO regress_segments_reader;
SET ROLE regress_segments_reader;
SELECT count(*) FROM on_list;
SELECT count(*) FROM on_list WHERE id < 100;
SELECT count(*) FROM on_list_invoker;
SELECT count(*) FROM numbers n WHERE segments.matches(n, '{"list": 1}');
SELECT count(*) FROM rows_of_owner WHERE segments.matches(whole, '{"list": 1}');
SELECT count(*) FROM on_list l JOIN numbers n USING (id) WHERE segments.matches(n, '{"list": 0}');
RESET ROLE;

-- A definition that changes, and a column that does: cached plans follow.
PREPARE rates AS SELECT count(*) FROM numbers n WHERE segments.matches(n, '{"field": "rate", "operator": "greater", "value": 3}');
SET plan_cache_mode = force_generic_plan;
EXECUTE rates;
SELECT segments.add_field('numbers', 'rate', 'sent_count');
EXECUTE rates;
SELECT plan('SELECT * FROM numbers n WHERE segments.matches(n, ''{"field": "rate", "operator": "greater", "value": 3}'')') = plan('SELECT * FROM numbers n WHERE n.sent_count > 3');
RESET plan_cache_mode;

-- Where there is no query to be part of, matches() stays a function, which no index takes.
CREATE INDEX ON numbers (segments.matches(numbers, '{"everyone": true}'));

DROP VIEW on_list, on_list_invoker, rows_of_owner;
DROP OWNED BY regress_segments_reader;
DROP ROLE regress_segments_reader;
