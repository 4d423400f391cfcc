-- add_seen --
-- The first committed one names the event for 30 days of log time; after that, another may.
INSERT INTO seen_event AS s (key, body_hash, logged_at)
SELECT key, body_hash, logged_at FROM incoming_seen ORDER BY key
ON CONFLICT (key) DO UPDATE SET body_hash = excluded.body_hash, logged_at = excluded.logged_at
WHERE s.logged_at < excluded.logged_at - interval '30 days'

-- set_aside_seen --
-- Rows that this transaction did not write: their events were counted before.
DELETE FROM incoming_touchpoint AS n
USING seen_event AS s
WHERE s.key = n.key AND s.xmin <> pg_current_xact_id()::xid
RETURNING n.key, s.body_hash

-- add_touchpoints --
-- The insert is the dedup; the rows come sorted, so that two transactions with the same events cannot deadlock.
INSERT INTO touchpoint_row (
    occurred_at, received_at, key, identity, body_hash, leaf, v, q, source, event_id, body
)
SELECT occurred_at, received_at, key, identity, body_hash, leaf, v, q, source, event_id, body
FROM incoming_touchpoint
ON CONFLICT (occurred_at, key) DO NOTHING

-- known_touchpoints --
-- Rows that this transaction did not write: their events were counted before.
SELECT r.key, r.body_hash
FROM incoming_touchpoint AS n
JOIN touchpoint_row AS r ON r.occurred_at = n.occurred_at AND r.key = n.key
WHERE r.xmin <> pg_current_xact_id()::xid

-- correct_seen --
-- What is measured against these is the body that counts, not that of the retry which came after 30 days.
UPDATE seen_event AS s SET body_hash = n.body_hash
FROM unnest($1::uuid[], $2::bigint[]) AS n (key, body_hash)
WHERE s.key = n.key

-- latest_by_leaf --
-- One walk over the newest events of a person, so that the work does not grow with the number of leaves.
-- A zero character in a comment is valid JSON and no text of Postgres: such a body is passed over.
SELECT leaf, source, event_id, occurred_at, v, q,
    CASE WHEN position('\u0000' IN body) = 0 THEN body::json #>> '{data,rating}' END AS rating,
    CASE WHEN position('\u0000' IN body) = 0 THEN left(body::json #>> '{data,text}', $7) END AS text
FROM (
    SELECT leaf, source, event_id, occurred_at, v, q, body,
        row_number() OVER (PARTITION BY leaf ORDER BY occurred_at DESC, key DESC) AS place
    FROM (
        SELECT leaf, source, event_id, occurred_at, v, q, key, body
        FROM touchpoint_row
        WHERE identity = ANY($1::bigint[]) AND occurred_at >= $2 AND occurred_at < $3 AND received_at < $8
        ORDER BY occurred_at DESC, key DESC
        LIMIT $4
    ) AS newest
    WHERE leaf = ANY($6::integer[])
) AS numbered
WHERE place <= $5
ORDER BY leaf, place

-- journey_before --
-- The first condition on the time prunes partitions; the second is the exact place in the order.
SELECT r.event_id, r.source, r.identity, l.touchpoint, l.channel, l.place,
    r.occurred_at, r.received_at, r.v, r.q, r.key,
    CASE WHEN position('\u0000' IN r.body) = 0 THEN r.body::json #>> '{data,rating}' END AS rating,
    CASE WHEN position('\u0000' IN r.body) = 0 THEN left(r.body::json #>> '{data,text}', $5) END AS text
FROM touchpoint_row AS r
JOIN leaf AS l ON l.id = r.leaf
WHERE r.identity = ANY($1::bigint[]) AND r.occurred_at <= $2 AND (r.occurred_at, r.key) < ($2, $3::uuid)
ORDER BY r.occurred_at DESC, r.key DESC
LIMIT $4

-- journey_of_many --
-- As journey_before, from the newest few of each identity; bodies are read of those alone that are shown.
SELECT r.event_id, r.source, r.identity, l.touchpoint, l.channel, l.place,
    r.occurred_at, r.received_at, r.v, r.q, r.key,
    CASE WHEN position('\u0000' IN r.body) = 0 THEN r.body::json #>> '{data,rating}' END AS rating,
    CASE WHEN position('\u0000' IN r.body) = 0 THEN left(r.body::json #>> '{data,text}', $5) END AS text
FROM (
    SELECT n.occurred_at, n.key
    FROM unnest($1::bigint[]) AS i (id)
    CROSS JOIN LATERAL (
        SELECT occurred_at, key FROM touchpoint_row
        WHERE identity = i.id AND occurred_at <= $2 AND (occurred_at, key) < ($2, $3::uuid)
        ORDER BY occurred_at DESC, key DESC
        LIMIT $4
    ) AS n
    ORDER BY n.occurred_at DESC, n.key DESC
    LIMIT $4
) AS newest
JOIN touchpoint_row AS r ON r.occurred_at = newest.occurred_at AND r.key = newest.key
JOIN leaf AS l ON l.id = r.leaf
ORDER BY r.occurred_at DESC, r.key DESC

-- rows_by_source --
-- Every row once: for a look at a small log, not for every day.
SELECT source, count(*) AS rows FROM touchpoint_row GROUP BY source

-- events_named --
-- Of one person, by the keys of their sources and ids; two may have one key when more than 30 days lie between them.
SELECT key, leaf, occurred_at, v, q FROM touchpoint_row
WHERE identity = ANY($1::bigint[]) AND occurred_at >= $2 AND occurred_at < $3 AND key = ANY($4::uuid[])

-- extremes --
-- The best and the worst that the other events of these leaves and hours hold.
SELECT n.leaf, n.since, max(GREATEST(r.v, 0)) AS best, max(GREATEST(-r.v, 0)) AS worst
FROM unnest($2::integer[], $3::timestamptz[]) AS n (leaf, since)
JOIN touchpoint_row AS r ON r.identity = ANY($1::bigint[]) AND r.leaf = n.leaf
    AND r.occurred_at >= n.since AND r.occurred_at < n.since + interval '1 hour'
WHERE r.q > 0 AND r.key <> ALL($4::uuid[])
GROUP BY n.leaf, n.since
