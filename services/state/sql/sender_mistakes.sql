-- open_dead_letters --
-- Of the newest letters only, along the primary key: how much is read does not grow with what was ever kept.
SELECT origin, reason, count(*) AS letters,
    (array_agg(source ORDER BY id DESC) FILTER (WHERE source IS NOT NULL))[1] AS source
FROM (SELECT id, origin, reason, source, state FROM dead_letter ORDER BY id DESC LIMIT $1) AS newest
WHERE state = 'open'
GROUP BY origin, reason
ORDER BY letters DESC, origin, reason

-- undeclared_touchpoints --
-- Walks from name to name in the unique index of leaves: one look-up a name, however many places a name has.
WITH RECURSIVE seen (touchpoint, step) AS (
    (SELECT touchpoint, 1 FROM leaf ORDER BY touchpoint LIMIT 1)
    UNION ALL
    SELECT (SELECT l.touchpoint FROM leaf AS l WHERE l.touchpoint > s.touchpoint ORDER BY l.touchpoint LIMIT 1), s.step + 1
    FROM seen AS s
    WHERE s.touchpoint IS NOT NULL AND s.step < $2
)
SELECT touchpoint FROM seen
WHERE touchpoint IS NOT NULL AND touchpoint <> ALL($1::text[]) AND NOT starts_with(touchpoint, 'x.')
LIMIT $3
