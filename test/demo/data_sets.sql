-- The data sets of the product's own help: each as its JSON, and as the condition that one would write by hand (on row n).

CREATE TABLE data_sets (
    name text PRIMARY KEY,
    position int GENERATED ALWAYS AS IDENTITY,
    meaning text NOT NULL,
    rule json NOT NULL,
    by_hand text NOT NULL
);

INSERT INTO data_sets (name, meaning, rule, by_hand) VALUES
('clickers', 'clicked at least once',
 '{"condition": "AND", "rules": [{"field": "click_count", "operator": "greater", "value": 0}]}',
 'click_count > 0'),
('clickers sent to once', 'clicked, and was sent to exactly once',
 '{"condition": "AND", "rules": [{"field": "click_count", "operator": "greater", "value": 0},
                                 {"field": "sent_count", "operator": "equal", "value": 1}]}',
 'click_count > 0 AND sent_count = 1'),
('clickers, rested', 'clicked, and was not sent to for more than 30 days',
 '{"condition": "AND", "rules": [{"field": "click_count", "operator": "greater", "value": 0},
                                 {"field": "last_sent_at", "operator": "greater_than_n_days", "value": 30}]}',
 'click_count > 0 AND last_sent_at < now() - interval ''30 days'''),
('clickers, two weeks', 'clicked, and was not sent to in the last couple of weeks',
 '{"condition": "AND", "rules": [{"field": "click_count", "operator": "greater", "value": 0},
                                 {"field": "last_sent_at", "operator": "greater_than_n_days", "value": 14}]}',
 'click_count > 0 AND last_sent_at < now() - interval ''14 days'''),
('unused', 'imported, never sent to',
 '{"condition": "AND", "rules": [{"field": "sent_count", "operator": "less", "value": 1}]}',
 'sent_count < 1'),
('one message, no click', 'sent to once, never clicked',
 '{"condition": "AND", "rules": [{"field": "sent_count", "operator": "equal", "value": 1},
                                 {"field": "click_count", "operator": "equal", "value": 0}]}',
 'sent_count = 1 AND click_count = 0'),
('one carrier', 'on Verizon',
 '{"condition": "AND", "rules": [{"field": "carrier", "operator": "equal", "value": "Verizon"}]}',
 'carrier = ''Verizon'''),
('several carriers', 'on AT&T, T-Mobile or O2; as React Query Builder writes it',
 '{"combinator": "and", "rules": [{"field": "carrier", "operator": "in", "value": ["AT&T", "T-Mobile", "O2"]}]}',
 'carrier IN (''AT&T'', ''T-Mobile'', ''O2'')'),
('one country', 'in Germany and nowhere else',
 '{"condition": "AND", "rules": [{"field": "country", "operator": "equal", "value": "DE"}]}',
 'country = ''DE'''),
('grouped', '(clickers or unused) and (two carriers or a country) and not on the newsletter',
 '{"condition": "AND", "rules": [
    {"condition": "OR", "rules": [{"field": "click_count", "operator": "greater", "value": 0},
                                  {"field": "sent_count", "operator": "less", "value": 1}]},
    {"condition": "OR", "rules": [{"field": "carrier", "operator": "in", "value": ["Verizon", "AT&T"]},
                                  {"field": "country", "operator": "equal", "value": "DE"}]},
    {"condition": "AND", "not": true, "rules": [{"list": 1}]}]}',
 '(click_count > 0 OR sent_count < 1) AND (carrier IN (''Verizon'', ''AT&T'') OR country = ''DE'')
  AND NOT EXISTS (SELECT FROM list_members m WHERE m.number_id = n.id AND m.list_id = 1)'),
('archived list', 'on the archived list "Black Friday 2024", minus the suppressed',
 '{"list": 8}',
 'id IN (SELECT number_id FROM list_members WHERE list_id = 8)');
