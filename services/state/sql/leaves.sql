-- find_leaves --
SELECT l.id, l.touchpoint, l.channel, l.place
FROM unnest($1::text[], $2::text[], $3::text[]) AS n (touchpoint, channel, place)
JOIN leaf AS l USING (touchpoint, channel, place)

-- open_budgets --
INSERT INTO name_budget (source) SELECT source FROM unnest($1::text[]) AS source ORDER BY source
ON CONFLICT DO NOTHING

-- add_leaves --
-- Room is read under the lock of the source's row, so that two workers cannot both take the last of it; rows are locked
-- and leaves inserted in one order, so that they cannot wait for each other in a circle. A leaf without a source is
-- declared and needs no room.
WITH budget AS (
    SELECT source, brought FROM name_budget WHERE source = ANY($4::text[]) ORDER BY source FOR UPDATE
), missing AS (
    SELECT n.*, row_number() OVER (PARTITION BY n.source ORDER BY n.touchpoint, n.channel, n.place) AS place_in_line
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[])
        AS n (touchpoint, channel, place, source, bound)
    WHERE NOT EXISTS (
        SELECT FROM leaf AS l
        WHERE l.touchpoint = n.touchpoint AND l.channel = n.channel AND l.place = n.place
    )
), added AS (
    INSERT INTO leaf (touchpoint, channel, place)
    SELECT touchpoint, channel, place
    FROM missing LEFT JOIN budget USING (source)
    WHERE source IS NULL
        OR (brought + place_in_line <= bound AND (SELECT last_value FROM leaf_id_seq) < $6)
    ORDER BY touchpoint, channel, place
    ON CONFLICT DO NOTHING
    RETURNING touchpoint, channel, place
)
UPDATE name_budget AS b SET brought = b.brought + n.leaves
FROM (
    SELECT source, count(*) AS leaves FROM added JOIN missing USING (touchpoint, channel, place) GROUP BY source
) AS n
WHERE b.source = n.source

-- leaves --
SELECT id, touchpoint, channel, place FROM leaf WHERE id = ANY($1::integer[])

-- leaves_of_persons --
-- Asked for by the persons, not by their numbers: a hundred thousand of those would take the asker longer to write down.
SELECT id, touchpoint, channel, place FROM leaf
WHERE id IN (
    SELECT t.leaf FROM identity AS i JOIN tally_row AS t ON t.identity = i.id
    WHERE i.person = ANY($1::bigint[]) AND t.hour > $2 AND t.hour <= $3
)
ORDER BY touchpoint, channel, place
LIMIT $4
