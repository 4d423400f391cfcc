-- add_persons --
INSERT INTO person (id) SELECT id FROM unnest($1::bigint[]) AS id ORDER BY id
ON CONFLICT (id) DO NOTHING

-- lock_persons --
-- A row whose name is gone was made by whoever did not know yet that its person is forgotten.
SELECT id, version, merged_into, GREATEST(as_of, as_of_b) AS as_of, alert_until FROM person AS p
WHERE id = ANY($1::bigint[]) AND EXISTS (SELECT FROM identity AS i WHERE i.id = p.id)
ORDER BY id FOR NO KEY UPDATE

-- turning_persons --
-- Whom others hold is being scored, or will be looked at in a moment. Scores that were read at a later hour know it already.
SELECT id FROM person
WHERE turns_at BETWEEN 1 AND $1 AND merged_into IS NULL AND version > 0 AND GREATEST(as_of, as_of_b) <= $1
ORDER BY turns_at
LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED

-- point_persons --
-- A person whose naming identity belongs to another person is merged; one that names itself again is not.
UPDATE person AS p SET merged_into = NULLIF(i.person, p.id)
FROM identity AS i
WHERE i.id = p.id AND p.id = ANY($1::bigint[]) AND p.merged_into IS DISTINCT FROM NULLIF(i.person, p.id)

-- person_of_identity --
-- A person is known once its first chunk committed; before that there is no version.
SELECT p.id, name.value AS customer, p.version, p.as_of, m.version AS model_version,
    (SELECT active FROM model_in_use) AS active_model
FROM identity AS i
JOIN person_score AS p ON p.id = i.person
JOIN identity AS name ON name.id = p.id
LEFT JOIN model AS m ON m.id = p.model
WHERE i.value = $1

-- identities_of_person --
SELECT id, value FROM identity WHERE person = $1
