-- persons_after --
SELECT p.id, i.value FROM person AS p JOIN identity AS i ON i.id = p.id
WHERE p.id > $1 AND p.version > 0 AND p.merged_into IS NULL
ORDER BY p.id
LIMIT $2

-- count_persons --
SELECT count(*) FROM person WHERE version > 0 AND merged_into IS NULL

-- persons_named --
SELECT i.value, i.person FROM identity AS i JOIN person AS p ON p.id = i.person
WHERE i.value = ANY($1::text[]) AND p.version > 0

-- events_within --
-- Of each person the events from one moment until just before another one, by their place in what was asked.
SELECT o.place - 1 AS place, r.leaf, r.v, r.q
FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS o (person, since, until, place)
JOIN identity AS i ON i.person = o.person
JOIN touchpoint_row AS r ON r.identity = i.id AND r.occurred_at >= o.since AND r.occurred_at < o.until
