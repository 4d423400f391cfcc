-- Of two branches the planner read every person, also when one was asked for: no condition reaches into them. A row of its own
-- choosing is found by its key.
CREATE OR REPLACE VIEW person_score AS
SELECT p.id, p.merged_into,
    CASE s.slot WHEN 0 THEN coalesce(p.version_a, p.version) ELSE p.version_b END AS version,
    CASE s.slot WHEN 0 THEN p.model ELSE p.model_b END AS model,
    CASE s.slot WHEN 0 THEN p.band ELSE p.band_b END AS band,
    CASE s.slot WHEN 0 THEN p.as_of ELSE p.as_of_b END AS as_of,
    CASE s.slot WHEN 0 THEN p.score ELSE p.score_b END AS score,
    CASE s.slot WHEN 0 THEN p.confidence ELSE p.confidence_b END AS confidence,
    CASE s.slot WHEN 0 THEN p.se ELSE p.se_b END AS se,
    CASE s.slot WHEN 0 THEN p.score_24h ELSE p.score_24h_b END AS score_24h,
    CASE s.slot WHEN 0 THEN p.confidence_24h ELSE p.confidence_24h_b END AS confidence_24h,
    CASE s.slot WHEN 0 THEN p.score_7d ELSE p.score_7d_b END AS score_7d,
    CASE s.slot WHEN 0 THEN p.confidence_7d ELSE p.confidence_7d_b END AS confidence_7d,
    CASE s.slot WHEN 0 THEN p.score_30d ELSE p.score_30d_b END AS score_30d,
    CASE s.slot WHEN 0 THEN p.confidence_30d ELSE p.confidence_30d_b END AS confidence_30d,
    CASE s.slot WHEN 0 THEN p.score_90d ELSE p.score_90d_b END AS score_90d,
    CASE s.slot WHEN 0 THEN p.confidence_90d ELSE p.confidence_90d_b END AS confidence_90d
FROM person AS p
CROSS JOIN (SELECT coalesce((SELECT slot FROM model_in_use), 0) AS slot) AS s
WHERE p.version > 0;
