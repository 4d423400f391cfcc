-- workers_connected --
SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()

-- odd_names --
-- All but hashes and plain words: what is spelt otherwise has something in it that those have not.
SELECT id, value FROM identity
WHERE id > $1 AND value ~ '[^!-~]|[@+]' AND value !~ '^(email|phone)_hash:'
ORDER BY id LIMIT $2

-- be_patient --
-- Nobody waits for it: a hub's hundred thousand links may take their time.
SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = '60s'

-- one_renaming --
SELECT pg_advisory_xact_lock(7241005514)

-- shut_workers_out --
-- A raised epoch fences every worker out, and whoever is in the middle of a chunk is waited for: so none goes on with numbers
-- that it remembers.
UPDATE partition_progress AS p SET epoch = p.epoch + 1
FROM (SELECT topic, part FROM partition_progress ORDER BY topic, part FOR UPDATE) AS every
WHERE p.topic = every.topic AND p.part = every.part

-- hold_names --
LOCK TABLE identity IN SHARE ROW EXCLUSIVE MODE

-- take_links --
DELETE FROM link
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM link WHERE a = ANY($1::bigint[])
    UNION SELECT ctid FROM link WHERE b = ANY($1::bigint[]) AND claim
    UNION SELECT ctid FROM link WHERE b = ANY($1::bigint[]) AND NOT claim
))
RETURNING a, b, source, claim, level, occurred_at, event_id, event_key

-- places_naming --
-- Of each identity the events whose body holds its words.
SELECT DISTINCT r.occurred_at, r.key
FROM unnest($1::bigint[], $2::text[]) AS n (id, words)
JOIN touchpoint_row AS r ON r.identity = n.id
WHERE position(n.words IN r.body) > 0

-- bodies_at --
SELECT r.occurred_at, r.key, r.identity, r.source, r.event_id, r.body
FROM unnest($1::timestamptz[], $2::uuid[]) AS n (occurred_at, key)
JOIN touchpoint_row AS r ON r.occurred_at = n.occurred_at AND r.key = n.key

-- rewrite_bodies --
UPDATE touchpoint_row AS r SET body = n.body, body_hash = n.body_hash
FROM unnest($1::timestamptz[], $2::uuid[], $3::text[], $4::bigint[]) AS n (occurred_at, key, body, body_hash)
WHERE r.occurred_at = n.occurred_at AND r.key = n.key

-- merge_tallies --
WITH gone AS (
    DELETE FROM tally_row AS t USING unnest($1::bigint[], $2::bigint[]) AS n (before, after)
    WHERE t.identity = n.before RETURNING n.after, t.*
)
INSERT INTO tally_row AS t (identity, leaf, hour, n, q, pos, neg, pos2, neg2, best, worst)
SELECT after, leaf, hour, sum(n), sum(q), sum(pos), sum(neg), sum(pos2), sum(neg2), max(best), max(worst)
FROM gone GROUP BY after, leaf, hour
ON CONFLICT (identity, leaf, hour) DO UPDATE
SET n = t.n + excluded.n, q = t.q + excluded.q, pos = t.pos + excluded.pos, neg = t.neg + excluded.neg,
    pos2 = t.pos2 + excluded.pos2, neg2 = t.neg2 + excluded.neg2,
    best = GREATEST(t.best, excluded.best), worst = GREATEST(t.worst, excluded.worst)

-- merge_touchpoints --
UPDATE touchpoint_row AS r SET identity = n.after
FROM unnest($1::bigint[], $2::bigint[]) AS n (before, after)
WHERE r.identity = n.before

-- merge_facts --
UPDATE fact AS f SET identity = n.after
FROM unnest($1::bigint[], $2::bigint[]) AS n (before, after)
WHERE f.identity = n.before

-- merge_alerts --
-- Whoever they are of from here on is looked at the next time that it is touched, which also finds out until when.
WITH moved AS (
    UPDATE alert AS x SET person = n.after FROM unnest($1::bigint[], $2::bigint[]) AS n (before, after)
    WHERE x.person = n.before RETURNING x.person
)
UPDATE person SET alert_until = 2147483647 WHERE id IN (SELECT person FROM moved)

-- merge_contacts --
WITH gone AS (
    DELETE FROM contact AS c USING unnest($1::bigint[], $2::bigint[]) AS n (before, after)
    WHERE c.identity = n.before RETURNING c.account, n.after, c.since
)
INSERT INTO contact AS c (account, identity, since)
SELECT account, after, min(since) FROM gone GROUP BY account, after
ON CONFLICT (account, identity) DO UPDATE SET since = LEAST(c.since, excluded.since)

-- merge_roles --
WITH gone AS (
    DELETE FROM contact_role AS r
    USING unnest($1::bigint[], $2::bigint[]) AS n (before, after) JOIN contact AS c ON c.identity = n.before
    WHERE r.account = c.account AND r.identity = c.identity RETURNING n.after, r.*
)
INSERT INTO contact_role AS r (account, identity, hour, occurred_at, source, event_id, role)
SELECT DISTINCT ON (account, after, hour) account, after, hour, occurred_at, source, event_id, role
FROM gone ORDER BY account, after, hour, occurred_at DESC, source DESC, event_id DESC
ON CONFLICT (account, identity, hour) DO UPDATE
SET occurred_at = excluded.occurred_at, source = excluded.source, event_id = excluded.event_id, role = excluded.role
WHERE (excluded.occurred_at, excluded.source, excluded.event_id) > (r.occurred_at, r.source, r.event_id)

-- merge_crowds --
-- A crowd stays one.
UPDATE identity AS i SET crowd = LEAST(i.crowd, n.crowd)
FROM (
    SELECT n.after, min(g.crowd) AS crowd
    FROM unnest($1::bigint[], $2::bigint[]) AS n (before, after) JOIN identity AS g ON g.id = n.before GROUP BY n.after
) AS n
WHERE i.id = n.after

-- remove_persons --
-- Whoever follows scores is told to look at the name, which leads nowhere from here on.
WITH gone AS (
    DELETE FROM person WHERE id = ANY($1::bigint[]) RETURNING id, version
)
INSERT INTO outbox (topic, key)
SELECT 'cx.scores.v1', i.value FROM gone JOIN identity AS i ON i.id = gone.id WHERE gone.version > 0

-- remove_names --
DELETE FROM identity WHERE id = ANY($1::bigint[])

-- write_names --
-- Whoever follows scores is told to look at both names.
WITH letters AS (
    INSERT INTO outbox (topic, key)
    SELECT 'cx.scores.v1', names.value
    FROM unnest($1::bigint[], $2::text[]) AS n (id, value)
    JOIN identity AS i ON i.id = n.id
    JOIN person AS p ON p.id = n.id AND p.version > 0
    CROSS JOIN LATERAL (VALUES (i.value), (n.value)) AS names (value)
)
UPDATE identity AS i SET value = n.value FROM unnest($1::bigint[], $2::text[]) AS n (id, value) WHERE i.id = n.id

-- part_persons --
UPDATE identity SET person = id WHERE id = ANY($1::bigint[])
