-- use_model --
-- Looked up first: an insert that finds its version there would use up a number at every start.
WITH known AS (SELECT id FROM model WHERE version = $1), made AS (
    INSERT INTO model (version) SELECT $1 WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (version) DO UPDATE SET version = excluded.version RETURNING id
)
SELECT id FROM known UNION ALL SELECT id FROM made

-- note_model --
UPDATE model SET lambda = $2, beta = $3, kappa = $4, prior = $5, cap = $6, half_life_days = $7,
    factor_decision_maker = $8, factor_champion = $9, factor_user = $10, weight_undeclared = $11,
    calibration_scores = $12, calibration_risks = $13, band_names = $14, band_starts = $15, place_past = $16,
    used_at = now()
WHERE id = $1

-- note_weights --
-- The version is a hash of all weights, so those that are there are right.
INSERT INTO model_weight (model, touchpoint, weight, good_scale, bad_scale)
SELECT $1, * FROM unnest($2::text[], $3::float8[], $4::float8[], $5::float8[]) ON CONFLICT DO NOTHING

-- name_model --
UPDATE model SET name = $2, document = $3 WHERE id = $1

-- claim_model --
-- Whoever comes first to a database says which model weighs. Scores that an earlier release wrote by another model are
-- written anew, into the second set.
WITH claimed AS (
    INSERT INTO model_in_use (active, slot, filling)
    SELECT $1, 0, CASE WHEN EXISTS (SELECT FROM person WHERE version > 0 AND model <> $1) THEN $1::smallint END
    ON CONFLICT DO NOTHING
    RETURNING active, filling
), begun AS (
    INSERT INTO activation (model) SELECT filling FROM claimed WHERE filling IS NOT NULL
)
SELECT active FROM claimed UNION ALL SELECT active FROM model_in_use

-- model_in_use --
SELECT active, slot, filling FROM model_in_use

-- weighing --
SELECT version, lambda AS lambda_, beta, kappa, prior, cap, half_life_days,
    factor_decision_maker, factor_champion, factor_user, calibration_scores, calibration_risks, band_names, band_starts,
    place_past
FROM model WHERE id = $1

-- weights --
SELECT touchpoint, weight, good_scale, bad_scale FROM model_weight WHERE model = $1

-- models --
SELECT m.id, m.version, m.name, m.first_used_at, (
        SELECT max(a.ended_at) FROM activation AS a WHERE a.model = m.id AND a.outcome = 'active'
    ) AS activated_at, u.active IS NOT NULL AS active, m.document, m.half_life_days IS NOT NULL AS whole
FROM model AS m
LEFT JOIN model_in_use AS u ON u.active = m.id
ORDER BY u.active IS NULL, m.id DESC
LIMIT $1

-- active_version --
SELECT m.version, m.name FROM model_in_use AS u JOIN model AS m ON m.id = u.active
