-- know_walk --
INSERT INTO score_walk DEFAULT VALUES ON CONFLICT DO NOTHING

-- hold_walk --
-- Of the workers that would go on with it one does, for as long as its transaction lasts.
SELECT w.hour, w.cursor, w.ended_at IS NULL AND w.model = u.active AS under_way, w.model IS NOT DISTINCT FROM u.active AS current,
    u.active AS model, m.half_life_days, m.band_starts
FROM score_walk AS w
CROSS JOIN model_in_use AS u
JOIN model AS m ON m.id = u.active
FOR NO KEY UPDATE OF w SKIP LOCKED

-- begin_walk --
UPDATE score_walk SET hour = $1, model = $2, cursor = 0, ended_at = NULL, oldest_met = NULL

-- walk_ahead --
SELECT max(id) AS last, count(*) AS looked_at
FROM (SELECT id FROM person WHERE id > $1 ORDER BY id LIMIT $2) AS ahead

-- lock_old_scores --
-- Whom others hold is being scored. A score that is of a later hour than ours is none of our business.
SELECT p.id
FROM person AS p
CROSS JOIN LATERAL (
    SELECT CASE u.slot WHEN 1 THEN p.as_of_b ELSE p.as_of END AS as_of, CASE u.slot WHEN 1 THEN p.score_b ELSE p.score END AS score,
        CASE u.slot WHEN 1 THEN p.band_b ELSE p.band END AS band,
        CASE u.slot WHEN 1 THEN p.confidence_b ELSE p.confidence END AS confidence,
        CASE u.slot WHEN 1 THEN p.confidence_24h_b ELSE p.confidence_24h END AS confidence_24h,
        CASE u.slot WHEN 1 THEN p.confidence_90d_b ELSE p.confidence_90d END AS confidence_90d
    FROM model_in_use AS u
) AS s
WHERE p.id > $1 AND p.id <= $2 AND p.version > 0 AND p.merged_into IS NULL AND GREATEST(p.as_of, p.as_of_b) <= $3
    AND (
        p.told IS NULL OR abs(s.score - p.told) >= $4 OR s.band IS DISTINCT FROM p.told_band
        OR (s.confidence > 0 OR s.confidence_90d > 0) AND (
            s.as_of <= $3 - $5
            OR s.as_of <= $3 - $6 AND (
                s.confidence_24h > 0 OR abs(s.confidence - 0.1) < $8
                OR EXISTS (SELECT FROM unnest($7::double precision[]) AS start WHERE abs(s.score - start) < $9)
            )
        )
    )
ORDER BY p.id
LIMIT $10
FOR NO KEY UPDATE OF p SKIP LOCKED

-- move_walk --
-- Nothing is left to age in a score of which nothing is seen any more.
UPDATE score_walk SET cursor = $2, oldest_met = LEAST(oldest_met, (
    SELECT min(s.as_of) FROM person_score AS s
    WHERE s.id > $1 AND s.id <= $2 AND s.merged_into IS NULL AND (s.confidence > 0 OR s.confidence_90d > 0)
))

-- end_walk --
UPDATE score_walk SET ended_at = now(), oldest = coalesce(oldest_met, hour)

-- oldest_score --
SELECT coalesce(oldest, 0) FROM score_walk WHERE oldest IS NOT NULL
