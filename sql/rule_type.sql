-- segments.rule: text, json and jsonb in, canonical JSON out; comparing, hashing, ordering, composing, binary form.
\set VERBOSITY terse
SELECT '{"condition":"or","rules":[{"id":"number_clicks","field":"clicks","type":"integer","operator":"GREATER","value":0}],"valid":true}'::segments.rule;
SELECT '[{"id":"clicks","operator":"less","value":"5"}]'::segments.rule;
SELECT '{"combinator":"and","rules":[{"field":"carrier","operator":"notIn","value":"AT&T, Verizon"}]}'::segments.rule;
SELECT '{"rules":[{"field":"a","operator":"=","value":1},"and",{"field":"b","operator":"=","value":2},"or",{"field":"c","operator":"=","value":3}]}'::segments.rule;
SELECT '{"list":17}'::segments.rule;
SELECT '{"everyone":true}'::segments.rule;
SELECT '{"condition":"AND","rules":[{"segment":"clickers"}],"as_of":"2024-01-01","time_zone":"Europe/Paris","semantics":"sql"}'::segments.rule;
-- Numbers keep their digits.
SELECT '{"field":"clicks","operator":"in","value":[9007199254740993,1.50,1E2,"007"]}'::segments.rule;

-- Casts are assignment casts.
CREATE TABLE rules (id int, rule segments.rule);
INSERT INTO rules SELECT 1, text '{"field":"a","operator":"equal","value":1}';
INSERT INTO rules SELECT 2, json '{"field":"a","operator":"equal","value":1}';
INSERT INTO rules SELECT 3, jsonb '{"value":1,"field":"a","operator":"eq"}';
INSERT INTO rules VALUES (4, '{"field":"a","operator":"equal","value":2}'), (5, '{"list":1}'), (6, NULL);
SELECT id, rule FROM rules ORDER BY id;
SELECT rule::json, rule::jsonb, rule::text FROM rules WHERE id = 4;

-- Equality is that of the canonical form; rules group, join, sort and are indexed.
SELECT count(*), count(DISTINCT rule) FROM rules;
SELECT a.id, b.id FROM rules a JOIN rules b ON a.rule = b.rule AND a.id < b.id ORDER BY 1, 2;
SELECT id FROM rules ORDER BY rule DESC NULLS LAST, id;
CREATE UNIQUE INDEX rules_rule ON rules (rule) WHERE id > 3;
CREATE INDEX rules_hash ON rules USING hash (rule);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM rules WHERE rule = '{"list":1}';
SELECT id FROM rules WHERE rule = '{"list":1}';
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT a.rule < b.rule AS lt, a.rule <= b.rule AS le, a.rule > b.rule AS gt, a.rule >= b.rule AS ge, a.rule <> b.rule AS ne,
       a.rule OPERATOR(segments.=) b.rule AS eq
FROM rules a, rules b WHERE a.id = 1 AND b.id = 4;
SELECT segments.rule_hash(a.rule) = segments.rule_hash(b.rule) AS same, segments.rule_hash(a.rule) = segments.rule_hash(c.rule) AS other
FROM rules a, rules b, rules c WHERE (a.id, b.id, c.id) = (1, 3, 4);
INSERT INTO rules VALUES (7, '{"list":1}');

-- Composing.
SELECT segments.all_of('{"list":1}', '{"condition":"OR","rules":[{"list":2},{"list":3}]}');
SELECT segments.any_of('{"list":1}', '{"list":2}');
SELECT segments.none_of('{"list":1}', '{"list":2}');
SELECT segments.none_of('{"condition":"AND","rules":[{"list":1}],"time_zone":"UTC"}');
SELECT segments.all_of(VARIADIC array_agg(rule ORDER BY id)) FROM rules WHERE id IN (1, 5);
SELECT segments.all_of(VARIADIC '{}'::segments.rule[]);
SELECT segments.all_of(NULL::segments.rule);
SELECT segments.any_of('{"list":1}', '{"condition":"AND","rules":[{"list":1}],"time_zone":"UTC"}');

-- Binary form: a version byte, then the canonical text.
SELECT segments.rule_send('{"list":1}') = '\x01'::bytea || convert_to(('{"list":1}'::segments.rule)::text, 'UTF8') AS as_documented;

-- Looking into a rule.
SELECT segments.rule_fields(r), segments.rule_segments(r)
FROM (SELECT '{"combinator":"or","rules":[{"segment":"b"},{"field":"z","operator":"<","value":"y","valueSource":"field"},{"combinator":"and","rules":[{"segment":"a"},{"field":"z","operator":"null"}]}]}'::segments.rule r) s;
SELECT segments.rename_field('{"combinator":"or","rules":[{"field":"z","operator":"<","value":"y","valueSource":"field"},{"field":"y","operator":"null"}]}', 'y', 'why "not"');
SELECT segments.rename_segment('{"condition":"OR","rules":[{"segment":"a"},{"segment":"b"}]}', 'a', 'c');
SELECT segments.with_time_zone('{"list":1}', 'Asia/Tokyo');
SELECT segments.with_time_zone(segments.with_time_zone('{"list":1}', 'Asia/Tokyo'), 'UTC');

DROP TABLE rules;
