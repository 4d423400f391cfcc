-- crm_hold --
-- One process at a time speaks to a system: its budget is counted here, and no record is written from two sides.
INSERT INTO crm_connector AS c (name, holder, held_until) VALUES ($1, $2, $4)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE c.holder = excluded.holder OR c.held_until < $3
RETURNING filled, filled_at, paused_until, trouble, burst_level, burst_at

-- crm_let_go --
UPDATE crm_connector SET held_until = '-infinity' WHERE name = $1 AND holder = $2

-- crm_filled --
UPDATE crm_connector SET filled = $2, filled_at = $3 WHERE name = $1

-- crm_pause --
UPDATE crm_connector SET paused_until = $2, trouble_since = CASE WHEN trouble IS NULL THEN $4 ELSE trouble_since END, trouble = $3
WHERE name = $1

-- crm_untroubled --
UPDATE crm_connector SET paused_until = NULL, trouble = NULL, trouble_since = NULL WHERE name = $1 AND trouble IS NOT NULL

-- crm_calls --
SELECT coalesce(sum(calls), 0)::bigint FROM crm_call WHERE connector = $1 AND hour > $2

-- crm_spend --
WITH counted AS (
    INSERT INTO crm_call AS c (connector, hour, calls) VALUES ($1, $2, $3)
    ON CONFLICT (connector, hour) DO UPDATE SET calls = c.calls + excluded.calls
), gone AS (
    DELETE FROM crm_call WHERE connector = $1 AND hour < $2 - 48
)
UPDATE crm_connector SET burst_level = $4, burst_at = $5 WHERE name = $1

-- crm_count --
INSERT INTO crm_call AS c (connector, hour, calls) VALUES ($1, $2, $3)
ON CONFLICT (connector, hour) DO UPDATE SET calls = c.calls + excluded.calls

-- crm_persons_after --
SELECT id FROM person WHERE id > $1 ORDER BY id LIMIT $2

-- crm_standing --
-- Everybody who is or was one of these people, with the name under which a system may know them.
WITH winner AS (
    SELECT DISTINCT person FROM identity WHERE id = ANY($1::bigint[])
)
SELECT p.id AS person, own.value AS name, p.merged_into IS NOT NULL AS merged, named.value AS winner,
    coalesce(CASE WHEN split_part(own.value, ':', 1) = $2 THEN own.value END,
        CASE WHEN p.merged_into IS NULL THEN (
            SELECT min(i.value) FROM identity AS i WHERE i.person = p.id AND split_part(i.value, ':', 1) = $2
        ) END) AS known_as,
    (
        SELECT coalesce(CASE WHEN split_part(named.value, ':', 1) = $2 THEN named.value END, min(i.value))
        FROM identity AS i WHERE i.person = winner.person AND split_part(i.value, ':', 1) = $2
    ) AS winner_known_as,
    s.version, s.score, s.band
FROM winner
JOIN identity AS own ON own.person = winner.person
JOIN person AS p ON p.id = own.id
JOIN identity AS named ON named.id = winner.person
JOIN person_score AS s ON s.id = p.id

-- crm_erased --
SELECT identity_hash FROM erased WHERE identity_hash = ANY($1::bytea[])

-- crm_want --
INSERT INTO crm_record AS r
    (connector, person, key, identity_hash, wish, merged_into, version, score, band, rank, due_at, waits_since, state)
SELECT $1, w.person, w.key, w.identity_hash, w.wish, w.merged_into, w.version, w.score, w.band,
    CASE w.wish WHEN 'score' THEN 1 ELSE 0 END, $2::timestamptz, $2::timestamptz, 'waiting'
FROM unnest($5::bigint[], $6::text[], $7::bytea[], $8::text[], $9::text[], $10::bigint[], $11::float8[], $12::smallint[])
    AS w (person, key, identity_hash, wish, merged_into, version, score, band)
ON CONFLICT (connector, person) DO UPDATE SET
    key = excluded.key, identity_hash = excluded.identity_hash, wish = excluded.wish, merged_into = excluded.merged_into,
    version = excluded.version, score = excluded.score, band = excluded.band,
    remote = CASE WHEN r.key = excluded.key THEN r.remote END,
    rank = CASE
        WHEN excluded.wish <> 'score' THEN 0
        WHEN r.wish <> 'score' OR r.sent_band IS DISTINCT FROM excluded.band THEN 1
        ELSE 2
    END,
    waits_since = CASE
        WHEN r.due_at IS NULL OR (r.rank = 2 AND r.sent_band IS DISTINCT FROM excluded.band) THEN $2::timestamptz
        ELSE r.waits_since
    END,
    due_at = CASE
        WHEN excluded.wish <> r.wish OR excluded.merged_into IS DISTINCT FROM r.merged_into THEN $2::timestamptz
        WHEN r.state IN ('absent', 'failed') THEN coalesce(r.due_at, greatest($2::timestamptz, r.answered_at + $4::interval))
        WHEN r.sent_at IS NULL OR r.tries > 0 THEN coalesce(r.due_at, $2::timestamptz)
        WHEN r.sent_band IS DISTINCT FROM excluded.band OR abs(r.sent_score - excluded.score) >= $3::float8
            THEN least(r.due_at, $2::timestamptz)
        ELSE coalesce(r.due_at, greatest($2::timestamptz, r.sent_at + $4::interval))
    END
