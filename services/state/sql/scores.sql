-- turn --
-- Read under the locks of the persons to be scored: whoever locked them before an activation began is waited for by
-- whoever fills, and whoever locks them later reads here that both sets must be written.
SELECT nextval('score_version') AS version, coalesce(u.tallies, 0) AS tallies, u.active, u.slot, u.filling
FROM (SELECT) AS one LEFT JOIN model_in_use AS u ON true

-- persons_by_band --
SELECT (m.band_names)[p.band + 1] AS band, count(*) AS persons
FROM person_score AS p JOIN model AS m ON m.id = p.model
WHERE p.merged_into IS NULL
GROUP BY 1

-- forget_incoming_scores --
DELETE FROM incoming_score

-- tell_moved --
-- Of scores that were read anew without an event followers are told when they moved by so much since they were told, or into
-- another band.
WITH moved AS (
    SELECT n.version, n.model, n.id, n.score, n.confidence, n.band
    FROM incoming_score AS n JOIN person AS p ON p.id = n.id
    WHERE p.told IS NULL OR abs(n.score - p.told) >= $1 OR n.band IS DISTINCT FROM p.told_band
), noted AS (
    INSERT INTO score_change (version, model, persons, scores, confidences, bands)
    SELECT max(version), max(model), array_agg(id), array_agg(score), array_agg(confidence), array_agg(band)
    FROM moved HAVING count(*) > 0
)
UPDATE person AS p SET told = m.score, told_band = m.band FROM moved AS m WHERE p.id = m.id

-- write_scores_a --
-- Of the model that is read, a row for followers says whose scores these are; whoever became part of another is among them with
-- the last score of their own.
WITH noted AS (
    INSERT INTO score_change (version, model, persons, scores, confidences, bands)
    SELECT max(version), max(model), array_agg(id), array_agg(score), array_agg(confidence), array_agg(band)
    FROM (
        SELECT version, model, id, score, confidence, band FROM incoming_score
        UNION ALL
        SELECT 0, 0, id, score, confidence, band FROM person WHERE id = ANY($3::bigint[])
    ) AS written
    WHERE $2 HAVING max(version) > 0
)
UPDATE person AS p
SET version = CASE WHEN $1 THEN n.version ELSE p.version END, version_a = n.version,
    turns_at = n.turns_at, told = CASE WHEN $2 THEN n.score ELSE p.told END,
    told_band = CASE WHEN $2 THEN n.band ELSE p.told_band END,
    model = n.model, band = n.band, as_of = n.as_of,
    score = n.score, confidence = n.confidence, se = n.se,
    score_24h = n.score_24h, confidence_24h = n.confidence_24h,
    score_7d = n.score_7d, confidence_7d = n.confidence_7d,
    score_30d = n.score_30d, confidence_30d = n.confidence_30d,
    score_90d = n.score_90d, confidence_90d = n.confidence_90d
FROM incoming_score AS n
WHERE p.id = n.id

-- write_scores_b --
-- Of the model that is read, a row for followers says whose scores these are; whoever became part of another is among them with
-- the last score of their own.
WITH noted AS (
    INSERT INTO score_change (version, model, persons, scores, confidences, bands)
    SELECT max(version), max(model), array_agg(id), array_agg(score), array_agg(confidence), array_agg(band)
    FROM (
        SELECT version, model, id, score, confidence, band FROM incoming_score
        UNION ALL
        SELECT 0, 0, id, score_b, confidence_b, band_b FROM person WHERE id = ANY($3::bigint[])
    ) AS written
    WHERE $2 HAVING max(version) > 0
)
UPDATE person AS p
SET version = CASE WHEN $1 THEN n.version ELSE p.version END, version_b = n.version,
    turns_at = n.turns_at, told = CASE WHEN $2 THEN n.score ELSE p.told END,
    told_band = CASE WHEN $2 THEN n.band ELSE p.told_band END,
    model_b = n.model, band_b = n.band, as_of_b = n.as_of,
    score_b = n.score, confidence_b = n.confidence, se_b = n.se,
    score_24h_b = n.score_24h, confidence_24h_b = n.confidence_24h,
    score_7d_b = n.score_7d, confidence_7d_b = n.confidence_7d,
    score_30d_b = n.score_30d, confidence_30d_b = n.confidence_30d,
    score_90d_b = n.score_90d, confidence_90d_b = n.confidence_90d
FROM incoming_score AS n
WHERE p.id = n.id
