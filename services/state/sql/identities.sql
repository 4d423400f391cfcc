-- find_names --
SELECT id, value, person FROM identity WHERE value = ANY($1::text[])

-- add_names --
WITH fresh AS (SELECT nextval('identity_id') AS id, value FROM unnest($1::text[]) AS value)
INSERT INTO identity (id, value, person) SELECT id, value, id FROM fresh
ON CONFLICT (value) DO NOTHING

-- members --
SELECT id, value, person FROM identity WHERE person = ANY($1::bigint[])

-- move_identities --
UPDATE identity AS i SET person = n.person
FROM unnest($1::bigint[], $2::bigint[]) AS n (id, person)
WHERE i.id = n.id