WHERE (r.version, r.wish, r.key) IS DISTINCT FROM (excluded.version, excluded.wish, excluded.key)
    OR r.merged_into IS DISTINCT FROM excluded.merged_into

-- crm_forget_people --
DELETE FROM crm_record WHERE connector = $1 AND person = ANY($2::bigint[])

-- crm_erasures --
SELECT count(*) AS erasures, max(erased_at) AS last FROM erased

-- crm_want_erased --
UPDATE crm_record AS r SET wish = 'erased', merged_into = NULL, rank = 0, due_at = $2, waits_since = $2, tries = 0
FROM erased AS e
WHERE e.identity_hash = r.identity_hash AND r.connector = $1 AND r.wish <> 'erased'

-- crm_due --
SELECT person, key, wish, merged_into, remote, version, score, band, tries
FROM crm_record
WHERE connector = $1 AND due_at <= $2
ORDER BY rank, waits_since, person
LIMIT $3

-- crm_sent --
-- What came meanwhile is told later: at once when it is another band or wish, else within a day.
UPDATE crm_record AS r SET
    state = 'sent', words = a.words, answered_at = $2::timestamptz, tries = 0, remote = coalesce(a.remote, r.remote),
    sent_at = $2::timestamptz, sent_version = a.version, sent_score = a.score, sent_band = a.band, sent = a.sent::jsonb,
    rank = 2, waits_since = $2::timestamptz,
    due_at = CASE
        WHEN r.wish <> a.wish OR r.band <> a.band OR abs(r.score - a.score) >= $3::float8 THEN $2::timestamptz
        WHEN r.version > a.version THEN $2::timestamptz + $4::interval
    END
FROM unnest($5::bigint[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::float8[], $11::smallint[], $12::text[])
    AS a (person, wish, words, remote, version, score, band, sent)
WHERE r.connector = $1 AND r.person = a.person

-- crm_not_sent --
UPDATE crm_record AS r SET
    state = a.state, words = a.words, answered_at = $2::timestamptz, tries = r.tries + 1, due_at = a.due_at, waits_since = coalesce(r.waits_since, $2::timestamptz),
    remote = CASE WHEN a.state = 'absent' THEN NULL ELSE r.remote END
FROM unnest($3::bigint[], $4::text[], $5::text[], $6::timestamptz[]) AS a (person, state, words, due_at)
WHERE r.connector = $1 AND r.person = a.person

-- crm_note_remote --
UPDATE crm_record AS r SET remote = a.remote
FROM unnest($2::text[], $3::text[]) AS a (key, remote)
WHERE r.connector = $1 AND r.key = a.key

-- crm_want_task --
INSERT INTO crm_task (connector, alert, customer, subject, description, due_at, state)
VALUES ($1, $2, $3, $4, $5, $6, 'waiting')
ON CONFLICT (connector, alert) DO NOTHING

-- crm_tasks_due --
SELECT alert, customer, subject, description, tries FROM crm_task WHERE connector = $1 AND due_at <= $2 ORDER BY due_at, alert LIMIT $3

-- crm_task_answered --
UPDATE crm_task SET state = $3, words = $4, answered_at = $5, due_at = $6, tries = tries + 1 WHERE connector = $1 AND alert = $2

-- crm_counts --
SELECT state, count(*) AS records, count(due_at) AS waiting, min(waits_since) FILTER (WHERE due_at <= $2) AS waits_since
FROM crm_record WHERE connector = $1 GROUP BY state ORDER BY state

-- crm_connector_standing --
SELECT holder, held_until, filled_at, paused_until, trouble, trouble_since FROM crm_connector WHERE name = $1

-- crm_records --
SELECT r.key, r.wish, r.state, r.words, r.answered_at, r.tries, r.due_at, r.sent_version, r.version
FROM crm_record AS r
WHERE r.connector = $1 AND ($2::text IS NULL OR r.state = $2) AND ($3::text IS NULL OR r.key = $3)
ORDER BY r.answered_at DESC NULLS LAST, r.person
LIMIT $4

-- crm_sample --
SELECT key, remote, sent::text AS sent, sent_at FROM crm_record
WHERE connector = $1 AND state = 'sent' AND wish = 'score' AND due_at IS NULL
ORDER BY random() LIMIT $2

-- crm_redrive --
UPDATE crm_record SET due_at = $2, waits_since = $2, tries = 0
WHERE connector = $1 AND ($3::text IS NULL OR state = $3) AND ($4::text IS NULL OR key = $4)

-- crm_redrive_tasks --
UPDATE crm_task SET due_at = $2, tries = 0 WHERE connector = $1 AND state IN ('failed', 'absent')
