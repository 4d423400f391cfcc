-- read_felt --
-- What persons' events made felt, of those that had been received by a moment: their tallies as they were then. All are
-- numbers and times put in by the caller: COPY takes no parameters.
SELECT i.person, r.occurred_at, r.leaf, r.v, r.q
FROM identity AS i
JOIN touchpoint_row AS r ON r.identity = i.id
WHERE i.person = ANY($1) AND r.occurred_at >= $2 AND r.occurred_at < $3 AND r.received_at < $4
LIMIT $5
