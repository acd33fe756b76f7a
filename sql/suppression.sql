-- Global suppression: left out once, outermost, by everything that answers who.
CREATE FUNCTION refusal(command text) RETURNS TABLE (state text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    state := 'accepted';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
SET TimeZone = 'UTC';
CREATE TABLE numbers (id bigint PRIMARY KEY, sent_count int, click_count int, bounced boolean);
INSERT INTO numbers VALUES (1, 0, 0, false), (2, 4, 0, false), (3, 5, 0, false), (4, 9, 0, true), (5, 9, 1, false), (6, 9, NULL, NULL), (7, NULL, NULL, true), (8, NULL, 0, false);
CREATE TABLE lists (id int PRIMARY KEY, name text);
INSERT INTO lists VALUES (1, 'News'), (2, 'Opted out');
CREATE TABLE list_members (number_id bigint, list_id int, PRIMARY KEY (number_id, list_id));
INSERT INTO list_members SELECT i, 1 FROM generate_series(1, 8) i;
INSERT INTO list_members VALUES (1, 2);
SELECT segments.add_membership('numbers', 'list', 'list_members', 'number_id', 'list_id', 'lists', 'id', 'name');
SELECT segments.create('everyone', 'numbers', '{"everyone":true}', '{id}');
SELECT segments.create('news', 'numbers', '{"list":1}', '{id}');
SELECT segments.create('not_news', 'numbers', '{"condition":"AND","not":true,"rules":[{"segment":"news"}]}', '{id}');
PREPARE everyone AS SELECT array_agg(id ORDER BY id) FROM everyone;
EXECUTE everyone;

-- Received at least N and never clicked; a counter that is NULL has counted nothing.
SELECT segments.suppress('numbers', sent => 5);
SELECT reason, rule FROM segments.suppression;
EXECUTE everyone;
SELECT * FROM segments.suppressed ORDER BY member;
-- Another N: the very next statement.
SELECT segments.suppress('numbers', sent => 4);
EXECUTE everyone;
SELECT segments.suppress('numbers', sent => 10);
EXECUTE everyone;
-- Several reasons side by side; a later call replaces one reason's rule.
SELECT segments.suppress('numbers', sent => 5);
SELECT segments.suppress('numbers', '{"list":2}', reason => 'opted out');
SELECT segments.suppress('numbers', '{"field":"bounced","operator":"equal","value":true}', reason => 'bounces');
SELECT * FROM segments.suppressed ORDER BY member;
EXECUTE everyone;
SELECT array_agg(id ORDER BY id) FROM news;
-- A segment inside a rule is its rule alone: the suppressed are not in "not news" because they were left out of news.
SELECT count(*) FROM not_news;
SELECT array_agg(id ORDER BY id) FROM numbers n WHERE segments.is_suppressed(n);
SELECT array_agg(id ORDER BY id) FROM numbers n WHERE segments.matches(n, '{"list":1}');
-- Frozen lists are without them.
INSERT INTO lists VALUES (3, 'Sent');
SELECT segments.freeze('numbers', '{"list":1}', 'list', '3');
SELECT array_agg(number_id ORDER BY number_id) FROM list_members WHERE list_id = 3;

-- Other counters, other audiences; a rule may name a segment.
CREATE TABLE phones (phone text PRIMARY KEY, received int, clicked int);
INSERT INTO phones VALUES ('+1', 3, 0), ('+2', 3, 2), ('+3', 1, 0);
SELECT segments.suppress('phones', sent => 3, sent_field => 'received', click_field => 'clicked');
SELECT segments.create('ones', 'phones', '{"field":"received","operator":"equal","value":1}');
SELECT segments.suppress('phones', '{"segment":"ones"}', reason => 'ones');
SELECT * FROM segments.suppressed WHERE audience = 'phones'::regclass ORDER BY member;
SELECT segments.alter('ones', '{"field":"received","operator":"equal","value":3}');
SELECT * FROM segments.suppressed WHERE audience = 'phones'::regclass ORDER BY member;
SELECT * FROM ones;
-- An audience without suppression is not in the view.
CREATE TABLE people (id int PRIMARY KEY, sent_count int, click_count int);
SELECT segments.add_audience('people');
SELECT DISTINCT audience FROM segments.suppressed ORDER BY 1;
-- Registers the audience.
CREATE TABLE others (id int PRIMARY KEY, sent_count int, click_count int);
SELECT segments.suppress('others', sent => 1);
SELECT audience, key FROM segments.audience WHERE audience = 'others'::regclass;

\x on
\t on
SELECT * FROM refusal($$SELECT segments.suppress('numbers')$$);
SELECT * FROM refusal($$SELECT segments.suppress('numbers', '{"list":2}', 5)$$);
SELECT * FROM refusal($$SELECT segments.suppress('numbers', sent => 0)$$);
SELECT * FROM refusal($$SELECT segments.suppress('numbers', sent => -1)$$);
SELECT * FROM refusal($$SELECT segments.suppress('numbers', sent => 1, sent_field => 'nothing')$$);
SELECT * FROM refusal($$SELECT segments.suppress('numbers', sent => 1, click_field => NULL)$$);
SELECT * FROM refusal($$SELECT segments.suppress('numbers', sent => 1, sent_field => 'list')$$);
SELECT * FROM refusal($$SELECT segments.suppress('numbers', '{"list":99}')$$);
SELECT * FROM refusal($$SELECT segments.suppress('numbers', '{"segment":"nobody"}')$$);
SELECT * FROM refusal($$SELECT segments.suppress('numbers', '{"list":2}', reason => '')$$);
SELECT * FROM refusal($$SELECT segments.suppress(NULL, sent => 1)$$);
SELECT * FROM refusal($$SELECT segments.unsuppress('numbers', 'nothing')$$);
SELECT * FROM refusal($$SELECT segments.unsuppress('people')$$);
SELECT * FROM refusal($$SELECT segments.drop('ones')$$);
SELECT * FROM refusal($$SELECT segments.drop('ones', cascade => true)$$);
\t off
\x off

SELECT segments.unsuppress('numbers');
SELECT segments.unsuppress('numbers', 'opted out');
SELECT segments.unsuppress('numbers', reason => 'bounces');
EXECUTE everyone;
SELECT count(*) FROM segments.suppressed WHERE audience = 'numbers'::regclass;
SELECT count(*) FROM pg_views WHERE schemaname = 'segments' AND viewname LIKE 'numbers.%';
