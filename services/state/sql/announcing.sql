-- announce_everybody --
-- Whoever would have been told by an earlier one is told by this.
WITH former AS (
    UPDATE announcement SET ended_at = now() WHERE ended_at IS NULL
)
INSERT INTO announcement (why) VALUES ($1)

-- hold_announcement --
-- Of the workers that would go on with it one does, for as long as its transaction lasts.
SELECT id, cursor FROM announcement WHERE ended_at IS NULL ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED

-- persons_to_announce --
SELECT id FROM person WHERE id > $1 AND version > 0 ORDER BY id LIMIT $2 FOR NO KEY UPDATE

-- announce --
-- The set that is read gets the version alone: the person's state is what it was, and what workers remember of it stays valid.
WITH told AS (
    UPDATE person
    SET version_a = CASE WHEN $3::int = 0 THEN $2 ELSE version_a END, version_b = CASE WHEN $3::int = 1 THEN $2 ELSE version_b END,
        told = CASE $3::int WHEN 0 THEN score ELSE score_b END, told_band = CASE $3::int WHEN 0 THEN band ELSE band_b END
    WHERE id = ANY($1::bigint[])
    RETURNING id, CASE $3::int WHEN 0 THEN model ELSE model_b END AS model, CASE $3::int WHEN 0 THEN score ELSE score_b END AS score,
        CASE $3::int WHEN 0 THEN confidence ELSE confidence_b END AS confidence, CASE $3::int WHEN 0 THEN band ELSE band_b END AS band
)
INSERT INTO score_change (version, model, persons, scores, confidences, bands)
SELECT $2, model, array_agg(id), array_agg(score), array_agg(confidence), array_agg(band) FROM told GROUP BY model

-- move_announcement --
UPDATE announcement SET cursor = $2 WHERE id = $1

-- end_announcement --
UPDATE announcement SET ended_at = now() WHERE id = $1
