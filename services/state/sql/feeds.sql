-- feed_position --
SELECT xact::text::bigint AS xact, id FROM feed_position WHERE feed = $1

-- move_feed --
INSERT INTO feed_position AS f (feed, xact, id) VALUES ($1, $2::text::xid8, $3)
ON CONFLICT (feed) DO UPDATE SET xact = excluded.xact, id = excluded.id, moved_at = now()
WHERE (f.xact, f.id) < (excluded.xact, excluded.id)

-- settled_before --
-- Rows of transactions before this one are all there are: nothing older is under way any more.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xact

-- changes_after --
SELECT xact::text::bigint AS xact, id, at, version, model, persons, scores, confidences, bands
FROM score_change
WHERE (xact, id) > ($1::text::xid8, $2) AND xact < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY score_change.xact, id
LIMIT $3

-- outbox_after --
SELECT xact::text::bigint AS xact, id, topic, key, value, created_at
FROM outbox
WHERE (xact, id) > ($1::text::xid8, $2) AND xact < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY outbox.xact, id
LIMIT $3

-- put_into_outbox --
INSERT INTO outbox (topic, key, value) SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])
