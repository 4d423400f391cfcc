-- add_dead --
INSERT INTO dead_letter (
    origin, reason, detail, topic, part, log_offset, source, event_id, key, value, headers
)
SELECT $1, reason, detail, $2, $3, log_offset, source, event_id, key, value, headers::jsonb
FROM unnest($4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::bytea[], $10::bytea[], $11::text[])
    AS n (reason, detail, log_offset, source, event_id, key, value, headers)
ON CONFLICT (topic, part, log_offset) DO NOTHING

-- dead_letters --
-- Walks the primary key from a letter on; what is null leaves nothing out.
SELECT id, origin, reason, detail, topic, part, log_offset AS "offset", source, event_id, state, at, coalesce(octet_length(value), 0) AS size,
    headers
FROM dead_letter
WHERE id > $1 AND id <= $2
    AND ($4::bigint[] IS NULL OR id = ANY($4))
    AND ($5::text IS NULL OR state = $5)
    AND ($6::text IS NULL OR reason = $6)
    AND ($7::text IS NULL OR source = $7 OR starts_with(source, $7 || '/'))
    AND ($8::text IS NULL OR headers @> jsonb_build_array(jsonb_build_array('channel', $8::text)))
    AND ($9::text IS NULL OR origin = $9)
    AND ($10::timestamptz IS NULL OR at >= $10)
    AND ($11::timestamptz IS NULL OR at < $11)
    AND ($12::text IS NULL OR position(lower($12) IN lower(detail)) > 0)
ORDER BY id
LIMIT $3

-- newest_dead_letter --
SELECT coalesce(max(id), 0) FROM dead_letter

-- dead_letter_values --
SELECT id, value FROM dead_letter WHERE id = ANY($1::bigint[])

-- dead_letter_changes --
SELECT at, by, outcome, detail FROM dead_letter_change WHERE letter = $1 ORDER BY id DESC LIMIT $2

-- note_changes --
-- Of a letter that is gone meanwhile nothing is noted: whoever was erased leaves no trace here.
INSERT INTO dead_letter_change (letter, by, outcome, detail)
SELECT n.letter, $1, n.outcome, n.detail
FROM unnest($2::bigint[], $3::text[], $4::text[]) AS n (letter, outcome, detail)
JOIN dead_letter AS d ON d.id = n.letter

-- close_dead_letters --
UPDATE dead_letter SET state = $2 WHERE id = ANY($1::bigint[]) AND state = 'open'

-- counted_events --
-- As the next record of each would find it: by its key for 30 days of log time, and with its time for as long as its row is kept.
SELECT n.key, coalesce(s.body_hash, r.body_hash) AS body_hash
FROM unnest($1::uuid[], $2::timestamptz[]) AS n (key, occurred_at)
LEFT JOIN seen_event AS s ON s.key = n.key AND s.logged_at >= now() - interval '30 days'
LEFT JOIN touchpoint_row AS r ON r.occurred_at = n.occurred_at AND r.key = n.key
WHERE s.key IS NOT NULL OR r.key IS NOT NULL
