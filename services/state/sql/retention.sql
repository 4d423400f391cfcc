-- know_subjects --
INSERT INTO retention (subject) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING

-- walk_anew --
UPDATE retention SET page = 0, ended_at = NULL WHERE subject = ANY($1::text[])

-- next_walk --
-- What has begun goes first, then what ended longest ago; of those that never ended, in the order that they are told in.
SELECT subject, page FROM retention
WHERE subject = ANY($1::text[]) AND (page > 0 OR ended_at IS NULL OR ended_at < now() - make_interval(secs => $2))
ORDER BY page = 0, ended_at NULLS FIRST, array_position($1::text[], subject)
LIMIT 1

-- note_walk --
UPDATE retention
SET page = CASE WHEN $4 THEN 0 ELSE $2 END, removed = removed + $3,
    begun_at = CASE WHEN page = 0 THEN now() ELSE begun_at END, ended_at = CASE WHEN $4 THEN now() ELSE ended_at END
WHERE subject = $1

-- walks --
SELECT subject, removed, coalesce(ended_at, begun_at) AS ended_at FROM retention ORDER BY subject

-- pages_of --
SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint

-- forget_rows --
DELETE FROM $table WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid AND ($old)

-- count_rows --
SELECT count(*) FROM $table WHERE ($old)

-- old_strays --
tableoid = 'touchpoint_other'::regclass AND occurred_at <= now() - interval '431 days'

-- old_tallies --
-- The read passes over hours of 400 days ago and more; a month later nothing that is asked for reads them either.
hour <= floor(extract(epoch FROM now()) / 3600)::integer - 431 * 24

-- old_facts --
occurred_us <= (extract(epoch FROM now())::bigint - 431 * 86400) * 1000000

-- old_fact_names --
latest_us <= (extract(epoch FROM now())::bigint - 431 * 86400) * 1000000

-- old_score_changes --
-- Not before it is in its topic, however long that takes.
at <= now() - interval '30 days' AND NOT EXISTS (
    SELECT FROM feed_position AS f
    WHERE f.feed = 'scores' AND f.life = (SELECT feed_life()) AND (f.xact, f.id) < (score_change.xact, score_change.id)
)

-- old_alerts --
closed_at <= now() - interval '431 days'

-- old_contact_roles --
-- The last one before still holds at every hour that is read.
hour <= floor(extract(epoch FROM now()) / 3600)::integer - 431 * 24 AND EXISTS (
    SELECT FROM contact_role AS o
    WHERE o.account = contact_role.account AND o.identity = contact_role.identity AND o.hour > contact_role.hour
        AND o.hour <= floor(extract(epoch FROM now()) / 3600)::integer - 431 * 24
)

-- old_dead_letters --
-- As long as the topic that they were copied from keeps them.
at <= now() - interval '90 days'

-- old_outbox --
-- Not before it is in its topic, however long that takes.
created_at <= now() - interval '30 days' AND NOT EXISTS (
    SELECT FROM feed_position AS f
    WHERE f.feed IN ('alerts', 'forgotten') AND f.life = (SELECT feed_life()) AND (f.xact, f.id) < (outbox.xact, outbox.id)
)

-- old_deliveries --
at <= now() - interval '30 days'

-- drop_old_months --
SELECT drop_old_months()

-- count_old_months --
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM old_months() AS m JOIN pg_class AS c ON c.oid = m.name::regclass

-- forget_strays --
SELECT forget_strays($1, $2)

-- quiet_persons --
-- Nobody has counted for these in all that time: they may be gone, and are held until that is known. Whom a worker holds
-- has an event at this moment.
SELECT id FROM person
WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid AND ($quiet)
FOR UPDATE SKIP LOCKED

-- quiet --
-- Scores are read anew until nothing is left in them, which is after 400 days.
merged_into IS NULL AND GREATEST(as_of, as_of_b) <= floor(extract(epoch FROM now()) / 3600)::integer
    - CASE WHEN CASE (SELECT slot FROM model_in_use) WHEN 1 THEN confidence_b ELSE confidence END > 0 THEN 431 ELSE 31 END * 24

-- lives --
-- Whether anything leads to an identity i; a line for every table about one. A link keeps both of its ends when these are not
-- of one person: without it, others would hang together in another way.
EXISTS (SELECT FROM tally_row AS t WHERE t.identity = i.id)
OR EXISTS (SELECT FROM touchpoint_row AS r WHERE r.identity = i.id)
OR EXISTS (SELECT FROM fact AS f WHERE f.identity = i.id)
OR EXISTS (SELECT FROM alert AS x WHERE x.person = i.id)
OR EXISTS (SELECT FROM place_past AS w WHERE w.identity = i.id)
OR EXISTS (SELECT FROM contact AS c WHERE c.identity = i.id AND c.since > now() - interval '431 days')
OR EXISTS (
    SELECT FROM contact_role AS r JOIN contact AS c ON c.account = r.account AND c.identity = r.identity
    WHERE c.identity = i.id AND r.occurred_at > now() - interval '431 days'
)
OR EXISTS (
    SELECT FROM link AS l JOIN identity AS o ON o.id = l.b
    WHERE l.a = i.id AND (o.person <> i.person OR l.occurred_at > now() - interval '431 days')
)
OR EXISTS (
    SELECT FROM link AS l JOIN identity AS o ON o.id = l.a
    WHERE l.b = i.id AND l.claim AND (o.person <> i.person OR l.occurred_at > now() - interval '431 days')
)
OR EXISTS (
    SELECT FROM link AS l JOIN identity AS o ON o.id = l.a
    WHERE l.b = i.id AND NOT l.claim AND (o.person <> i.person OR l.occurred_at > now() - interval '431 days')
)

-- dead_names --
-- The identities of those among these persons of whom no identity lives.
SELECT n.id
FROM unnest($1::bigint[]) AS p (id)
JOIN identity AS n ON n.person = p.id
WHERE NOT EXISTS (SELECT FROM identity AS i WHERE i.person = p.id AND ($lives))

-- forget_people --
-- Of their links both ends are among them. What CRM systems were told keeps nobody and goes with them. Whoever follows scores is told that they are gone.
WITH letters AS (
    INSERT INTO outbox (topic, key)
    SELECT 'cx.scores.v1', i.value FROM identity AS i JOIN person AS p ON p.id = i.id
    WHERE i.id = ANY($1::bigint[]) AND p.version > 0
), told AS (
    -- Whoever asked to be forgotten is still to be forgotten over there: their record goes once the system has said so.
    DELETE FROM crm_record AS c WHERE c.person = ANY($1::bigint[])
        AND NOT EXISTS (SELECT FROM erased AS e WHERE e.identity_hash = c.identity_hash)
), links AS (
    DELETE FROM link WHERE a = ANY($1::bigint[])
), roles AS (
    DELETE FROM contact_role AS r USING contact AS c
    WHERE c.identity = ANY($1::bigint[]) AND r.account = c.account AND r.identity = c.identity
), contacts AS (
    DELETE FROM contact WHERE identity = ANY($1::bigint[]) RETURNING account
), marks AS (
    INSERT INTO account_mark (account) SELECT DISTINCT account FROM contacts
), names AS (
    DELETE FROM identity WHERE id = ANY($1::bigint[])
)
DELETE FROM person WHERE id = ANY($1::bigint[])

-- count_people --
SELECT count(*) FROM person AS p
WHERE ($quiet) AND NOT EXISTS (SELECT FROM identity AS i WHERE i.person = p.id AND ($lives))
