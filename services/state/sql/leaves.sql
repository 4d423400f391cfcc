-- add_leaves --
INSERT INTO leaf (touchpoint, channel, place)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT DO NOTHING

-- all_leaves --
SELECT id, touchpoint, channel, place FROM leaf WHERE id > $1 ORDER BY id

-- leaves --
SELECT id, touchpoint, channel, place FROM leaf WHERE id = ANY($1::integer[])
