-- listed_incidents --
SELECT id, along, value, state, opened_at, changed_at, resolved_at, people, usual, worst
FROM incident
WHERE (opened_at, id) < ($1, $2) AND ($4::text IS NULL OR state = $4)
ORDER BY opened_at DESC, id DESC
LIMIT $3

-- names_of_alerts --
-- Under which name each is known by now.
SELECT a.id, n.value AS customer, a.account
FROM alert AS a
LEFT JOIN identity AS i ON i.id = a.person
LEFT JOIN identity AS n ON n.id = i.person
WHERE a.id = ANY($1::uuid[])

-- lead_incidents --
-- One process at a time looks for them; the others come again.
SELECT true FROM feed_position WHERE feed = 'incidents' FOR UPDATE SKIP LOCKED

-- know_incidents --
INSERT INTO feed_position (feed) VALUES ('incidents') ON CONFLICT (feed) DO NOTHING

-- lone_alerts --
-- Those of people that belong to no incident, the oldest first.
SELECT a.id, a.person, a.opened_at, a.reasons AS causes
FROM alert AS a
WHERE a.opened_at > $1 AND a.incident IS NULL AND a.person IS NOT NULL AND a.state <> 'withdrawn'
ORDER BY a.opened_at, a.id
LIMIT $2

-- people_of_hours --
-- How many people had an alert with such a reason in each of these hours, which end then.
SELECT (
    SELECT count(DISTINCT a.person) FROM alert AS a
    WHERE a.opened_at > h.ends_at - interval '1 hour' AND a.opened_at <= h.ends_at AND a.person IS NOT NULL
        AND a.reasons @> $2::jsonb
) AS people
FROM unnest($1::timestamptz[]) WITH ORDINALITY AS h (ends_at, place)
ORDER BY h.place

-- open_incident --
INSERT INTO incident (id, along, value, state, opened_at, changed_at, people, usual, worst, told_at)
VALUES ($1, $2, $3, 'open', $4, $4, 0, $5, '[]', $4)

-- put_into_incidents --
UPDATE alert AS a SET incident = n.incident
FROM unnest($1::uuid[], $2::uuid[]) AS n (alert, incident)
WHERE a.id = n.alert AND a.incident IS NULL

-- open_incidents --
-- With what became of their alerts. A person has recovered when the rule or somebody has closed the alert, or when the score
-- has regained half of what it lost.
SELECT i.id, i.along, i.value, i.opened_at, i.people AS people_before, i.usual, i.told_people, i.told_at,
    s.people, s.alerts, s.recovered, s.joined_at
FROM incident AS i
CROSS JOIN LATERAL (
    SELECT count(DISTINCT a.person)::integer AS people, count(*)::integer AS alerts, max(a.opened_at) AS joined_at,
        (count(*) FILTER (
            WHERE a.state <> 'open' OR w.outcome IS NOT NULL OR p.score >= (a.score_before + a.score) / 2
        ))::integer AS recovered
    FROM alert AS a
    LEFT JOIN alert_work AS w ON w.alert = a.id
    LEFT JOIN identity AS n ON n.id = a.person
    LEFT JOIN person_score AS p ON p.id = n.person
    WHERE a.incident = i.id
) AS s
WHERE i.state = 'open'
ORDER BY i.opened_at, i.id
LIMIT $1

-- worst_of_incident --
SELECT id, score_before, score FROM alert WHERE incident = $1 ORDER BY score_before - score DESC, id LIMIT $2

-- keep_incident --
UPDATE incident SET state = $2, changed_at = $3, resolved_at = CASE WHEN $2 = 'resolved' THEN $3::timestamptz END, people = $4, worst = $5,
    told_people = $6, told_at = $7
WHERE id = $1

-- count_open_incidents --
SELECT along, count(*)::integer AS incidents FROM incident WHERE state = 'open' GROUP BY along
