-- await_opinions --
INSERT INTO place_past (key, event_id, identity, place, occurred_at, stake)
SELECT n.*, $6 FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[]) AS n
ON CONFLICT DO NOTHING

-- lease_opinions --
-- Whoever has leased them sends them; when it has not by then, somebody else does.
UPDATE place_past AS p SET leased_until = now() + make_interval(secs => $2)
FROM (
    SELECT key FROM place_past WHERE leased_until <= now() ORDER BY leased_until, key LIMIT $1 FOR UPDATE SKIP LOCKED
) AS t
WHERE p.key = t.key
RETURNING p.key, p.event_id, (SELECT value FROM identity WHERE id = p.identity) AS identity, p.place, p.occurred_at,
    p.stake, p.sentiment, p.confidence,
    EXISTS (SELECT FROM seen_event AS s WHERE s.key = p.key)
        OR EXISTS (SELECT FROM touchpoint_row AS r WHERE r.occurred_at = p.occurred_at AND r.key = p.key) AS heard

-- write_opinions --
UPDATE place_past AS p SET sentiment = n.sentiment, confidence = n.confidence
FROM unnest($1::uuid[], $2::float8[], $3::float8[]) AS n (key, sentiment, confidence)
WHERE p.key = n.key

-- remove_opinions --
DELETE FROM place_past WHERE key = ANY($1::uuid[])
