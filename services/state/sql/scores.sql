-- next_version --
SELECT nextval('score_version')

-- write_scores --
UPDATE person AS p
SET version = n.version, model = n.model, band = n.band, as_of = n.as_of,
    score = n.score, confidence = n.confidence, se = n.se,
    score_24h = n.score_24h, confidence_24h = n.confidence_24h,
    score_7d = n.score_7d, confidence_7d = n.confidence_7d,
    score_30d = n.score_30d, confidence_30d = n.confidence_30d,
    score_90d = n.score_90d, confidence_90d = n.confidence_90d
FROM incoming_score AS n
WHERE p.id = n.id
