-- listed_alerts --
-- An alert keeps the person it was opened for; shown is the name that this person has by now. The reasons that a filter asks for
-- are looked up in the array. What is null leaves nothing out.
SELECT a.id, a.rule, n.value AS customer, a.account, a.severity, a.state, a.opened_at, a.changed_at, a.closed_at,
    a.score_before, a.score, a.tipped_source, a.tipped_event, a.promise, a.reasons, a.incident,
    coalesce(w.revision, 0) AS revision, w.assigned_to, w.due_at, w.snoozed_until, w.acknowledged_at, w.acknowledged_by,
    w.done_at, w.done_by, w.outcome
FROM alert AS a
LEFT JOIN alert_work AS w ON w.alert = a.id
LEFT JOIN identity AS i ON i.id = a.person
LEFT JOIN identity AS n ON n.id = i.person
WHERE (a.opened_at, a.id) < ($1, $2)
    AND ($4::text IS NULL OR a.state = $4)
    AND ($5::text IS NULL OR a.severity = $5)
    AND ($6::text IS NULL OR a.rule = $6)
    AND ($7::text IS NULL OR a.account = $7)
    AND ($8::text IS NULL OR w.assigned_to = $8)
    AND ($9::timestamptz IS NULL OR a.opened_at >= $9)
    AND ($10::uuid IS NULL OR a.incident = $10)
    AND ($11::jsonb IS NULL OR a.reasons @> $11)
    AND CASE $12::text
        WHEN 'new' THEN w.acknowledged_at IS NULL AND w.outcome IS NULL
        WHEN 'acknowledged' THEN w.acknowledged_at IS NOT NULL AND w.outcome IS NULL
        WHEN 'snoozed' THEN w.snoozed_until > $13 AND w.outcome IS NULL
        WHEN 'done' THEN w.outcome IS NOT NULL
        ELSE true
    END
    AND ($14::bigint[] IS NULL OR a.person = ANY($14))
ORDER BY a.opened_at DESC, a.id DESC
LIMIT $3

-- found_alert --
SELECT a.id, a.rule, n.value AS customer, a.account, a.severity, a.state, a.opened_at, a.changed_at, a.closed_at,
    a.score_before, a.score, a.tipped_source, a.tipped_event, a.promise, a.reasons, a.incident,
    coalesce(w.revision, 0) AS revision, w.assigned_to, w.due_at, w.snoozed_until, w.acknowledged_at, w.acknowledged_by,
    w.done_at, w.done_by, w.outcome
FROM alert AS a
LEFT JOIN alert_work AS w ON w.alert = a.id
LEFT JOIN identity AS i ON i.id = a.person
LEFT JOIN identity AS n ON n.id = i.person
WHERE a.id = $1

-- identities_beside --
-- All that belong to the same person: alerts keep the one that named the person when they were opened.
SELECT o.id FROM identity AS i JOIN identity AS o ON o.person = i.person WHERE i.value = ANY($1::text[])

-- alert_changes --
SELECT at, by, what, detail FROM alert_work_change WHERE alert = $1 ORDER BY id DESC LIMIT $2

-- begin_alert_work --
INSERT INTO alert_work (alert, revision) SELECT id, 0 FROM alert WHERE id = $1
ON CONFLICT (alert) DO NOTHING

-- lock_alert_work --
SELECT revision, assigned_to, due_at, snoozed_until, acknowledged_at, acknowledged_by, done_at, done_by, outcome
FROM alert_work WHERE alert = $1 FOR UPDATE

-- keep_alert_work --
UPDATE alert_work SET revision = $2, assigned_to = $3, due_at = $4, snoozed_until = $5, acknowledged_at = $6,
    acknowledged_by = $7, done_at = $8, done_by = $9, outcome = $10
WHERE alert = $1

-- change_of_key --
SELECT by, what, detail FROM alert_work_change WHERE alert = $1 AND idempotency_key = $2

-- note_alert_change --
INSERT INTO alert_work_change (alert, at, by, what, detail, idempotency_key) VALUES ($1, $2, $3, $4, $5, $6)
