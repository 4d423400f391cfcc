-- lock_links --
SELECT pg_advisory_xact_lock(7241005512)

-- add_links --
INSERT INTO link AS l (a, b, source, alias, occurred_at, event_id)
SELECT a, b, source, false, occurred_at, event_id
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[])
    AS n (a, b, source, occurred_at, event_id)
ON CONFLICT (a, b, source, alias) DO UPDATE SET occurred_at = excluded.occurred_at, event_id = excluded.event_id
WHERE (excluded.occurred_at, excluded.event_id) < (l.occurred_at, l.event_id)
RETURNING a, b

-- linked --
-- Everything that links reach from these identities, and the links among it.
WITH RECURSIVE reach (id) AS (
    SELECT unnest($1::bigint[])
    UNION
    SELECT step.id FROM reach
    CROSS JOIN LATERAL (
        SELECT b AS id FROM link WHERE a = reach.id
        UNION ALL
        SELECT a FROM link WHERE b = reach.id
    ) AS step
)
SELECT l.a, l.b, l.source, l.alias, l.occurred_at, l.event_id
FROM reach JOIN link AS l ON l.a = reach.id
