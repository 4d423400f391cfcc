-- person_of_identity --
-- A person is known once its first chunk committed; before that there is no version.
SELECT p.id, name.value AS customer, p.version, p.as_of, m.version AS model_version
FROM identity AS i
JOIN person AS p ON p.id = i.person
JOIN identity AS name ON name.id = p.id
LEFT JOIN model AS m ON m.id = p.model
WHERE i.value = $1 AND p.version > 0

-- identities_of_person --
SELECT id, value FROM identity WHERE person = $1

-- tallies_of_identities --
SELECT leaf, hour, n, q, pos, neg, pos2, neg2, best, worst
FROM tally_row
WHERE identity = ANY($1::bigint[]) AND hour > $2 AND hour <= $3

-- leaves --
SELECT id, touchpoint, channel, place FROM leaf WHERE id = ANY($1::integer[])

-- alerts_of_identities --
-- An alert keeps the person it was opened for, also when that person became part of another.
SELECT id, rule, severity, state, opened_at, changed_at, closed_at, snoozed_until, score_before, score
FROM alert
WHERE person = ANY($1::bigint[]) AND opened_at <= $2
ORDER BY opened_at DESC, id
LIMIT $3

-- latest_by_leaf --
-- One walk over the newest events of a person, so that the work does not grow with the number of leaves.
SELECT leaf, source, event_id, occurred_at, v, q
FROM (
    SELECT leaf, source, event_id, occurred_at, v, q,
        row_number() OVER (PARTITION BY leaf ORDER BY occurred_at DESC, key DESC) AS place
    FROM (
        SELECT leaf, source, event_id, occurred_at, v, q, key
        FROM touchpoint_row
        WHERE identity = ANY($1::bigint[]) AND occurred_at >= $2 AND occurred_at < $3
        ORDER BY occurred_at DESC, key DESC
        LIMIT $4
    ) AS newest
) AS numbered
WHERE place <= $5
ORDER BY leaf, place

-- journey_before --
-- The first condition on the time prunes partitions; the second is the exact place in the order.
SELECT r.event_id, r.source, r.identity, l.touchpoint, l.channel, l.place,
    r.occurred_at, r.received_at, r.v, r.q, r.key
FROM touchpoint_row AS r
JOIN leaf AS l ON l.id = r.leaf
WHERE r.identity = ANY($1::bigint[]) AND r.occurred_at <= $2 AND (r.occurred_at, r.key) < ($2, $3::uuid)
ORDER BY r.occurred_at DESC, r.key DESC
LIMIT $4

-- event_counts --
SELECT coalesce(sum(applied), 0)::bigint AS applied,
    coalesce(sum(duplicate), 0)::bigint AS duplicate,
    coalesce(sum(conflict), 0)::bigint AS conflict,
    coalesce(sum(dead), 0)::bigint AS dead,
    coalesce(sum(erased), 0)::bigint AS erased,
    coalesce(sum(next - start - lost_accepted), 0)::bigint AS passed
FROM partition_progress
WHERE topic = ANY($1::text[])
