-- present_scores --
-- Who never had a score is not told, also when an event names two that become one at once.
SELECT p.id, i.value AS customer, p.version, p.as_of, m.version AS model_version,
    m.band_names[p.band + 1] AS band, p.score, p.confidence, p.se, p.score_24h, p.confidence_24h, p.score_7d, p.confidence_7d,
    p.score_30d, p.confidence_30d, p.score_90d, p.confidence_90d, n.value AS merged_into
FROM person_score AS p
JOIN identity AS i ON i.id = p.id
JOIN model AS m ON m.id = p.model
LEFT JOIN identity AS n ON n.id = i.person AND i.person <> i.id
WHERE p.id = ANY($1::bigint[])

-- numbers_of --
SELECT id, value FROM identity WHERE value = ANY($1::text[])
