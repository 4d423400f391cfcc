-- add_tallies --
-- Workers add in the database, so no concurrent update is lost.
INSERT INTO tally_row AS t (identity, leaf, hour, n, q, pos, neg, pos2, neg2, best, worst)
SELECT identity, leaf, hour, n, q, pos, neg, pos2, neg2, best, worst FROM incoming_tally
ON CONFLICT (identity, leaf, hour) DO UPDATE
SET n = t.n + excluded.n, q = t.q + excluded.q, pos = t.pos + excluded.pos, neg = t.neg + excluded.neg,
    pos2 = t.pos2 + excluded.pos2, neg2 = t.neg2 + excluded.neg2,
    best = GREATEST(t.best, excluded.best), worst = GREATEST(t.worst, excluded.worst)

-- read_whole_tallies --
LOCK TABLE tally_row, fact, fact_name IN ACCESS SHARE MODE

-- read_tallies --
-- One row an identity; the hours are (after, until]. All four are numbers (or ALL), put in by the caller: COPY takes no parameters.
SELECT i.person, t.leaf, t.hour, t.n, t.q, t.pos, t.neg, t.pos2, t.neg2, t.best, t.worst
FROM identity AS i
JOIN tally_row AS t ON t.identity = i.id
WHERE i.person = ANY($1::bigint[]) AND t.hour > $2 AND t.hour <= $3
LIMIT $4
