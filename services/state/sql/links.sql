-- add_links --
INSERT INTO link AS l (a, b, source, alias, claim, level, occurred_at, event_id, event_key)
SELECT a, b, source, level < 0, claim, level, occurred_at, event_id, event_key
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[], $5::smallint[], $6::timestamptz[], $7::text[],
    $8::bytea[]) AS n (a, b, source, claim, level, occurred_at, event_id, event_key)
ON CONFLICT (a, b, source, alias) DO UPDATE
SET level = excluded.level, occurred_at = excluded.occurred_at, event_id = excluded.event_id,
    event_key = excluded.event_key
WHERE (excluded.level, excluded.occurred_at, excluded.event_id, excluded.event_key)
    < (l.level, l.occurred_at, l.event_id, l.event_key)
RETURNING a, b, source

-- nodes --
SELECT id, value, person, crowd FROM identity WHERE id = ANY($1::bigint[])

-- nodes_around --
-- A link of a crowd is not followed, from neither end: a hub's hundred thousand neighbours are never read.
WITH RECURSIVE near (id, value, person, crowd) AS (
    SELECT id, value, person, crowd FROM identity WHERE id = ANY($1::bigint[])
    UNION
    SELECT i.id, i.value, i.person, i.crowd
    FROM near
    CROSS JOIN LATERAL (
        SELECT b AS id, level FROM link WHERE a = near.id AND level < near.crowd AND NOT claim
        UNION ALL
        SELECT a, level FROM link WHERE b = near.id AND level < near.crowd AND NOT claim
    ) AS step
    JOIN identity AS i ON i.id = step.id AND step.level < i.crowd
)
SELECT id, value, person, crowd FROM near

-- links_among --
-- One after another: a planner whose statistics are of a while ago would rather read all links and join them.
SELECT l.a, l.b, l.source, l.claim, l.level, l.occurred_at, l.event_id, l.event_key
FROM unnest($1::bigint[], $2::smallint[]) AS n (id, crowd)
CROSS JOIN LATERAL (
    SELECT * FROM link WHERE a = n.id AND b = ANY($1::bigint[]) AND level < n.crowd AND NOT claim OFFSET 0
) AS l

-- best_claims --
SELECT l.a, l.b, l.source, l.claim, l.level, l.occurred_at, l.event_id, l.event_key
FROM unnest($1::bigint[]) AS n (id)
CROSS JOIN LATERAL (
    SELECT * FROM link WHERE b = n.id AND claim ORDER BY level, occurred_at, event_id, event_key LIMIT 1
) AS l

-- claims_from --
-- Where each one starts and ends is a column, not a parameter: a planner that knows the figures but has no statistics
-- would read all of a customer's claims and sort them, where this walks along the index and stops.
SELECT l.a, l.b, l.source, l.claim, l.level, l.occurred_at, l.event_id, l.event_key
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS n (id, skipped, count)
CROSS JOIN LATERAL (
    SELECT * FROM link WHERE a = n.id AND claim
    ORDER BY level, occurred_at, event_id, event_key OFFSET n.skipped LIMIT n.count
) AS l

-- mark_crowds --
UPDATE identity AS i SET crowd = n.crowd
FROM unnest($1::bigint[], $2::smallint[]) AS n (id, crowd)
WHERE i.id = n.id

-- crowded --
-- Counted no further than anybody reads.
SELECT count(*) FILTER (WHERE customer AND crowd >= 0), count(*) FILTER (WHERE NOT customer), count(*) FILTER (WHERE crowd < 0)
FROM (SELECT value LIKE 'customer:%' AS customer, crowd FROM identity WHERE crowd < 9 LIMIT 1000000) AS crowded
