-- begin_census --
-- A census rests the longer the longer the one before it took; of another model than the one in use none is kept, and of
-- sums that a rebuild has replaced none is rested after.
INSERT INTO census (hour, model, last)
SELECT $1, u.active, (SELECT max(id) FROM person)
FROM model_in_use AS u
WHERE EXISTS (SELECT FROM person WHERE version > 0) AND NOT EXISTS (
    SELECT FROM census AS c
    WHERE c.outcome = 'whole' AND c.model = u.active
        AND c.ended_at + greatest(make_interval(secs => $2), $3 * (c.ended_at - c.begun_at)) > now()
        AND NOT EXISTS (SELECT FROM rebuild AS r WHERE r.outcome = 'swapped' AND r.ended_at > c.begun_at)
)
ON CONFLICT DO NOTHING

-- hold_census --
-- Of the workers that would go on with it one does, for as long as its transaction lasts.
SELECT c.id, c.hour, c.model, c.last, c.cursor, c.model = u.active AS current
FROM census AS c
CROSS JOIN model_in_use AS u
WHERE c.ended_at IS NULL
FOR NO KEY UPDATE OF c SKIP LOCKED

-- persons_to_count --
SELECT id FROM person WHERE id > $1 AND id <= $2 AND version > 0 AND merged_into IS NULL ORDER BY id LIMIT $3

-- segments_of_persons --
-- What was said last of each person within the hours that are read; a value that nobody declared is another one.
SELECT DISTINCT ON (i.person) i.person, r.body::json #>> ARRAY['data', 'properties', $4] AS value
FROM identity AS i
JOIN touchpoint_row AS r ON r.identity = i.id AND r.occurred_at >= $2 AND r.occurred_at < $3
WHERE i.person = ANY($1::bigint[]) AND position('"' || $4 || '"' IN r.body) > 0 AND position('\u0000' IN r.body) = 0
    AND r.body::json #>> ARRAY['data', 'properties', $4] IS NOT NULL
ORDER BY i.person, r.occurred_at DESC, r.source DESC, r.event_id DESC

-- add_census_sums --
INSERT INTO census_sum AS s
SELECT $1, * FROM unnest(
    $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
    $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[]
)
ON CONFLICT (census, along, scope, value) DO UPDATE
SET customers = s.customers + excluded.customers, events = s.events + excluded.events,
    scores = s.scores + excluded.scores, lost = s.lost + excluded.lost, won = s.won + excluded.won,
    customers_before = s.customers_before + excluded.customers_before,
    events_before = s.events_before + excluded.events_before, scores_before = s.scores_before + excluded.scores_before,
    lost_before = s.lost_before + excluded.lost_before, won_before = s.won_before + excluded.won_before

-- move_census --
UPDATE census SET cursor = $2, persons = persons + $3 WHERE id = $1

-- end_census --
UPDATE census SET ended_at = clock_timestamp(), outcome = $2 WHERE id = $1

-- forget_census_sums --
-- Of all that others have followed, so many at a time.
DELETE FROM census_sum WHERE ctid = ANY(ARRAY(
    SELECT s.ctid FROM census AS c JOIN census_sum AS s ON s.census = c.id
    WHERE c.ended_at IS NOT NULL AND c.id < (SELECT max(id) FROM census WHERE outcome = 'whole')
    LIMIT $1
))

-- forget_censuses --
DELETE FROM census AS c
WHERE c.ended_at IS NOT NULL AND c.id < (SELECT max(id) FROM census WHERE outcome = 'whole')
    AND NOT EXISTS (SELECT FROM census_sum AS s WHERE s.census = c.id)

-- last_census --
SELECT c.id, c.hour, c.persons, m.version AS model_version, c.ended_at
FROM census AS c JOIN model AS m ON m.id = c.model
WHERE c.outcome = 'whole' ORDER BY c.id DESC LIMIT 1

-- census_sums --
SELECT value, customers, events, scores, lost, won,
    customers_before, events_before, scores_before, lost_before, won_before
FROM census_sum WHERE census = $1 AND scope = $2 AND along = $3
ORDER BY lost DESC, value
LIMIT $4

-- sums_of_scopes --
SELECT scope, customers, events, scores, lost, won,
    customers_before, events_before, scores_before, lost_before, won_before
FROM census_sum WHERE census = $1 AND along = $3 AND scope = ANY($2::text[]) AND value = ''

-- census_scopes --
SELECT scope, customers, events, scores, lost, won,
    customers_before, events_before, scores_before, lost_before, won_before
FROM census_sum
WHERE census = $1 AND scope >= $2 AND scope < $3 AND along = 'everything' AND value = ''
ORDER BY lost DESC, scope
LIMIT $4
