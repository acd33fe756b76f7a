-- A constant rule is plain SQL to the planner; a rule that arrives with a row is evaluated row by row.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
\echo
\echo 'The suppressed: sent to 10 times without a click, opted out, or bounced. Every answer above is without them.'
SELECT format('    %s %s', reason, count(*)) FROM segments.suppressed, unnest(reasons) AS reason WHERE audience = 'numbers'::regclass
GROUP BY reason ORDER BY reason;
\echo
\echo 'EXPLAIN with the rule as a constant: the index and the statistics are those of click_count > 0 AND sent_count = 1'
EXPLAIN SELECT * FROM numbers n
WHERE segments.matches(n, '{"condition": "AND", "rules": [{"field": "click_count", "operator": "greater", "value": 0},
                                                          {"field": "sent_count", "operator": "equal", "value": 1}]}');
\echo
\echo 'EXPLAIN with the rule from a table, known only when the query runs:'
EXPLAIN SELECT n.* FROM data_sets d JOIN numbers n ON segments.matches(n, d.rule::segments.rule) WHERE d.name = 'clickers sent to once';
