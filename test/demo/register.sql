-- What the columns can't say: labels, which lists a number is on, what happened to its messages, and who must not be written to.

SELECT segments.add_audience('numbers');
SELECT segments.add_field('numbers', 'phone', label => 'Phone', category => 'Number');
SELECT segments.add_field('numbers', 'country', label => 'Country', category => 'Number');
SELECT segments.add_field('numbers', 'carrier', label => 'Carrier', category => 'Number');
SELECT segments.add_field('numbers', 'sent_count', label => 'Sent count', category => 'Number');
SELECT segments.add_field('numbers', 'click_count', label => 'Clicks count', category => 'Number');
SELECT segments.add_field('numbers', 'last_sent_at', label => 'Last received SMS', category => 'Number');
SELECT segments.add_field('numbers', 'last_clicked_at', label => 'Last click', category => 'Number');
SELECT segments.add_field('numbers', 'created_at', label => 'Imported', category => 'Number');
SELECT segments.add_field('numbers', 'click_rate', 'round(100.0 * n.click_count / nullif(n.sent_count, 0), 1)', label => 'Click rate, %', category => 'Number');
SELECT segments.add_membership('numbers', 'list', 'list_members', member => 'number_id', value => 'list_id',
                               names => 'lists', name_key => 'id', name_label => 'name', name_archived => 'archived');

-- What happened, and counters that come from it alone.
SELECT segments.add_events('numbers', 'messages', 'messages', member => 'number_id', at => 'at', kind => 'kind');
SELECT segments.add_event_field('numbers', 'sends', '{"event": "sent"}', label => 'Sent count (events)');
SELECT segments.add_event_field('numbers', 'clicks', '{"event": "clicked"}', label => 'Clicks count (events)');
SELECT segments.add_event_field('numbers', 'last_sent', '{"event": "sent", "measure": "last"}', label => 'Last received SMS (events)');

SELECT segments.suppress('numbers', sent => 10);
SELECT segments.suppress('numbers', '{"list": 11}', reason => 'opted out');
SELECT segments.suppress('numbers', '{"list": 12}', reason => 'bounced');
