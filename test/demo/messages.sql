-- What happened to each number's messages, so that it agrees with the counters of numbers: sent_count were sent, the last at last_sent_at,
-- and click_count clicked, the last at last_clicked_at. Drawn as data.sql draws.

-- A partition for each month back to the first sending, and one for what lies outside.
SELECT format('CREATE TABLE messages_%s PARTITION OF messages FOR VALUES FROM (%L) TO (%L)',
              to_char(month, 'YYYY_MM'), month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC')
FROM generate_series(date_trunc('month', (now() - interval '750 days') AT TIME ZONE 'UTC'), now() AT TIME ZONE 'UTC', '1 month') AS month
\gexec
CREATE TABLE messages_other PARTITION OF messages DEFAULT;

-- Every sending, from a number's last (0) back. A click that is three weeks older than the last sending follows a sending, too.
CREATE TEMP VIEW sending AS
SELECT id, country, sent_count, click_count, last_clicked_at, nth,
       -- Clicked is this sending, or one before it.
       CASE WHEN last_clicked_at >= last_sent_at THEN 0 WHEN sent_count < 4 THEN 1 ELSE 3 END AS clicked,
       last_sent_at - (before + CASE WHEN day + before IN (14, 30, 60, 90) THEN 1 ELSE 0 END) * interval '24 hours' AS at,
       1 + floor(40 * power(pg_temp.draw(id * 64 + nth, 12), 2))::int AS campaign
FROM (SELECT n.*, pg_temp.days_before(nth, sent_count) AS before,
             extract(day FROM date_trunc('day', now(), 'UTC') - date_trunc('day', last_sent_at, 'UTC'))::int AS day
      FROM (SELECT *, generate_series(0, sent_count - 1) AS nth FROM numbers WHERE sent_count > 0) AS n) AS traffic;

INSERT INTO messages (number_id, kind, at, campaign, price)
SELECT id, 'sent', at, campaign, CASE country WHEN 'US' THEN 0.0079 WHEN 'CA' THEN 0.0085 WHEN 'DE' THEN 0.0950 WHEN 'GB' THEN 0.0463 ELSE 0.0525 END
FROM sending;

INSERT INTO messages (number_id, kind, at, campaign)
SELECT id, 'delivered', at + (1 + 20 * pg_temp.draw(id * 64 + nth, 14)) * interval '1 second', campaign
FROM sending WHERE pg_temp.draw(id * 64 + nth, 13) < 0.94;

-- The last click, and earlier ones: each on a sending of its own while there are some.
INSERT INTO messages (number_id, kind, at, campaign, url)
SELECT s.id, 'clicked', CASE WHEN c = 0 THEN last_clicked_at ELSE at + (1 - c / click_count::float8) * pg_temp.draw(id, 9) * interval '3 hours' END,
       campaign, 'https://sho.ps/' || ('{sale,sale/shoes,new,reviews,account}'::text[])[1 + floor(5 * power(pg_temp.draw(id * 64 + c, 15), 1.5))::int]
FROM sending s JOIN LATERAL generate_series(0, click_count - 1) AS c ON nth = least(clicked + c, sent_count - 1)
WHERE click_count > 0;

-- Who opted out did so after the last message; some unsubscribed after the one before, and came back.
INSERT INTO messages (number_id, kind, at, campaign)
SELECT id, 'unsubscribed', at + (3 + 2 * pg_temp.draw(id, 16)) * interval '1 hour', campaign
FROM sending
WHERE nth = 0 AND id IN (SELECT number_id FROM list_members WHERE list_id = 11) OR nth = 1 AND sent_count > 3 AND pg_temp.draw(id, 17) < 0.02;

CREATE INDEX ON messages (number_id, kind, at);
VACUUM (ANALYZE) messages;
