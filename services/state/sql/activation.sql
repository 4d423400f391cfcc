-- wait_for_activation --
-- Before the pointer, as whoever fills takes the two: so that nobody waits in a circle.
SELECT id FROM activation WHERE ended_at IS NULL FOR UPDATE

-- hold_pointer --
-- One activation is begun at a time; whoever scores only reads this row, and is not kept waiting.
SELECT active, slot, filling, filled < tallies AS stale FROM model_in_use FOR NO KEY UPDATE

-- end_activation --
UPDATE activation SET ended_at = now(), moved_at = now(), outcome = $1 WHERE ended_at IS NULL

-- begin_activation --
INSERT INTO activation (model) VALUES ($1)

-- point_at_filling --
UPDATE model_in_use SET filling = $1

-- hold_activation --
-- Of the workers that would go on with it one does, for as long as its transaction lasts.
SELECT a.id, a.model, u.slot, a.horizon::text, a.last, a.cursor
FROM activation AS a
CROSS JOIN model_in_use AS u
WHERE a.ended_at IS NULL
FOR NO KEY UPDATE OF a SKIP LOCKED

-- set_horizon --
-- Every transaction that may have read the pointer before the activation began has a smaller number than this.
UPDATE activation SET horizon = pg_snapshot_xmax(pg_current_snapshot()), moved_at = now() WHERE id = $1

-- past_horizon --
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8

-- set_out --
UPDATE activation
SET last = (SELECT coalesce(max(id), 0) FROM person), total = (SELECT count(*) FROM person WHERE version > 0), moved_at = now()
WHERE id = $1

-- persons_to_fill --
SELECT id FROM person WHERE id > $1 AND id <= $2 AND version > 0 ORDER BY id LIMIT $3

-- persons_behind_a --
SELECT id FROM person WHERE version > 0 AND (model <> $1 OR coalesce(version_a, 0) < version) ORDER BY id LIMIT $2

-- persons_behind_b --
SELECT id FROM person
WHERE version > 0 AND (model_b IS DISTINCT FROM $1 OR coalesce(version_b, 0) < version)
ORDER BY id LIMIT $2

-- move_cursor --
UPDATE activation SET cursor = GREATEST(cursor, $2), done = done + $3, moved_at = now() WHERE id = $1

-- flip --
UPDATE model_in_use SET active = filling, slot = 1 - slot, filling = NULL, filled = tallies WHERE filling = $1

-- activation_status --
SELECT m.version, m.name, a.begun_at, a.moved_at, a.ended_at, a.outcome, a.done, a.total, a.horizon IS NOT NULL AS known,
    a.last IS NOT NULL AS begun, extract(epoch FROM clock_timestamp() - a.moved_at)::float8 AS still_s
FROM activation AS a
JOIN model AS m ON m.id = a.model
ORDER BY a.id DESC
LIMIT $1

-- oldest_writer --
-- Whom an activation waits for that has not begun to write.
SELECT pid, application_name, xact_start
FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
ORDER BY xact_start
LIMIT 1
