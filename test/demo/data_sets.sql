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

-- The same once more, from what happened and no counter; and what no counter can say.
INSERT INTO data_sets (name, meaning, rule, by_hand) VALUES
('clickers, by events', 'clicked at least once',
 '{"condition": "AND", "rules": [{"field": "clicks", "operator": "greater", "value": 0}]}',
 'click_count > 0'),
('clickers sent to once, by events', 'clicked, and was sent to exactly once',
 '{"condition": "AND", "rules": [{"field": "clicks", "operator": "greater", "value": 0},
                                 {"field": "sends", "operator": "equal", "value": 1}]}',
 'click_count > 0 AND sent_count = 1'),
('clickers, rested, by events', 'clicked, and was not sent to for more than 30 days',
 '{"condition": "AND", "rules": [{"field": "clicks", "operator": "greater", "value": 0},
                                 {"field": "last_sent", "operator": "greater_than_n_days", "value": 30}]}',
 'click_count > 0 AND last_sent_at < now() - interval ''30 days'''),
('clickers, two weeks, by events', 'clicked, and was not sent to in the last couple of weeks',
 '{"condition": "AND", "rules": [{"field": "clicks", "operator": "greater", "value": 0},
                                 {"field": "last_sent", "operator": "greater_than_n_days", "value": 14}]}',
 'click_count > 0 AND last_sent_at < now() - interval ''14 days'''),
('unused, by events', 'imported, never sent to',
 '{"condition": "AND", "rules": [{"field": "sends", "operator": "less", "value": 1}]}',
 'sent_count < 1'),
('one message, no click, by events', 'sent to once, never clicked',
 '{"condition": "AND", "rules": [{"field": "sends", "operator": "equal", "value": 1},
                                 {"field": "clicks", "operator": "equal", "value": 0}]}',
 'sent_count = 1 AND click_count = 0'),
('grouped, by events', '(clickers or unused) and (two carriers or a country) and not on the newsletter',
 '{"condition": "AND", "rules": [
    {"condition": "OR", "rules": [{"field": "clicks", "operator": "greater", "value": 0},
                                  {"field": "sends", "operator": "less", "value": 1}]},
    {"condition": "OR", "rules": [{"field": "carrier", "operator": "in", "value": ["Verizon", "AT&T"]},
                                  {"field": "country", "operator": "equal", "value": "DE"}]},
    {"condition": "AND", "not": true, "rules": [{"list": 1}]}]}',
 '(click_count > 0 OR sent_count < 1) AND (carrier IN (''Verizon'', ''AT&T'') OR country = ''DE'')
  AND NOT EXISTS (SELECT FROM list_members m WHERE m.number_id = n.id AND m.list_id = 1)'),
('regulars', 'clicked at least twice in the last 90 days',
 '{"event": "clicked", "within": {"last": 90, "unit": "day"}, "operator": "greater_or_equal", "value": 2}',
 '(SELECT count(*) FROM messages m WHERE m.number_id = n.id AND m.kind = ''clicked'' AND m.at BETWEEN now() - interval ''90 days'' AND now()) >= 2'),
('tired', 'was sent to at least 3 times in the last 60 days and clicked nothing',
 '{"condition": "AND", "rules": [
    {"event": "sent", "within": {"last": 60, "unit": "day"}, "operator": "greater_or_equal", "value": 3},
    {"event": "clicked", "within": {"last": 60, "unit": "day"}, "operator": "equal", "value": 0}]}',
 '(SELECT count(*) FROM messages m WHERE m.number_id = n.id AND m.kind = ''sent'' AND m.at BETWEEN now() - interval ''60 days'' AND now()) >= 3
  AND NOT EXISTS (SELECT FROM messages m WHERE m.number_id = n.id AND m.kind = ''clicked'' AND m.at BETWEEN now() - interval ''60 days'' AND now())'),
('bargain hunters', 'clicked a link to a sale in campaign 7',
 '{"event": "clicked", "where": {"condition": "AND", "rules": [{"field": "campaign", "operator": "equal", "value": 7},
                                                               {"field": "url", "operator": "contains", "value": "sale"}]}}',
 'EXISTS (SELECT FROM messages m WHERE m.number_id = n.id AND m.kind = ''clicked'' AND m.at <= now() AND m.campaign = 7 AND m.url LIKE ''%sale%'')'),
('won', 'clicked within 7 days of a message, and did not unsubscribe in the 30 days after that',
 '{"sequence": [{"event": "sent"}, {"event": "clicked", "after": {"at_most": 7, "unit": "day"}},
                {"event": "unsubscribed", "after": {"at_most": 30, "unit": "day"}, "not": true}]}',
 'EXISTS (SELECT FROM messages s JOIN messages c USING (number_id)
          WHERE s.number_id = n.id AND s.kind = ''sent'' AND c.kind = ''clicked'' AND c.at > s.at AND c.at <= s.at + interval ''7 days''
            AND c.at + interval ''30 days'' <= now()
            AND NOT EXISTS (SELECT FROM messages u WHERE u.number_id = n.id AND u.kind = ''unsubscribed''
                              AND u.at > c.at AND u.at <= c.at + interval ''30 days''))');
