-- add_partitions --
-- A partition starts where the log does; whoever comes second changes nothing.
INSERT INTO partition_progress (topic, part, next, start)
SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $3::bigint[])
ON CONFLICT (topic, part) DO NOTHING

-- own_partitions --
-- A raised epoch fences every other worker out, in the same row that its transactions update first.
UPDATE partition_progress AS p
SET epoch = p.epoch + 1, owner = $3
FROM (
    SELECT q.topic, q.part FROM partition_progress AS q
    JOIN unnest($1::text[], $2::int[]) AS w (topic, part) ON w.topic = q.topic AND w.part = q.part
    ORDER BY q.topic, q.part FOR UPDATE OF q
) AS mine
WHERE p.topic = mine.topic AND p.part = mine.part
RETURNING p.topic, p.part, p.next, p.epoch, p.last_offset, p.last_mark

-- end_blockers --
-- Only those of our own role: nobody may end the owner's sessions, and asking for it would be an error.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid = ANY(pg_blocking_pids($1)) AND pg_has_role(usesysid, 'MEMBER')

-- note_lost --
UPDATE partition_progress SET lost = lost_accepted + $3 WHERE topic = $1 AND part = $2

-- accept_lost --
-- The operator's word: go on behind the records that retention removed, or from the start of another log.
-- The gap is measured here again: retention may have gone on since a worker noted it.
UPDATE partition_progress
SET next = $3, epoch = epoch + 1, last_offset = NULL, last_mark = NULL,
    lost = lost_accepted + CASE WHEN $5 THEN 0 ELSE GREATEST($3 - next, 0) END,
    lost_accepted = lost_accepted + CASE WHEN $5 THEN 0 ELSE GREATEST($3 - next, 0) END,
    -- Another log starts a new count; what was counted of the former one stays in the columns.
    start = CASE
        WHEN next > $4 OR $5
        THEN $3 - (applied + duplicate + conflict + dead + erased + skipped + lost_accepted)
        ELSE start
    END
WHERE topic = $1 AND part = $2 AND (next < $3 OR next > $4 OR $5)
RETURNING lost

-- progress --
SELECT next, epoch, last_offset, last_mark FROM partition_progress WHERE topic = $1 AND part = $2

-- fence --
UPDATE partition_progress
SET next = $5, applied = applied + $6, duplicate = duplicate + $7, conflict = conflict + $8, dead = dead + $9,
    skipped = skipped + $10, last_offset = coalesce($11, last_offset), last_mark = coalesce($12, last_mark),
    moved_at = now()
WHERE topic = $1 AND part = $2 AND next = $3 AND epoch = $4

-- recount --
-- Within the fenced transaction: what looked new, or like a duplicate, was something else.
UPDATE partition_progress SET applied = applied - $3 - $4, duplicate = duplicate + $3, conflict = conflict + $4
WHERE topic = $1 AND part = $2

-- event_counts --
-- How many records the positions have passed, then what became of them.
SELECT coalesce(sum(next - start - lost_accepted - skipped), 0)::bigint,
    coalesce(sum(applied), 0)::bigint, coalesce(sum(duplicate), 0)::bigint, coalesce(sum(conflict), 0)::bigint,
    coalesce(sum(dead), 0)::bigint, coalesce(sum(erased), 0)::bigint
FROM partition_progress
WHERE topic = ANY($1::text[])

-- partitions --
-- Every partition as the doctor looks at it: where it stands, what became of its records, since when it stands still.
SELECT topic, part, next, start, lost, lost_accepted, skipped, last_offset, last_mark, applied, duplicate, conflict, dead, erased,
    extract(epoch FROM now() - moved_at)::float8 AS still_s
FROM partition_progress ORDER BY topic, part
