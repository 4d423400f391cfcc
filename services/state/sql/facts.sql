-- lock_fact_names --
-- Sorted, so that no two transactions wait in a circle. Tells which names had facts before.
WITH locked AS (
    INSERT INTO fact_name AS n (name, facts, latest_us)
    SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS i (name, facts, latest_us) ORDER BY name COLLATE "C"
    ON CONFLICT (name) DO UPDATE
    SET facts = n.facts + excluded.facts, latest_us = GREATEST(n.latest_us, excluded.latest_us)
    RETURNING n.name, n.facts
)
SELECT l.name FROM locked AS l JOIN unnest($1::text[], $2::integer[]) AS i (name, facts) ON i.name = l.name
WHERE l.facts > i.facts

-- facts_of_persons --
SELECT i.person, f.identity, f.kind, f.key, f.part, f.role, f.source, f.event_id, f.occurred_us, f.received_hour, f.due_us,
    f.v, f.q, l.touchpoint, l.channel, l.place
FROM identity AS i
JOIN fact AS f ON f.identity = i.id
JOIN leaf AS l ON l.id = f.leaf
WHERE i.person = ANY($1::bigint[])
LIMIT $2

-- facts_sharing --
-- Of each name that a person asks by, the facts of other persons that have it. A part is sought in wholes only where it
-- stands alone, and then in the person's own as well: they lead on. Of a whole's part, only what stands alone is sought.
SELECT n.person AS asker, i.person, f.identity, f.kind, f.key, f.part, f.role, f.source, f.event_id, f.occurred_us,
    f.received_hour, f.due_us, f.v, f.q, l.touchpoint, l.channel, l.place
FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS n (person, name, alone)
JOIN fact_name AS c ON c.name = n.name AND c.facts <= $4
JOIN LATERAL (
    SELECT * FROM fact WHERE key = n.name AND role < 3
    UNION ALL
    SELECT * FROM fact WHERE n.alone AND part = n.name AND role < 3 AND part <> '' AND part <> key
) AS f ON true
JOIN identity AS i ON i.id = f.identity AND (n.alone OR i.person <> n.person)
JOIN leaf AS l ON l.id = f.leaf
