-- use_model --
INSERT INTO model (version) VALUES ($1) ON CONFLICT (version) DO UPDATE SET version = excluded.version RETURNING id
