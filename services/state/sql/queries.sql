-- add_partitions --
-- A partition starts where the log does; whoever comes second changes nothing.
INSERT INTO partition_progress (topic, part, next, start)
SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $3::bigint[])
ON CONFLICT (topic, part) DO NOTHING

-- own_partitions --
-- A raised epoch fences every other worker out, in the same row that its transactions update first.
UPDATE partition_progress AS p
SET epoch = p.epoch + 1, owner = $3
FROM (
    SELECT q.topic, q.part FROM partition_progress AS q
    JOIN unnest($1::text[], $2::int[]) AS w (topic, part) ON w.topic = q.topic AND w.part = q.part
    ORDER BY q.topic, q.part FOR UPDATE OF q
) AS mine
WHERE p.topic = mine.topic AND p.part = mine.part
RETURNING p.topic, p.part, p.next, p.epoch

-- end_blockers --
SELECT pg_terminate_backend(blocker) FROM unnest(pg_blocking_pids($1)) AS blocker

-- note_lost --
UPDATE partition_progress SET lost = lost_accepted + $3 WHERE topic = $1 AND part = $2

-- accept_lost --
-- The operator's word: go on behind the records that retention removed, or from the start of a re-created topic.
-- The gap is measured here again: retention may have gone on since a worker noted it.
UPDATE partition_progress
SET next = $3, epoch = epoch + 1,
    lost = lost_accepted + GREATEST($3 - next, 0), lost_accepted = lost_accepted + GREATEST($3 - next, 0),
    -- A topic made anew starts a new count; what was counted of the old one stays in the columns.
    start = CASE WHEN next > $4 THEN $3 - (applied + duplicate + conflict + dead + erased + lost_accepted) ELSE start END
WHERE topic = $1 AND part = $2 AND (next < $3 OR next > $4)
RETURNING lost

-- progress --
SELECT next, epoch FROM partition_progress WHERE topic = $1 AND part = $2

-- fence --
UPDATE partition_progress
SET next = $5, applied = applied + $6, duplicate = duplicate + $7, conflict = conflict + $8, dead = dead + $9,
    moved_at = now()
WHERE topic = $1 AND part = $2 AND next = $3 AND epoch = $4

-- recount --
-- Within the fenced transaction: what looked new, or like a duplicate, was something else.
UPDATE partition_progress SET applied = applied - $3 - $4, duplicate = duplicate + $3, conflict = conflict + $4
WHERE topic = $1 AND part = $2

-- find_names --
SELECT value, id, person FROM identity WHERE value = ANY($1::text[])

-- add_names --
WITH fresh AS (SELECT nextval('identity_id') AS id, value FROM unnest($1::text[]) AS value)
INSERT INTO identity (id, value, person) SELECT id, value, id FROM fresh
ON CONFLICT (value) DO NOTHING

-- add_leaves --
INSERT INTO leaf (touchpoint, channel, place)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT DO NOTHING

-- all_leaves --
SELECT id, touchpoint, channel, place FROM leaf WHERE id > $1 ORDER BY id

-- use_model --
INSERT INTO model (version) VALUES ($1) ON CONFLICT (version) DO UPDATE SET version = excluded.version RETURNING id

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
SELECT r.key, r.occurred_at, r.body_hash
FROM incoming_touchpoint AS n
JOIN touchpoint_row AS r ON r.occurred_at = n.occurred_at AND r.key = n.key
WHERE r.xmin <> pg_current_xact_id()::xid

-- add_seen --
INSERT INTO seen_event (key, body_hash, client_time)
SELECT key, body_hash, client_time
FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) AS n (key, body_hash, client_time) ORDER BY key
ON CONFLICT (key) DO NOTHING
RETURNING key

-- find_seen --
SELECT key, body_hash FROM seen_event WHERE key = ANY($1::uuid[])

-- clamped --
-- Events whose clock ran ahead when they came; their senders' retries come with the same time, no longer ahead.
SELECT key, client_time, body_hash FROM seen_event WHERE client_time BETWEEN $1 AND $2 LIMIT $3

-- clamped_among --
SELECT key, client_time, body_hash FROM seen_event
WHERE client_time BETWEEN $1 AND $2 AND key = ANY($3::uuid[])

