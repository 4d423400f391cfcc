-- Names and borders of bands are a model's own: a score's number of its band means what its model says.
ALTER TABLE model
    ADD COLUMN band_names text[] NOT NULL DEFAULT '{unknown,critical,low,fair,good,great}',
    ADD COLUMN band_starts double precision[] NOT NULL DEFAULT '{25,40,60,80}';

CREATE OR REPLACE VIEW customer_score AS
SELECT i.value AS person_id, p.score, p.confidence, p.se,
    (coalesce(m.band_names, '{unknown,critical,low,fair,good,great}'))[p.band + 1] AS band,
    p.version, m.version AS model_version, to_timestamp(p.as_of * 3600::double precision) AS as_of,
    p.score_24h, p.confidence_24h, p.score_7d, p.confidence_7d,
    p.score_30d, p.confidence_30d, p.score_90d, p.confidence_90d
FROM person_score AS p
JOIN identity AS i ON i.id = p.id
LEFT JOIN model AS m ON m.id = p.model
WHERE p.merged_into IS NULL;

CREATE OR REPLACE VIEW crm_account_scores AS
SELECT s.account, s.score, s.confidence,
    (coalesce(m.band_names, '{unknown,critical,low,fair,good,great}'))[s.band + 1] AS band,
    s.contacts, n.value AS worst_key_contact, s.worst_score AS worst_key_contact_score,
    s.score_24h, s.score_7d, s.score_30d, s.score_90d, to_timestamp(s.as_of * 3600::double precision) AS as_of, s.version
FROM account_score AS s
LEFT JOIN identity AS n ON n.id = s.worst
LEFT JOIN model AS m ON m.id = s.model
WHERE s.model = (SELECT active FROM model_in_use);
