-- feed_position --
-- One of another life of the database means nothing in this one.
SELECT xact::text::bigint AS xact, id FROM feed_position WHERE feed = $1 AND life = feed_life()

-- move_feed --
INSERT INTO feed_position AS f (feed, xact, id, life) VALUES ($1, $2::text::xid8, $3, feed_life())
ON CONFLICT (feed) DO UPDATE SET xact = excluded.xact, id = excluded.id, life = excluded.life, moved_at = now()
WHERE (f.xact, f.id) < (excluded.xact, excluded.id) OR f.life <> excluded.life

-- hold_feed --
-- Whoever holds it keeps it; whoever else asks gets it once the holder has not been heard of for long enough.
INSERT INTO feed_position AS f (feed, holder, held_until) VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (feed) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE f.holder IS NULL OR f.holder = excluded.holder OR f.held_until < clock_timestamp()
RETURNING xact::text::bigint AS xact, id, life, life = feed_life() AS alive

-- release_feed --
UPDATE feed_position SET holder = NULL, held_until = NULL WHERE feed = $1 AND holder = $2

-- move_held --
UPDATE feed_position
SET xact = $3::text::xid8, id = $4, moved_at = now(), held_until = clock_timestamp() + make_interval(secs => $5)
WHERE feed = $1 AND holder = $2

-- begin_life --
UPDATE feed_position SET xact = '0', id = 0, life = feed_life() WHERE feed = $1

-- restamp_changes --
-- Numbers that this life has not come to yet: such rows were restored, and would be read only once it has.
UPDATE score_change SET xact = pg_current_xact_id() WHERE xact >= pg_snapshot_xmax(pg_current_snapshot())

-- restamp_outbox --
UPDATE outbox SET xact = pg_current_xact_id() WHERE xact >= pg_snapshot_xmax(pg_current_snapshot())

-- leap_versions --
-- Followers may hold versions that the restored database has not come to: what it tells from here on must be above them.
SELECT setval('score_version', nextval('score_version') + 1000000000)

-- settled_before --
-- Rows of transactions before this one are all there are: nothing older is under way any more.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xact

-- changes_after --
SELECT xact::text::bigint AS xact, id, at, version, model, persons, scores, confidences, bands
FROM score_change
WHERE (xact, id) > ($1::text::xid8, $2) AND xact < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY score_change.xact, id
LIMIT $3

-- changed_persons --
-- As many transactions as hold about so many persons; at least one.
SELECT xact::text::bigint AS xact, id, at, version, persons
FROM (
    SELECT xact, id, at, version, persons, sum(cardinality(persons)) OVER (ORDER BY xact, id) - cardinality(persons) AS before
    FROM (
        SELECT xact, id, at, version, persons FROM score_change
        WHERE (xact, id) > ($1::text::xid8, $2) AND xact < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY xact, id LIMIT 1000
    ) AS settled
) AS counted
WHERE before < $3
ORDER BY counted.xact, id

-- changes_wait_for --
-- How long the first row after a follower's position is there, settled or not.
SELECT extract(epoch FROM clock_timestamp() - c.at)::float8
FROM (SELECT) AS one
LEFT JOIN feed_position AS p ON p.feed = $1 AND p.life = feed_life()
CROSS JOIN LATERAL (
    SELECT at FROM score_change WHERE (xact, id) > (coalesce(p.xact, '0'), coalesce(p.id, 0)) ORDER BY xact, id LIMIT 1
) AS c

-- letters_wait_for --
SELECT extract(epoch FROM clock_timestamp() - c.created_at)::float8
FROM (SELECT) AS one
LEFT JOIN feed_position AS p ON p.feed = $1 AND p.life = feed_life()
CROSS JOIN LATERAL (
    SELECT created_at FROM outbox WHERE (xact, id) > (coalesce(p.xact, '0'), coalesce(p.id, 0)) ORDER BY xact, id LIMIT 1
) AS c

-- outbox_after --
SELECT xact::text::bigint AS xact, id, topic, key, value, created_at
FROM outbox
WHERE (xact, id) > ($1::text::xid8, $2) AND xact < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY outbox.xact, id
LIMIT $3

-- put_into_outbox --
INSERT INTO outbox (topic, key, value) SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])
