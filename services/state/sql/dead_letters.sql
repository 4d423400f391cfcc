-- add_dead --
INSERT INTO dead_letter (
    origin, reason, detail, topic, part, log_offset, source, event_id, key, value, headers
)
SELECT $1, reason, detail, $2, $3, log_offset, source, event_id, key, value, headers::jsonb
FROM unnest($4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::bytea[], $10::bytea[], $11::text[])
    AS n (reason, detail, log_offset, source, event_id, key, value, headers)
ON CONFLICT (topic, part, log_offset) DO NOTHING
