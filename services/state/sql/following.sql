-- feed_database --
-- Which database this is: a server that took over from another one goes by a timeline of its own, and one that was filled
-- from a dump counts its transactions anew.
SELECT concat_ws('/', s.system_identifier, c.timeline_id, d.oid, 'score_change'::regclass::oid) AS name
FROM pg_control_system() AS s, pg_control_checkpoint() AS c, pg_database AS d
WHERE d.datname = current_database()

-- feed_tail --
-- The last row that is certain to have none before it that is not there yet.
SELECT xact::text::bigint AS xact, id, cardinality(persons) AS entry, at
FROM score_change
WHERE xact < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY score_change.xact DESC, id DESC
LIMIT 1

-- feed_holds --
SELECT EXISTS (
    SELECT FROM score_change
    WHERE xact = $1::text::xid8 AND id = $2 AND at = $3 AND xact < pg_snapshot_xmin(pg_current_snapshot())
)

-- feed_entries --
-- A row tells of all whom a transaction scored; a page may end in the middle of one.
SELECT s.xact::text::bigint AS xact, s.id, e.entry, s.at, s.version, e.person
FROM score_change AS s
CROSS JOIN LATERAL unnest(s.persons) WITH ORDINALITY AS e (person, entry)
WHERE (s.xact, s.id) >= ($1::text::xid8, $2) AND s.xact < pg_snapshot_xmin(pg_current_snapshot())
    AND (s.xact > $1::text::xid8 OR s.id > $2 OR e.entry > $3)
ORDER BY s.xact, s.id, e.entry
LIMIT $4

-- customers_of_persons --
-- A person that turned out to be another keeps its name, and the name's identity says whose it is.
SELECT p.id, name.value AS customer, p.version, m.version AS model_version, p.as_of,
    (coalesce(m.band_names, '{unknown,critical,low,fair,good,great}'))[p.band + 1] AS band, p.score, p.confidence, p.se,
    p.score_24h, p.confidence_24h, p.score_7d, p.confidence_7d, p.score_30d, p.confidence_30d, p.score_90d, p.confidence_90d,
    target.value AS merged_into
FROM person_score AS p
JOIN identity AS name ON name.id = p.id
LEFT JOIN model AS m ON m.id = p.model
LEFT JOIN identity AS target ON target.id = name.person AND p.merged_into IS NOT NULL
WHERE p.id = ANY($1::bigint[])

-- persons_ahead --
-- How far a page may look: an index by score would have to be kept up to date with every event.
SELECT max(id) AS last, count(*) AS looked_at
FROM (SELECT id FROM person WHERE id > $1 ORDER BY id LIMIT $2) AS ahead

-- persons_listed --
SELECT id FROM person_score
WHERE id > $1 AND id <= $2 AND merged_into IS NULL AND ($3::smallint IS NULL OR band = $3)
    AND ($4::double precision IS NULL OR score < $4)
ORDER BY id
LIMIT $5
