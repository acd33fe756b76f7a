-- One transaction: clicks come in, are counted at once, and are taken back.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
\set rule '{"event": "clicked", "operator": "greater", "value": 0}'
SELECT segments.count('numbers', :'rule', suppress => false) AS before \gset
\echo
\echo 'Live: members of' :rule
\echo '   ' before: :before
BEGIN;
INSERT INTO messages (number_id, kind, at, campaign)
SELECT n.id, 'clicked', now(), 41 FROM numbers n WHERE n.click_count = 0 ORDER BY n.id LIMIT 1000;
SELECT clock_timestamp() AS began \gset
SELECT segments.count('numbers', :'rule', suppress => false) AS within \gset
SELECT round(1000 * extract(epoch FROM clock_timestamp() - :'began')::numeric, 2) AS took \gset
\echo '    after 1000 clicks, in the same transaction:' :within, counted in :took ms
ROLLBACK;
SELECT segments.count('numbers', :'rule', suppress => false) AS after \gset
\echo '    rolled back:' :after
