-- Behavioural rules beside SQL written by hand, on the data of events_data.sql: rivals take turns within each round; medians and ratios. Beside them one
-- correlated sub-select per member, asked of every 50th member, once, and multiplied. Prints Markdown.
\ir settings.sql
SET work_mem = '64MB';

CREATE TEMP TABLE question (position int GENERATED ALWAYS AS IDENTITY, name text, rule text, by_hand text, naive text);
INSERT INTO question (name, rule, by_hand, naive) VALUES
('ever: clicked', '{"event": "clicked"}',
 $$SELECT count(*) FROM people n WHERE EXISTS (SELECT FROM activity e WHERE e.person_id = n.id AND e.kind = 'clicked' AND e.at <= now())$$,
 $$(SELECT count(*) FROM activity e WHERE e.person_id = n.id AND e.kind = 'clicked' AND e.at <= now()) >= 1$$),
('windowed: at least 2 clicks in 30 days', '{"event": "clicked", "within": {"last": 30, "unit": "day"}, "operator": "greater_or_equal", "value": 2}',
 $$SELECT count(*) FROM people n JOIN (SELECT person_id FROM activity WHERE kind = 'clicked' AND at BETWEEN now() - interval '30 days' AND now()
   GROUP BY person_id HAVING count(*) >= 2) e ON e.person_id = n.id$$,
 $$(SELECT count(*) FROM activity e WHERE e.person_id = n.id AND e.kind = 'clicked' AND e.at BETWEEN now() - interval '30 days' AND now()) >= 2$$),
('zero: not sent to in 90 days', '{"event": "sent", "within": {"last": 90, "unit": "day"}, "operator": "equal", "value": 0}',
 $$SELECT count(*) FROM people n WHERE NOT EXISTS (SELECT FROM activity e WHERE e.person_id = n.id AND e.kind = 'sent' AND e.at BETWEEN now() - interval '90 days' AND now())$$,
 $$(SELECT count(*) FROM activity e WHERE e.person_id = n.id AND e.kind = 'sent' AND e.at BETWEEN now() - interval '90 days' AND now()) = 0$$),
('filtered: clicked in two campaigns', '{"event": "clicked", "where": {"condition": "AND", "rules": [{"field": "campaign", "operator": "in", "value": [7, 8]}]}}',
 $$SELECT count(*) FROM people n WHERE EXISTS (SELECT FROM activity e WHERE e.person_id = n.id AND e.kind = 'clicked' AND e.campaign IN (7, 8) AND e.at <= now())$$,
 $$(SELECT count(*) FROM activity e WHERE e.person_id = n.id AND e.kind = 'clicked' AND e.campaign IN (7, 8) AND e.at <= now()) >= 1$$),
('sum: spent more than 100', '{"event": "purchased", "measure": {"sum": "price"}, "operator": "greater", "value": 100}',
 $$SELECT count(*) FROM people n JOIN (SELECT person_id FROM activity WHERE kind = 'purchased' AND at <= now() GROUP BY person_id HAVING sum(price) > 100) e ON e.person_id = n.id$$,
 $$(SELECT coalesce(sum(price), 0) FROM activity e WHERE e.person_id = n.id AND e.kind = 'purchased' AND e.at <= now()) > 100$$),
('last: sent to, but not for 60 days', '{"event": "sent", "measure": "last", "operator": "greater_than_n_days", "value": 60}',
 $$SELECT count(*) FROM people n JOIN (SELECT person_id FROM activity WHERE kind = 'sent' AND at <= now() GROUP BY person_id HAVING max(at) < now() - interval '60 days') e ON e.person_id = n.id$$,
 $$(SELECT max(at) FROM activity e WHERE e.person_id = n.id AND e.kind = 'sent' AND e.at <= now()) < now() - interval '60 days'$$),
