-- sources_heard --
-- One row a source: the hours from $1 on as arrays, and the sums of those from $2 on.
SELECT s.source, s.first_at, s.last_at, h.hours, h.counts, h.live, h.late, h.rejected, h.timed, h.ahead, h.clock_ms
FROM (SELECT * FROM source_seen ORDER BY source LIMIT $3) AS s
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(hour), '{}') AS hours, coalesce(array_agg(live), '{}') AS counts,
        coalesce(sum(live) FILTER (WHERE hour >= $2), 0)::bigint AS live,
        coalesce(sum(late) FILTER (WHERE hour >= $2), 0)::bigint AS late,
        coalesce(sum(rejected) FILTER (WHERE hour >= $2), 0)::bigint AS rejected,
        coalesce(sum(timed) FILTER (WHERE hour >= $2), 0)::bigint AS timed,
        coalesce(sum(ahead) FILTER (WHERE hour >= $2), 0)::bigint AS ahead,
        min(clock_ms) FILTER (WHERE hour >= $2) AS clock_ms
    FROM source_hour WHERE source = s.source AND hour >= $1
) AS h
ORDER BY s.source

-- last_events --
SELECT source, last_at FROM source_seen WHERE last_at IS NOT NULL ORDER BY source LIMIT $1

-- unknown_names --
SELECT source, touchpoint, events, last_at FROM unknown_name ORDER BY events DESC, source, touchpoint

-- till_totals --
-- Of the business days of a week; a till's clock is that of its last day.
WITH days AS (
    SELECT split_part(till, '/', 1) AS source, till, day, clock_ms, crowded,
        upper(range_merge(numbers)) - lower(range_merge(numbers))
            - (SELECT sum(upper(run) - lower(run)) FROM unnest(numbers) AS run) AS missing,
        row_number() OVER (PARTITION BY till ORDER BY day DESC) AS age
    FROM till_day WHERE day > current_date - 7
)
SELECT source, count(DISTINCT till) AS tills, coalesce(sum(missing), 0)::bigint AS missing,
    (array_agg(clock_ms ORDER BY abs(clock_ms::bigint) DESC, till) FILTER (WHERE age = 1 AND clock_ms IS NOT NULL))[1] AS clock_ms
FROM days
GROUP BY source
ORDER BY source

-- till_troubles --
-- Days with holes, or with a clock that is wrong by more than $1; of the holes the first few.
WITH days AS (
    SELECT till, day, clock_ms, crowded, numbers,
        coalesce(
            upper(range_merge(numbers)) - lower(range_merge(numbers))
                - (SELECT sum(upper(run) - lower(run)) FROM unnest(numbers) AS run), 0
        ) AS missing,
        row_number() OVER (PARTITION BY till ORDER BY day DESC) AS age
    FROM till_day WHERE day > current_date - 7
), troubled AS (
    SELECT till, day, crowded, missing::bigint AS missing, numbers,
        CASE WHEN age = 1 AND abs(clock_ms::bigint) > $1 THEN clock_ms END AS clock_ms
    FROM days
)
SELECT till, day, missing, crowded, clock_ms,
    ARRAY(
        SELECT CASE WHEN upper(hole) - lower(hole) = 1 THEN lower(hole)::text ELSE lower(hole) || '–' || upper(hole) - 1 END
        FROM unnest(int8multirange(range_merge(numbers)) - numbers) AS hole
        ORDER BY lower(hole) LIMIT $3
    ) AS holes
FROM troubled
WHERE missing > 0 OR crowded OR clock_ms IS NOT NULL
ORDER BY missing DESC, day DESC, till
LIMIT $2

-- notes_waiting --
SELECT count(*) FROM (SELECT FROM source_note LIMIT $1) AS waiting

-- sources_of --
SELECT split_part(source, '/', 1) AS source, count(*) AS events
FROM (
    SELECT source FROM touchpoint_row
    WHERE identity = ANY($1::bigint[]) AND occurred_at >= $2
    ORDER BY occurred_at DESC LIMIT $3
) AS newest
GROUP BY 1
