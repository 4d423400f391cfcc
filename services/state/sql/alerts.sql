-- alerts_of_identities --
-- An alert keeps the person it was opened for, also when that person became part of another.
SELECT a.id, a.rule, a.severity, a.state, a.opened_at, a.changed_at, a.closed_at, w.snoozed_until, a.score_before, a.score
FROM alert AS a LEFT JOIN alert_work AS w ON w.alert = a.id
WHERE a.person = ANY($1::bigint[]) AND a.opened_at <= $2
ORDER BY a.opened_at DESC, a.id
LIMIT $3
