-- What whoever works by SQL follows: scores as they were written, and alerts with what people do about them.
CREATE VIEW score_changes AS
SELECT s.xact AS turn, s.id AS change, s.at, i.value AS customer, s.version, e.score, e.confidence,
    (coalesce(m.band_names, '{unknown,critical,low,fair,good,great}'))[e.band + 1] AS band, m.version AS model_version,
    CASE WHEN i.person <> i.id THEN t.value END AS merged_into
FROM score_change AS s
CROSS JOIN LATERAL unnest(s.persons, s.scores, s.confidences, s.bands) AS e (person, score, confidence, band)
JOIN identity AS i ON i.id = e.person
JOIN identity AS t ON t.id = i.person
LEFT JOIN model AS m ON m.id = s.model
WHERE s.xact < pg_snapshot_xmin(pg_current_snapshot());

CREATE VIEW customer_alerts AS
SELECT a.id, i.value AS customer, a.account, a.rule, a.severity, a.state, a.opened_at, a.changed_at, a.closed_at,
    a.score_before, a.score, a.reasons, a.incident, w.assigned_to, w.due_at, w.snoozed_until,
    w.acknowledged_at, w.acknowledged_by, w.done_at, w.done_by, w.outcome
FROM alert AS a
LEFT JOIN identity AS i ON i.id = a.person
LEFT JOIN alert_work AS w ON w.alert = a.id;

COMMENT ON VIEW score_changes IS 'Scores as they were written in the last 30 days; a row is shown once none before it can still appear, so whoever goes on after the last (turn, change) misses nothing.';
COMMENT ON COLUMN score_changes.turn IS 'The transaction that wrote it; go on by (turn, change), which has an index.';
COMMENT ON COLUMN score_changes.change IS 'The row within the turn; all customers that one transaction scored share both.';
COMMENT ON COLUMN score_changes.at IS 'When that transaction began.';
COMMENT ON COLUMN score_changes.customer IS 'kind:value of the customer''s strongest identity.';
COMMENT ON COLUMN score_changes.version IS 'Rises with every change of the customer''s state: take a row only when it is above the one held.';
COMMENT ON COLUMN score_changes.score IS '0 to 100, as it was written then; 50 is neutral or unknown.';
COMMENT ON COLUMN score_changes.confidence IS 'How much was seen: 0 nothing, towards 1 much.';
COMMENT ON COLUMN score_changes.band IS 'A word for the score: bands.md.';
COMMENT ON COLUMN score_changes.model_version IS 'The model that it was read by.';
COMMENT ON COLUMN score_changes.merged_into IS 'The customer that this one turned out to be; null for everybody else.';
COMMENT ON VIEW customer_alerts IS 'Alerts, and what people do about them.';
COMMENT ON COLUMN customer_alerts.id IS 'The alert, as in the API.';
COMMENT ON COLUMN customer_alerts.customer IS 'Whose score fell; null where it was an account''s.';
COMMENT ON COLUMN customer_alerts.account IS 'The company whose score fell; null where it was a customer''s.';
COMMENT ON COLUMN customer_alerts.rule IS 'drop, bad_answer or overdue.';
COMMENT ON COLUMN customer_alerts.severity IS 'warning or critical.';
COMMENT ON COLUMN customer_alerts.state IS 'open, closed or withdrawn.';
COMMENT ON COLUMN customer_alerts.opened_at IS 'By the log''s time, as the next two.';
COMMENT ON COLUMN customer_alerts.changed_at IS 'When it opened, worsened or ended.';
COMMENT ON COLUMN customer_alerts.closed_at IS 'Null while it is open.';
COMMENT ON COLUMN customer_alerts.score_before IS 'What the score would be without the days that it fell in.';
COMMENT ON COLUMN customer_alerts.score IS 'What it was when the alert changed last.';
COMMENT ON COLUMN customer_alerts.reasons IS 'What took the points, the weightiest first.';
COMMENT ON COLUMN customer_alerts.incident IS 'The incident that it belongs to; null for none.';
COMMENT ON COLUMN customer_alerts.assigned_to IS 'Whose it is.';
COMMENT ON COLUMN customer_alerts.due_at IS 'By when somebody is to have seen to it.';
COMMENT ON COLUMN customer_alerts.snoozed_until IS 'Until when nobody is to be reminded of it.';
COMMENT ON COLUMN customer_alerts.acknowledged_at IS 'When somebody took note of it.';
COMMENT ON COLUMN customer_alerts.acknowledged_by IS 'Who did.';
COMMENT ON COLUMN customer_alerts.done_at IS 'When somebody said what became of it.';
COMMENT ON COLUMN customer_alerts.done_by IS 'Who did.';
COMMENT ON COLUMN customer_alerts.outcome IS 'real, false or known.';
