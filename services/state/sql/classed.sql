-- classed_events --
-- Of the newest events only, along the primary key; a body is read where nothing was scored.
WITH newest AS (
    SELECT q, body FROM touchpoint_row
    WHERE occurred_at >= now() - make_interval(secs => $1)
    ORDER BY occurred_at DESC
    LIMIT $2
), classed AS (
    SELECT coalesce(body::json ->> 'classed', body::json -> 'data' ->> 'class') AS class FROM newest WHERE q = 0
)
SELECT class, count(*) AS events FROM classed WHERE class <> 'none' GROUP BY class
UNION ALL
SELECT '', count(*) FROM newest