-- believed --
-- Events whose time was believed when they first came, and is ahead of the clock of whoever took the retry.
SELECT r.key, r.occurred_at, r.body_hash
FROM unnest($1::uuid[], $2::timestamptz[]) AS n (key, occurred_at)
JOIN touchpoint_row AS r ON r.occurred_at = n.occurred_at AND r.key = n.key

-- correct_seen --
-- What is measured against these is the body that counts, not that of the retry which came in between.
UPDATE seen_event AS s SET body_hash = n.body_hash
FROM unnest($1::uuid[], $2::bigint[]) AS n (key, body_hash)
WHERE s.key = n.key

-- forget_seen --
DELETE FROM seen_event WHERE seen_at < now() - interval '30 days'

-- add_dead --
INSERT INTO dead_letter (
    origin, reason, detail, topic, part, log_offset, source, event_id, key, value, headers
)
SELECT $1, reason, detail, $2, $3, log_offset, source, event_id, key, value, headers::jsonb
FROM unnest($4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::bytea[], $10::bytea[], $11::text[])
    AS n (reason, detail, log_offset, source, event_id, key, value, headers)
ON CONFLICT (topic, part, log_offset) DO NOTHING

-- add_persons --
INSERT INTO person (id) SELECT id FROM unnest($1::bigint[]) AS id ORDER BY id
ON CONFLICT (id) DO NOTHING

-- lock_persons --
SELECT id, version, merged_into, as_of FROM person WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE

-- members --
SELECT id, value, person FROM identity WHERE person = ANY($1::bigint[])

-- next_version --
SELECT nextval('score_version')

-- add_tallies --
-- Workers add in the database, so no concurrent update is lost.
INSERT INTO tally_row AS t (identity, leaf, hour, n, q, pos, neg, pos2, neg2, best, worst)
SELECT identity, leaf, hour, n, q, pos, neg, pos2, neg2, best, worst FROM incoming_tally
ON CONFLICT (identity, leaf, hour) DO UPDATE
SET n = t.n + excluded.n, q = t.q + excluded.q, pos = t.pos + excluded.pos, neg = t.neg + excluded.neg,
    pos2 = t.pos2 + excluded.pos2, neg2 = t.neg2 + excluded.neg2,
    best = GREATEST(t.best, excluded.best), worst = GREATEST(t.worst, excluded.worst)

-- read_tallies --
SELECT i.person, t.leaf, t.hour, t.n, t.q, t.pos, t.neg, t.pos2, t.neg2, t.best, t.worst
FROM identity AS i
JOIN tally_row AS t ON t.identity = i.id
WHERE i.person = ANY($1::bigint[])

-- write_scores --
UPDATE person AS p
SET version = n.version, model = n.model, band = n.band, as_of = n.as_of,
    score = n.score, confidence = n.confidence, se = n.se,
    score_24h = n.score_24h, confidence_24h = n.confidence_24h,
    score_7d = n.score_7d, confidence_7d = n.confidence_7d,
    score_30d = n.score_30d, confidence_30d = n.confidence_30d,
    score_90d = n.score_90d, confidence_90d = n.confidence_90d
FROM incoming_score AS n
WHERE p.id = n.id

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

-- names_of --
SELECT id, value, person FROM identity WHERE id = ANY($1::bigint[])

-- move_identities --
UPDATE identity AS i SET person = n.person
FROM unnest($1::bigint[], $2::bigint[]) AS n (id, person)
WHERE i.id = n.id

-- point_persons --
-- A person whose naming identity belongs to another person is merged; one that names itself again is not.
UPDATE person AS p SET merged_into = NULLIF(i.person, p.id)
FROM identity AS i
WHERE i.id = p.id AND p.id = ANY($1::bigint[]) AND p.merged_into IS DISTINCT FROM NULLIF(i.person, p.id)

-- months --
SELECT to_char(month, 'YYYY_MM') AS name, month::date::text AS lower, (month + interval '1 month')::date::text AS upper
FROM generate_series(
    date_trunc('month', now() - interval '14 months'), date_trunc('month', now() + interval '2 months'), '1 month'
) AS month
WHERE to_regclass('touchpoint_' || to_char(month, 'YYYY_MM')) IS NULL
