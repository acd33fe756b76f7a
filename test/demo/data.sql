-- :n numbers, the same ones every time: each value is drawn from a hash of the id. Skewed as real traffic is.
-- Times count back from today's midnight in UTC and keep away from the days that the data sets ask about (14, 30, 60 and 90 days ago),
-- so that what is counted today is counted tomorrow too.

-- Uniform in [0, 1) and fixed for an id: every column draws with a number of its own.
CREATE FUNCTION pg_temp.draw(id bigint, what int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (hashint8extended(id, what) & 4294967295) / 4294967296.0::float8;

-- How many days before a number's last sending one before it was: each week, or each third week to those who get few.
CREATE FUNCTION pg_temp.days_before(nth int, sent int) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN nth * CASE WHEN sent < 4 THEN 21 ELSE 7 END;

-- A thousand slots, shared out by weight; digits that follow the prefix make the number unique.
CREATE TEMP TABLE slot AS
SELECT row_number() OVER (ORDER BY country, carrier, i) - 1 AS slot, country, carrier, prefix
FROM (VALUES
    ('US', 'Verizon', '+121', 110), ('US', 'AT&T', '+131', 95), ('US', 'T-Mobile', '+142', 75), ('US', 'Boost Mobile', '+165', 12),
    ('US', 'UScellular', '+177', 8),
    ('GB', 'EE', '+4474', 40), ('GB', 'O2', '+4475', 30), ('GB', 'Vodafone', '+4477', 25), ('GB', 'Three', '+4478', 15),
    ('DE', 'Telekom', '+49151', 35), ('DE', 'Vodafone', '+49152', 30), ('DE', 'O2', '+49176', 25),
    ('FR', 'Orange', '+336', 35), ('FR', 'SFR', '+336', 20), ('FR', 'Bouygues Telecom', '+337', 15), ('FR', 'Free', '+337', 10),
    ('IN', 'Jio', '+9170', 40), ('IN', 'Airtel', '+9198', 28), ('IN', 'Vi', '+9199', 12),
    ('BR', 'Vivo', '+55119', 28), ('BR', 'Claro', '+55219', 22), ('BR', 'TIM', '+55319', 20),
    ('ES', 'Movistar', '+346', 20), ('ES', 'Orange', '+346', 15), ('ES', 'Vodafone', '+347', 15),
    ('IT', 'TIM', '+3933', 15), ('IT', 'Vodafone', '+3934', 15), ('IT', 'WindTre', '+3932', 15), ('IT', 'iliad', '+3935', 5),
    ('MX', 'Telcel', '+5255', 28), ('MX', 'AT&T', '+5233', 7), ('MX', 'Movistar', '+5281', 5),
    ('CA', 'Rogers', '+141', 13), ('CA', 'Bell', '+151', 12), ('CA', 'Telus', '+160', 10),
    ('PL', 'Play', '+485', 8), ('PL', 'Orange', '+485', 7), ('PL', 'Plus', '+486', 6), ('PL', 'T-Mobile', '+488', 4),
    ('NL', 'KPN', '+316', 9), ('NL', 'Vodafone', '+316', 6), ('NL', 'Odido', '+316', 5),
    ('AU', 'Telstra', '+614', 10), ('AU', 'Optus', '+614', 6), ('AU', 'Vodafone', '+614', 4),
    ('ZA', 'Vodacom', '+277', 7), ('ZA', 'MTN', '+278', 6), ('ZA', 'Cell C', '+276', 2),
    ('NG', 'MTN', '+23480', 8), ('NG', 'Airtel', '+23481', 5), ('NG', 'Glo', '+23490', 2)
) AS carriers (country, carrier, prefix, weight), generate_series(1, weight) AS i;
ANALYZE slot;

-- A quarter was never sent to; of the others one in eight has clicked. Campaigns went out on some days, in office hours.
INSERT INTO numbers
SELECT i, prefix || lpad((i * 38742049 % 100000000)::text, 8, '0'), country, CASE WHEN pg_temp.draw(i, 2) >= 0.02 THEN carrier END,
       sent, clicks, sent_at,
       CASE WHEN clicks > 0 THEN sent_at - CASE WHEN sent > 1 AND pg_temp.draw(i, 8) < 0.3 THEN interval '21 days' ELSE interval '0' END
                                 + pg_temp.draw(i, 9) * interval '3 hours' END,
       coalesce(sent_at, today) - (1.5 + pg_temp.days_before(greatest(sent - 1, 0), sent)
                                   + pg_temp.draw(i, 10) * CASE WHEN sent > 0 THEN 700 ELSE 60 END) * interval '24 hours'
FROM (SELECT i, today,
             CASE WHEN pg_temp.draw(i, 3) < 0.25 THEN 0 ELSE 1 + least(59, floor(-3.5 * ln(1 - pg_temp.draw(i, 4))))::int END AS sent,
             '{1,2,4,6,10,12,17,20,24,27,34,38,45,52,61,75,91,120,150,190,240,300,365}'::int[] AS campaigns
      FROM generate_series(1::bigint, :n) AS i, (SELECT date_trunc('day', now(), 'UTC')) AS day (today)) AS number,
     LATERAL (SELECT CASE WHEN sent > 0 AND pg_temp.draw(i, 5) < 0.125
                          THEN least(sent, 1 + floor(-1.2 * ln(1 - pg_temp.draw(i, 6)))::int) ELSE 0 END AS clicks,
                     CASE WHEN sent > 0
                          THEN today - campaigns[1 + floor(power(pg_temp.draw(i, 7), 1.5) * 23)::int] * interval '24 hours'
                               + interval '9 hours' + pg_temp.draw(i, 11) * interval '9 hours' END AS sent_at) AS traffic,
     slot
WHERE slot = floor(pg_temp.draw(i, 1) * 1000)::int
ORDER BY i;

INSERT INTO lists (id, name, archived) VALUES
    (1, 'Newsletter', false), (2, 'VIP customers', false), (3, 'Product news', false), (4, 'Weekend offers', false),
    (5, 'Beta testers', false), (6, 'Store Berlin', false), (7, 'Summer sale 2024', true), (8, 'Black Friday 2024', true),
    (9, 'Christmas 2024', true), (10, 'Webinar guests', true), (11, 'Opted out', false), (12, 'Bounced', false);

INSERT INTO list_members
SELECT list_id, i
FROM unnest('{0.3,0.01,0.12,0.08,0.002,0.015,0.05,0.06,0.04,0.007,0.02,0.01}'::float8[]) WITH ORDINALITY AS share (share, list_id),
     generate_series(1::bigint, :n) AS i
WHERE pg_temp.draw(i, 100 + list_id::int) < share;

ALTER TABLE list_members ADD PRIMARY KEY (list_id, number_id);
CREATE INDEX ON list_members (number_id, list_id);
CREATE UNIQUE INDEX ON numbers (phone);
CREATE INDEX ON numbers (carrier);
CREATE INDEX ON numbers (country);
CREATE INDEX ON numbers (last_sent_at);
CREATE INDEX ON numbers (click_count) WHERE click_count > 0;
VACUUM (ANALYZE) numbers, lists, list_members;
