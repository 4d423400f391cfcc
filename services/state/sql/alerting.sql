-- standing_alerts --
-- Those that are open, and those that closed so lately that they keep others from opening; whichever of a person's identities
-- they were opened for.
SELECT a.id, i.person, a.rule, a.severity, a.state, a.opened_at, a.closed_at, a.score_before, a.score,
    a.tipped_source, a.tipped_event, a.promise, a.reasons, a.remembered, a.incident
FROM identity AS i
JOIN alert AS a ON a.person = i.id
WHERE i.person = ANY($1::bigint[]) AND (a.state = 'open' OR (a.state = 'closed' AND a.closed_at > $2))
ORDER BY a.id

-- standing_account_alerts --
SELECT a.id, 0::bigint AS person, a.rule, a.severity, a.state, a.opened_at, a.closed_at, a.score_before, a.score,
    a.tipped_source, a.tipped_event, a.promise, a.reasons, a.remembered, a.incident
FROM alert AS a
WHERE a.account = $1 AND (a.state = 'open' OR (a.state = 'closed' AND a.closed_at > $2))
ORDER BY a.id

-- open_alerts --
-- One that is there already was raised for the same cause before.
INSERT INTO alert (
    id, rule, person, account, severity, state, opened_at, changed_at, score_before, score,
    tipped_source, tipped_event, promise, reasons, remembered, looked
)
SELECT id, rule, person, account, severity, 'open', at, at, score_before, score,
    tipped_source, tipped_event, promise, reasons, remembered, looked
FROM unnest(
    $1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::float8[], $8::float8[],
    $9::text[], $10::text[], $11::text[], $12::jsonb[], $13::jsonb[], $14::integer[]
) AS n (id, rule, person, account, severity, at, score_before, score, tipped_source, tipped_event, promise, reasons,
    remembered, looked)
ON CONFLICT (id) DO NOTHING
RETURNING id

-- change_alerts --
UPDATE alert AS a
SET severity = n.severity, state = n.state, score = n.score, remembered = n.remembered, looked = GREATEST(a.looked, n.looked),
    changed_at = coalesce(n.changed_at, a.changed_at), closed_at = n.closed_at
FROM (
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::float8[], $5::jsonb[], $6::integer[], $7::timestamptz[], $8::timestamptz[]
    ) AS n (id, severity, state, score, remembered, looked, changed_at, closed_at)
    ORDER BY id
) AS n
WHERE a.id = n.id

-- watch_persons --
UPDATE person AS p SET alert_until = n.until FROM unnest($1::bigint[], $2::integer[]) AS n (id, until)
WHERE p.id = n.id AND p.alert_until <> n.until

-- persons_to_look_at --
SELECT i.person FROM alert AS a JOIN identity AS i ON i.id = a.person
WHERE a.state = 'open' AND a.looked < $1
GROUP BY i.person ORDER BY min(a.looked), i.person LIMIT $2

-- accounts_to_look_at --
SELECT DISTINCT account FROM alert WHERE state = 'open' AND looked < $1 AND account IS NOT NULL ORDER BY account LIMIT $2

-- pass_over_account --
UPDATE alert SET looked = $2 WHERE account = $1 AND state = 'open'

-- open_alert_counts --
SELECT severity, count(*) AS alerts FROM alert WHERE state = 'open' GROUP BY severity
