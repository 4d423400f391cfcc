-- mark_accounts --
-- Appended, never changed: no chunk waits for another one that touches the same company. Of an identity's accounts also
-- those just past the bound, which may have been pushed out by this one.
INSERT INTO account_mark (account)
SELECT DISTINCT c.account
FROM identity AS i
CROSS JOIN LATERAL (
    SELECT account FROM contact WHERE identity = i.id ORDER BY since, account LIMIT 2 * $2
) AS c
WHERE i.person = ANY($1::bigint[]) AND EXISTS (SELECT FROM contact)

-- hold_accounts --
SELECT pg_try_advisory_xact_lock($1)

-- take_marks --
-- What another transaction is about to mark is left to the next round: whatever is read after this holds all that was marked.
WITH chosen AS (
    SELECT DISTINCT account FROM (SELECT account FROM account_mark LIMIT $2) AS m ORDER BY account LIMIT $1
), gone AS (
    DELETE FROM account_mark AS m USING chosen WHERE m.account = chosen.account
)
SELECT account FROM chosen

-- accounts_behind --
-- Accounts without a score by a model that takes over, or with one that is older than that of the model in use.
SELECT s.account FROM account_score AS s
WHERE s.model = (SELECT active FROM model_in_use) AND NOT EXISTS (
    SELECT FROM account_score AS f WHERE f.account = s.account AND f.model = $1 AND f.version >= s.version
)
ORDER BY s.account LIMIT $2

-- hours_of_persons --
SELECT max(GREATEST(as_of, as_of_b)) FROM person WHERE id = ANY($1::bigint[])

-- write_account_score --
INSERT INTO account_score (
    account, model, version, as_of, band, score, confidence, se,
    score_24h, score_7d, score_30d, score_90d, contacts, worst, worst_score
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (account, model) DO UPDATE
SET version = excluded.version, as_of = excluded.as_of, band = excluded.band, score = excluded.score,
    confidence = excluded.confidence, se = excluded.se, score_24h = excluded.score_24h, score_7d = excluded.score_7d,
    score_30d = excluded.score_30d, score_90d = excluded.score_90d, contacts = excluded.contacts,
    worst = excluded.worst, worst_score = excluded.worst_score

-- forget_account_scores --
DELETE FROM account_score WHERE account = $1 AND model <> ALL($2::smallint[])

-- accounts_waiting --
SELECT count(DISTINCT account) FROM (SELECT account FROM account_mark LIMIT $1) AS m

-- accounts_by_score --
SELECT s.account, s.score, s.confidence, s.se, s.band, s.contacts, n.value AS worst, s.worst_score, s.as_of
FROM account_score AS s LEFT JOIN identity AS n ON n.id = s.worst
WHERE s.model = $1 AND ($2::smallint IS NULL OR s.band = $2) AND (s.score, s.account) > ($3, $4)
ORDER BY s.score, s.account LIMIT $5

-- accounts_by_worst --
SELECT s.account, s.score, s.confidence, s.se, s.band, s.contacts, n.value AS worst, s.worst_score, s.as_of
FROM account_score AS s LEFT JOIN identity AS n ON n.id = s.worst
WHERE s.model = $1 AND ($2::smallint IS NULL OR s.band = $2) AND (coalesce(s.worst_score, 101), s.account) > ($3, $4)
ORDER BY coalesce(s.worst_score, 101), s.account LIMIT $5

-- accounts_by_name --
SELECT s.account, s.score, s.confidence, s.se, s.band, s.contacts, n.value AS worst, s.worst_score, s.as_of
FROM account_score AS s LEFT JOIN identity AS n ON n.id = s.worst
WHERE s.model = $1 AND ($2::smallint IS NULL OR s.band = $2) AND $3::float8 IS NOT NULL AND s.account > $4
ORDER BY s.account LIMIT $5
