-- note_sources --
INSERT INTO source_note (note) VALUES ($1::json)

-- take_notes --
-- Those that are committed; what another transaction is about to note is left to the next round.
WITH taken AS (
    DELETE FROM source_note WHERE ctid = ANY (ARRAY(SELECT ctid FROM source_note LIMIT $1)) RETURNING note
)
SELECT json_agg(note)::text AS notes, count(*) AS count FROM taken

-- fold_sources --
WITH noted AS (
    SELECT h.source, to_timestamp(min(h.first_ms) / 1e3::double precision) AS first_at,
        to_timestamp(max(h.last_ms) / 1e3::double precision) AS last_at
    FROM json_array_elements($1::json) AS n (note),
        json_to_recordset(n.note -> 'hours') AS h (source text, first_ms bigint, last_ms bigint)
    GROUP BY h.source
), numbered AS (
    SELECT noted.*, s.source IS NOT NULL AS known,
        row_number() OVER (PARTITION BY s.source IS NULL ORDER BY noted.source) AS place_in_line
    FROM noted LEFT JOIN source_seen AS s USING (source)
)
INSERT INTO source_seen AS s (source, first_at, last_at)
SELECT source, first_at, last_at FROM numbered
WHERE known OR place_in_line + (SELECT count(*) FROM source_seen) <= $2
ON CONFLICT (source) DO UPDATE
SET first_at = least(s.first_at, excluded.first_at), last_at = greatest(s.last_at, excluded.last_at)

-- fold_hours --
INSERT INTO source_hour AS k (source, hour, live, late, rejected, timed, ahead, clock_ms)
SELECT h.source, h.hour, sum(h.live), sum(h.late), sum(h.rejected), sum(h.timed), sum(h.ahead), min(h.clock_ms)
FROM json_array_elements($1::json) AS n (note),
    json_to_recordset(n.note -> 'hours') AS h (
        source text, hour integer, live bigint, late bigint, rejected bigint, timed bigint, ahead bigint, clock_ms integer
    )
JOIN source_seen USING (source)
GROUP BY h.source, h.hour
ON CONFLICT (source, hour) DO UPDATE
SET live = k.live + excluded.live, late = k.late + excluded.late, rejected = k.rejected + excluded.rejected,
    timed = k.timed + excluded.timed, ahead = k.ahead + excluded.ahead, clock_ms = least(k.clock_ms, excluded.clock_ms)

-- fold_names --
WITH noted AS (
    SELECT u.source, u.touchpoint, sum(u.events) AS events, to_timestamp(max(u.last_ms) / 1e3::double precision) AS last_at
    FROM json_array_elements($1::json) AS n (note),
        json_to_recordset(n.note -> 'names') AS u (source text, touchpoint text, events bigint, last_ms bigint)
    JOIN source_seen USING (source)
    GROUP BY u.source, u.touchpoint
), numbered AS (
    SELECT noted.*, k.source IS NOT NULL AS known,
        row_number() OVER (PARTITION BY source, k.source IS NULL ORDER BY noted.events DESC, touchpoint) AS place_in_line
    FROM noted LEFT JOIN unknown_name AS k USING (source, touchpoint)
)
INSERT INTO unknown_name AS k (source, touchpoint, events, last_at)
SELECT source, touchpoint, events, last_at FROM numbered AS m
WHERE known OR place_in_line + (SELECT count(*) FROM unknown_name AS o WHERE o.source = m.source) <= $2
ON CONFLICT (source, touchpoint) DO UPDATE
SET events = k.events + excluded.events, last_at = greatest(k.last_at, excluded.last_at)

-- fold_tills --
-- A set of numbers is united with what is there, so that a number counts once however often it comes.
WITH noted AS (
    SELECT t.day, t.till, range_agg(int8range(t.low, t.high, '[]')) AS numbers, min(t.clock_ms) AS clock_ms,
        to_timestamp(max(t.last_ms) / 1e3::double precision) AS last_at
    FROM json_array_elements($1::json) AS n (note),
        json_to_recordset(n.note -> 'tills') AS t (
            day date, till text, low bigint, high bigint, clock_ms integer, last_ms bigint
        )
    JOIN source_seen AS s ON s.source = split_part(t.till, '/', 1)
    GROUP BY t.day, t.till
), united AS (
    SELECT day, till, coalesce(d.numbers, '{}') AS former, coalesce(d.numbers, '{}') + noted.numbers AS numbers,
        noted.clock_ms, noted.last_at, d.till IS NOT NULL AS known,
        row_number() OVER (PARTITION BY day, split_part(till, '/', 1), d.till IS NULL ORDER BY till) AS place_in_line
    FROM noted LEFT JOIN till_day AS d USING (day, till)
), bounded AS (
    SELECT u.*, (SELECT count(*) FROM unnest(u.numbers)) > $3 AS crowded FROM united AS u
)
INSERT INTO till_day AS d (day, till, numbers, crowded, clock_ms, last_at)
SELECT day, till, CASE WHEN crowded THEN former ELSE numbers END, crowded, clock_ms, last_at FROM bounded AS b
WHERE known OR place_in_line + (
    SELECT count(*) FROM till_day AS o WHERE o.day = b.day AND starts_with(o.till, split_part(b.till, '/', 1) || '/')
) <= $2
ON CONFLICT (day, till) DO UPDATE
SET numbers = excluded.numbers, crowded = d.crowded OR excluded.crowded,
    clock_ms = least(d.clock_ms, excluded.clock_ms), last_at = greatest(d.last_at, excluded.last_at)

-- forget_hours --
DELETE FROM source_hour WHERE hour < extract(epoch FROM now() - make_interval(days => $1)) / 3600

-- forget_names --
DELETE FROM unknown_name WHERE last_at < now() - make_interval(days => $1)

-- forget_tills --
DELETE FROM till_day WHERE day < current_date - $1::integer
