-- use_model --
-- Looked up first: an insert that finds its version there would use up a number at every start.
WITH known AS (SELECT id FROM model WHERE version = $1), made AS (
    INSERT INTO model (version) SELECT $1 WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (version) DO UPDATE SET version = excluded.version RETURNING id
)
SELECT id FROM known UNION ALL SELECT id FROM made

-- note_model --
UPDATE model SET lambda = $2, beta = $3, kappa = $4, prior = $5, cap = $6, weight_undeclared = $7, used_at = now()
WHERE id = $1

-- note_weights --
-- The version is a hash of all weights, so those that are there are right.
INSERT INTO model_weight (model, touchpoint, weight)
SELECT $1, * FROM unnest($2::text[], $3::float8[]) ON CONFLICT DO NOTHING
