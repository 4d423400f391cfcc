-- use_model --
-- Looked up first: an insert that finds its version there would use up a number at every start.
WITH known AS (SELECT id FROM model WHERE version = $1), made AS (
    INSERT INTO model (version) SELECT $1 WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (version) DO UPDATE SET version = excluded.version RETURNING id
)
SELECT id FROM known UNION ALL SELECT id FROM made
