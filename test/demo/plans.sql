-- Who is left out of every answer, and what the planner makes of a rule.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
SELECT clock_timestamp() AS began \gset
SELECT count(*) AS members, count(*) FILTER (WHERE 'unresponsive' = ANY (reasons)) AS unresponsive,
       count(*) FILTER (WHERE 'opted out' = ANY (reasons)) AS opted_out, count(*) FILTER (WHERE 'bounced' = ANY (reasons)) AS bounced
FROM segments.suppressed WHERE audience = 'numbers'::regclass \gset
SELECT round(1000 * extract(epoch FROM clock_timestamp() - :'began')::numeric, 1) AS took \gset
SELECT string_agg(phone, '  ') AS some FROM (SELECT phone FROM numbers n WHERE segments.is_suppressed(n) LIMIT 4) AS few \gset
\echo
\echo 'the suppressed: sent to 10 times without a click, opted out, or bounced; every answer above is without them'
\echo '    segments.suppressed:' :unresponsive unresponsive, :opted_out opted out, :bounced bounced
\echo '   ' :members members in :took ms: :some ' …'
SET jit = off;
\echo
\echo 'EXPLAIN with the rule as a constant: the index and the statistics are those of click_count > 0 AND sent_count = 1'
EXPLAIN SELECT * FROM numbers n
WHERE segments.matches(n, '{"condition": "AND", "rules": [{"field": "click_count", "operator": "greater", "value": 0},
                                                          {"field": "sent_count", "operator": "equal", "value": 1}]}');
\echo
\echo 'EXPLAIN with the rule from a table, known only when the query runs:'
EXPLAIN SELECT n.* FROM data_sets d JOIN numbers n ON segments.matches(n, d.rule::segments.rule) WHERE d.name = 'clickers sent to once';
