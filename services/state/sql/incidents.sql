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
