-- alert_figures --
-- Of alerts opened since then, by rule: how many, what people said of them, and how long the first look took.
SELECT a.rule, count(*)::integer AS opened,
    (count(*) FILTER (WHERE a.severity = 'critical'))::integer AS critical,
    (count(*) FILTER (WHERE w.outcome = 'real'))::integer AS real,
    (count(*) FILTER (WHERE w.outcome = 'false'))::integer AS false,
    (count(*) FILTER (WHERE w.outcome = 'known'))::integer AS known,
    count(w.acknowledged_at)::integer AS acknowledged,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(extract(epoch FROM w.acknowledged_at - a.opened_at)::double precision, 0))
        AS acknowledge_s
FROM alert AS a
LEFT JOIN alert_work AS w ON w.alert = a.id
WHERE a.opened_at >= $1 AND a.state <> 'withdrawn'
GROUP BY a.rule
ORDER BY a.rule

-- active_persons --
-- To whom anything happened since then.
SELECT count(DISTINCT i.person) FROM tally_row AS t JOIN identity AS i ON i.id = t.identity WHERE t.hour >= $1

-- oldest_alert --
SELECT min(opened_at) FROM alert WHERE state <> 'withdrawn'

-- alerts_before --
-- The newest alert of each of these persons within so many days before a moment of theirs, by their place.
SELECT o.place - 1 AS place, max(a.opened_at) AS opened_at
FROM unnest($1::bigint[], $2::timestamptz[]) WITH ORDINALITY AS o (person, at, place)
JOIN identity AS i ON i.person = o.person
JOIN alert AS a ON a.person = i.id AND a.opened_at < o.at AND a.opened_at >= o.at - make_interval(days => $3)
WHERE a.state <> 'withdrawn'
GROUP BY o.place
