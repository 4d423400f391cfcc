-- webhook_endpoints --
SELECT e.id, url, description, kinds, bands, severities, state, reason, made_at, failures, failing_since, resting_until,
    (SELECT count(*) FROM (
        SELECT FROM webhook_delivery AS d WHERE d.endpoint = e.id AND d.state = 'waiting' LIMIT 1000
    ) AS w)::integer AS waiting
FROM webhook_endpoint AS e
WHERE $1::uuid IS NULL OR e.id = $1
ORDER BY made_at, e.id
LIMIT $2

-- count_webhook_endpoints --
SELECT count(*) FROM webhook_endpoint

-- make_webhook_endpoint --
INSERT INTO webhook_endpoint (id, url, description, kinds, bands, severities, state, made_at)
VALUES ($1, $2, $3, $4, $5, $6, 'enabled', $7)

-- change_webhook_endpoint --
-- Whoever enables it again, or gives it another address, begins anew.
UPDATE webhook_endpoint
SET url = coalesce($2, url), description = coalesce($3, description), kinds = coalesce($4, kinds),
    bands = coalesce($5, bands), severities = coalesce($6, severities), state = coalesce($7, state),
    reason = CASE $7 WHEN 'enabled' THEN '' WHEN 'disabled' THEN 'asked' ELSE reason END,
    failures = CASE WHEN $7 = 'enabled' OR $2 IS NOT NULL THEN 0 ELSE failures END,
    failing_since = CASE WHEN $7 = 'enabled' OR $2 IS NOT NULL THEN NULL ELSE failing_since END,
    resting_until = CASE WHEN $7 = 'enabled' OR $2 IS NOT NULL THEN NULL ELSE resting_until END
WHERE id = $1

-- remove_webhook_endpoint --
DELETE FROM webhook_endpoint WHERE id = $1

-- retire_webhook_secrets --
UPDATE webhook_secret SET expires_at = $2 WHERE endpoint = $1 AND expires_at IS NULL

-- forget_webhook_secrets --
DELETE FROM webhook_secret WHERE endpoint = $1 AND expires_at <= $2

-- make_webhook_secret --
INSERT INTO webhook_secret (endpoint, secret, made_at) VALUES ($1, $2, $3)

-- note_webhook_change --
INSERT INTO webhook_change (endpoint, at, by, what) VALUES ($1, $2, $3, $4)

-- webhook_changes --
SELECT at, by, what FROM webhook_change WHERE endpoint = $1 ORDER BY id DESC LIMIT $2

-- make_webhook_delivery --
INSERT INTO webhook_delivery (endpoint, message, kind, subject, body, state, next_at, at)
VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $6)
RETURNING id

-- webhook_deliveries --
SELECT id, message, kind, subject, state, attempts, next_at, at, tried_at, outcome, status, answer
FROM webhook_delivery
WHERE endpoint = $1 AND id < $2 AND ($3::text IS NULL OR state = $3)
ORDER BY id DESC
LIMIT $4

-- webhook_delivery --
SELECT id, message, kind, subject, state, attempts, next_at, at, tried_at, outcome, status, answer, body
FROM webhook_delivery
WHERE endpoint = $1 AND id = $2

-- replay_webhook_delivery --
-- A score that a later one has taken the place of stays where it is.
UPDATE webhook_delivery
SET state = 'waiting', attempts = 0, next_at = $3
WHERE endpoint = $1 AND id = $2 AND state <> 'superseded'
