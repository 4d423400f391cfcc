-- begin_webhook_feed --
-- Whatever was certain before webhooks are first looked after is nobody's to be told. In another life of the database all
-- that it holds is looked at again: what an endpoint was told is known by its id.
INSERT INTO feed_position AS f (feed, xact, id, life)
VALUES ($1, (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text::xid8, 9223372036854775807, feed_life())
ON CONFLICT (feed) DO UPDATE SET xact = '0', id = 0, life = excluded.life WHERE f.life <> excluded.life

-- lead_webhook_feed --
-- One process at a time; the others go on without.
SELECT xact::text::bigint AS xact, id FROM feed_position WHERE feed = $1 AND life = feed_life() FOR UPDATE SKIP LOCKED

-- webhook_listeners --
SELECT id, kinds, bands, severities, made_at FROM webhook_endpoint WHERE state = 'enabled' ORDER BY id

-- supersede_webhook_scores --
UPDATE webhook_delivery AS d
SET state = 'superseded'
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS m (endpoint, subject, message)
WHERE d.endpoint = m.endpoint AND d.subject = m.subject AND d.kind = 'score.changed' AND d.state = 'waiting'
    AND d.message <> m.message

-- spread_webhook_messages --
INSERT INTO webhook_delivery (endpoint, message, kind, subject, body, state, next_at, at)
SELECT m.*, 'waiting', $6, $6
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) AS m
ON CONFLICT (endpoint, message) DO NOTHING

-- lease_webhook_deliveries --
-- Each endpoint has its own room, and one that fails has room for one: whoever never answers takes nothing from the others.
-- At random, so that where there is not room for all, nobody is always the last.
WITH free AS (
    SELECT e.id, CASE WHEN e.failures > 0 THEN 1 ELSE $3::integer END - (
        SELECT count(*) FROM webhook_delivery AS d WHERE d.endpoint = e.id AND d.leased_until > $1
    ) AS room
    FROM webhook_endpoint AS e
    WHERE e.state = 'enabled' AND (e.resting_until IS NULL OR e.resting_until <= $1)
    ORDER BY random()
), due AS (
    SELECT d.id
    FROM free
    CROSS JOIN LATERAL (
        SELECT id FROM webhook_delivery
        WHERE endpoint = free.id AND state = 'waiting' AND next_at <= $1 AND (leased_until IS NULL OR leased_until <= $1)
        ORDER BY next_at, id
        LIMIT greatest(free.room, 0)
        FOR UPDATE SKIP LOCKED
    ) AS d
    LIMIT $2
)
UPDATE webhook_delivery AS d
SET leased_until = $4, attempts = d.attempts + 1
FROM due, webhook_endpoint AS e
WHERE d.id = due.id AND e.id = d.endpoint
RETURNING d.id, d.endpoint, d.attempts, d.message, d.body, e.url, (
    SELECT array_agg(s.secret ORDER BY s.id DESC) FROM webhook_secret AS s
    WHERE s.endpoint = d.endpoint AND (s.expires_at IS NULL OR s.expires_at > $1)
) AS secrets

-- mark_webhook_deliveries --
-- Not one that somebody else has leased since, or that was sent anew; and what was superseded on the way is not tried again.
UPDATE webhook_delivery AS d
SET state = CASE WHEN m.state = 'waiting' THEN d.state ELSE m.state END, next_at = m.next_at, leased_until = NULL,
    tried_at = $1, outcome = m.outcome, status = m.status, answer = m.answer
FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::timestamptz[], $6::text[], $7::integer[], $8::text[])
    AS m (id, attempts, state, next_at, outcome, status, answer)
WHERE d.id = m.id AND d.attempts = m.attempts

-- mark_webhook_endpoints --
-- After some failures in a row it rests, each time twice as long.
WITH told AS (
    SELECT e.id, m.healthy, m.jitter, m.rest_until, e.failures + m.failures AS failures
    FROM webhook_endpoint AS e
    JOIN unnest($2::uuid[], $3::boolean[], $4::integer[], $5::double precision[], $6::timestamptz[])
        AS m (id, healthy, failures, jitter, rest_until) ON m.id = e.id
    WHERE NOT (m.healthy AND e.failures = 0 AND e.resting_until IS NULL)
    ORDER BY e.id
    FOR UPDATE OF e
)
UPDATE webhook_endpoint AS e
SET failures = CASE WHEN t.healthy THEN 0 ELSE t.failures END,
    failing_since = CASE WHEN t.healthy THEN NULL ELSE coalesce(e.failing_since, $1) END,
    resting_until = CASE WHEN t.healthy THEN NULL ELSE greatest(t.rest_until, CASE WHEN t.failures >= $7::integer THEN
        $1 + least($8::interval * 2 ^ least(t.failures - $7::integer, 20), $9::interval) * t.jitter
    END) END
FROM told AS t
WHERE e.id = t.id

-- give_up_webhook_endpoints --
UPDATE webhook_endpoint
SET state = 'disabled', reason = CASE WHEN id = ANY($1::uuid[]) THEN 'gone' ELSE 'failing' END
WHERE state = 'enabled' AND (id = ANY($1::uuid[]) OR (id = ANY($2::uuid[]) AND failing_since <= $3))
RETURNING id, reason

-- count_webhooks_by_state --
SELECT CASE
        WHEN state = 'disabled' THEN CASE WHEN reason = 'asked' THEN 'disabled' ELSE 'given_up' END
        WHEN failures > 0 THEN 'failing' ELSE 'enabled'
    END AS state, count(*) AS endpoints
FROM webhook_endpoint
GROUP BY 1
