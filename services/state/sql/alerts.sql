-- alerts_of_identities --
-- An alert keeps the person it was opened for, also when that person became part of another.
SELECT id, rule, severity, state, opened_at, changed_at, closed_at, snoozed_until, score_before, score
FROM alert
WHERE person = ANY($1::bigint[]) AND opened_at <= $2
ORDER BY opened_at DESC, id
LIMIT $3