('two kinds: sent 20 times, never clicked', '{"condition": "AND", "rules": [{"event": "sent", "operator": "greater_or_equal", "value": 20},
  {"event": "clicked", "operator": "equal", "value": 0}]}',
 $$SELECT count(*) FROM people n JOIN (SELECT person_id FROM activity WHERE kind IN ('sent', 'clicked') AND at <= now() GROUP BY person_id
   HAVING count(*) FILTER (WHERE kind = 'sent') >= 20 AND count(*) FILTER (WHERE kind = 'clicked') = 0) e ON e.person_id = n.id$$,
 $$(SELECT count(*) FROM activity e WHERE e.person_id = n.id AND e.kind = 'sent' AND e.at <= now()) >= 20
   AND (SELECT count(*) FROM activity e WHERE e.person_id = n.id AND e.kind = 'clicked' AND e.at <= now()) = 0$$),
('sequence: clicked, then bought within a week', '{"sequence": [{"event": "clicked"}, {"event": "purchased", "after": {"at_most": 7, "unit": "day"}}]}',
 $$SELECT count(*) FROM people n WHERE n.id IN (SELECT a.person_id FROM activity a JOIN activity b ON b.person_id = a.person_id AND b.at > a.at AND b.at <= a.at + interval '7 days'
   WHERE a.kind = 'clicked' AND b.kind = 'purchased' AND a.at <= now() AND b.at <= now())$$,
 $$EXISTS (SELECT FROM activity a WHERE a.person_id = n.id AND a.kind = 'clicked' AND a.at <= now() AND EXISTS (SELECT FROM activity b WHERE b.person_id = a.person_id
   AND b.kind = 'purchased' AND b.at > a.at AND b.at <= a.at + interval '7 days' AND b.at <= now()))$$),
('negative sequence: bought this year, then no click in 30 days', '{"sequence": [{"event": "purchased"}, {"event": "clicked", "after": {"at_most": 30, "unit": "day"}, "not": true}],
  "within": {"last": 12, "unit": "month"}}',
 $$SELECT count(*) FROM people n WHERE n.id IN (SELECT a.person_id FROM activity a WHERE a.kind = 'purchased' AND a.at BETWEEN now() - interval '12 months' AND now()
   AND a.at + interval '30 days' <= now() AND NOT EXISTS (SELECT FROM activity b WHERE b.person_id = a.person_id AND b.kind = 'clicked' AND b.at > a.at AND b.at <= a.at + interval '30 days'
   AND b.at BETWEEN now() - interval '12 months' AND now()))$$,
 $$EXISTS (SELECT FROM activity a WHERE a.person_id = n.id AND a.kind = 'purchased' AND a.at BETWEEN now() - interval '12 months' AND now() AND a.at + interval '30 days' <= now()
   AND (SELECT count(*) FROM activity b WHERE b.person_id = a.person_id AND b.kind = 'clicked' AND b.at > a.at AND b.at <= a.at + interval '30 days' AND b.at <= now()) = 0)$$),
('nested: (2 clicks in 60 days or a purchase) and not unsubscribed and a plan', '{"condition": "AND", "rules": [{"condition": "OR", "rules": [
   {"event": "clicked", "within": {"last": 60, "unit": "day"}, "operator": "greater_or_equal", "value": 2}, {"event": "purchased"}]},
   {"condition": "AND", "not": true, "rules": [{"event": "unsubscribed"}]}, {"field": "plan", "operator": "in", "value": [3, 4, 5]}]}',
 $$SELECT count(*) FROM people n LEFT JOIN (SELECT person_id FROM activity WHERE kind = 'clicked' AND at BETWEEN now() - interval '60 days' AND now() GROUP BY person_id HAVING count(*) >= 2) c ON c.person_id = n.id
   LEFT JOIN (SELECT DISTINCT person_id FROM activity WHERE kind = 'purchased' AND at <= now()) p ON p.person_id = n.id
   WHERE (c.person_id IS NOT NULL OR p.person_id IS NOT NULL) AND n.plan IN (3, 4, 5)
   AND NOT EXISTS (SELECT FROM activity e WHERE e.person_id = n.id AND e.kind = 'unsubscribed' AND e.at <= now())$$,
 $$((SELECT count(*) FROM activity e WHERE e.person_id = n.id AND e.kind = 'clicked' AND e.at BETWEEN now() - interval '60 days' AND now()) >= 2
    OR (SELECT count(*) FROM activity e WHERE e.person_id = n.id AND e.kind = 'purchased' AND e.at <= now()) >= 1)
   AND (SELECT count(*) FROM activity e WHERE e.person_id = n.id AND e.kind = 'unsubscribed' AND e.at <= now()) = 0 AND n.plan IN (3, 4, 5)$$);

CREATE TEMP TABLE timing (position int, form text, ms float8, members bigint);
CREATE FUNCTION pg_temp.ask(question int, form text, query text, kept boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz := clock_timestamp();
    members bigint;
BEGIN
    EXECUTE query INTO members;
    IF kept THEN
        INSERT INTO timing VALUES (question, form, 1000 * extract(epoch FROM clock_timestamp() - began), members);
    END IF;
END $$;

-- The first round warms up.
DO $$
DECLARE
    q record;
BEGIN
    FOR round IN 0..current_setting('bench.rounds')::int LOOP
        FOR q IN SELECT * FROM question, LATERAL (VALUES
                ('by hand', by_hand),
                ('count', format('SELECT segments.count(''people'', %L)', rule)),
                ('keys', format('SELECT count(*) FROM segments.keys(''people'', %L)', rule)),
                ('matches', format('SELECT count(*) FROM people n WHERE segments.matches(n, %L)', rule)),
                ('naive', CASE round WHEN 1 THEN format('SELECT count(*) FROM people n WHERE id %% 50 = 0 AND (%s)', naive) END)) f (form, query)
            WHERE query IS NOT NULL ORDER BY position, hashtext(form || round) LOOP
            PERFORM pg_temp.ask(q.position, q.form, q.query, round > 0);
        END LOOP;
    END LOOP;
END $$;
\pset format unaligned
\pset fieldsep ' | '
\pset tuples_only on
\echo '| rule | members | by hand | count() | ratio | keys() | ratio | matches | ratio | member by member | factor |'
\echo '|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|'
WITH median AS (SELECT position, form, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms, min(members) FILTER (WHERE form <> 'naive') AS least, max(members) FILTER (WHERE form <> 'naive') AS most FROM timing GROUP BY position, form),
     wide AS (SELECT position, max(ms) FILTER (WHERE form = 'by hand') AS hand, max(ms) FILTER (WHERE form = 'count') AS count, max(ms) FILTER (WHERE form = 'keys') AS keys,
                     max(ms) FILTER (WHERE form = 'matches') AS matches, 50 * max(ms) FILTER (WHERE form = 'naive') AS one_by_one, min(least) AS least, max(most) AS most FROM median GROUP BY position)
SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |', name, CASE WHEN least = most THEN most::text ELSE least || ' to ' || most || '!' END,
              round(hand), round(count), round((count / hand)::numeric, 2), round(keys), round((keys / hand)::numeric, 2),
              round(matches), round((matches / hand)::numeric, 2), round(one_by_one), round((one_by_one / count)::numeric, 1))
FROM wide JOIN question USING (position) ORDER BY position;
\echo

-- One member: matches with a constant rule, prepared.
CREATE TEMP TABLE single (name text, ms float8);
DO $$
DECLARE
    q record;
    began timestamptz;
    members bigint := (SELECT count(*) FROM people);
BEGIN
    FOR q IN SELECT * FROM question ORDER BY position LOOP
        EXECUTE format('PREPARE one (int) AS SELECT segments.matches(n, %L) FROM people n WHERE id = $1', q.rule);
        FOR i IN 1..300 LOOP
            began := clock_timestamp();
            EXECUTE format('EXECUTE one (%s)', 1 + i * 3271 % members);
            INSERT INTO single VALUES (q.name, 1000 * extract(epoch FROM clock_timestamp() - began));
        END LOOP;
        DEALLOCATE one;
    END LOOP;
END $$;
\echo '| one member | median ms | 95th percentile |'
\echo '|---|--:|--:|'
SELECT format('| %s | %s | %s |', name, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 3), round(percentile_cont(0.95) WITHIN GROUP (ORDER BY ms)::numeric, 3))
FROM single JOIN question USING (name) GROUP BY name, position ORDER BY position;
