-- begin_following --
INSERT INTO feed_position (feed) VALUES ($1) ON CONFLICT DO NOTHING

-- hold_following --
-- Of the processes that would go on one does, for as long as its transaction lasts. A position of another life of the database
-- means nothing in this one.
SELECT CASE WHEN life = feed_life() THEN xact::text::bigint ELSE 0 END AS xact, CASE WHEN life = feed_life() THEN id ELSE 0 END AS id
FROM feed_position WHERE feed = $1
FOR UPDATE SKIP LOCKED

-- alerts_about --
-- The accounts are those of all identities of the person, by whoever acts for one of them.
SELECT a.id, a.incident, w.assigned_to,
    CASE WHEN a.account IS NOT NULL THEN ARRAY[a.account] ELSE ARRAY(
        SELECT DISTINCT c.account FROM identity AS i JOIN contact AS c ON c.identity = i.id
        WHERE i.person = coalesce(p.person, a.person)
        ORDER BY c.account
    ) END AS accounts
FROM alert AS a
LEFT JOIN identity AS p ON p.id = a.person
LEFT JOIN alert_work AS w ON w.alert = a.id
WHERE a.id = ANY($1::uuid[])

-- notifications_about --
-- Held, so that what was told is not marked between reading them and changing them.
SELECT route, about, kind, customer, severity, state, because, step, revision, told, unsure, record::text, due_at, since, created_at
FROM notification WHERE about = ANY($1::uuid[])
ORDER BY route, about
FOR UPDATE

-- recent_notifications --
SELECT route, customer, about, severity, created_at
FROM notification
WHERE customer = ANY($1::text[]) AND kind = 'alert' AND created_at > $2 AND state IN ('waiting', 'sent')

-- put_notifications --
INSERT INTO notification AS n
    (route, about, kind, customer, severity, state, because, step, revision, record, due_at, since, created_at)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::bigint[], $10::jsonb[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[])
ON CONFLICT (route, about) DO UPDATE SET
    severity = excluded.severity, state = excluded.state, because = excluded.because, step = excluded.step,
    revision = excluded.revision, record = excluded.record, due_at = excluded.due_at, since = excluded.since, attempts = 0
WHERE n.revision < excluded.revision

-- changed_incidents --
SELECT id, along, value, state, opened_at, changed_at, resolved_at, people, usual, worst::text
FROM incident WHERE changed_at > $1 ORDER BY changed_at, id LIMIT $2

-- notifications_in_incidents --
SELECT n.route, n.about, a.incident
FROM notification AS n JOIN alert AS a ON a.id = n.about
WHERE n.kind = 'alert' AND n.created_at > $1 AND n.state IN ('waiting', 'sent')
    AND n.step IN ('opened', 'worsened') AND a.incident IS NOT NULL
ORDER BY n.created_at
LIMIT $2

-- routes_due --
SELECT m.route
FROM unnest($1::text[], $2::text[]) AS m (route, fingerprint)
LEFT JOIN notification_route AS r ON r.route = m.route
WHERE (r.route IS NULL OR ((r.leased_until <= $4 OR r.holder = $3)
        AND (r.fingerprint <> m.fingerprint OR (r.off_because = '' AND r.not_before <= $4))))
    AND EXISTS (SELECT FROM notification AS n WHERE n.route = m.route AND n.state = 'waiting' AND n.due_at <= $4)

-- take_route --
-- Nothing comes back while another process has it, while it is to rest, or when somebody must mend it first.
INSERT INTO notification_route AS r (route, fingerprint, holder, leased_until) VALUES ($1, $2, $3, $5)
ON CONFLICT (route) DO UPDATE SET
    fingerprint = excluded.fingerprint, holder = excluded.holder, leased_until = excluded.leased_until,
    off_because = CASE WHEN r.fingerprint = excluded.fingerprint THEN r.off_because ELSE '' END,
    not_before = CASE WHEN r.fingerprint = excluded.fingerprint THEN r.not_before ELSE '-infinity' END,
    failures = CASE WHEN r.fingerprint = excluded.fingerprint THEN r.failures ELSE 0 END
WHERE (r.leased_until <= $4 OR r.holder = excluded.holder)
    AND (r.fingerprint <> excluded.fingerprint OR (r.off_because = '' AND r.not_before <= $4))
RETURNING failures

-- leave_route --
UPDATE notification_route SET leased_until = $3 WHERE route = $1 AND holder = $2

-- take_notifications --
-- That a try began is kept first: when nobody can tell how it ended, its end is told all the same.
WITH due AS (
    SELECT route, about, unsure FROM notification
    WHERE route = $1 AND state = 'waiting' AND due_at <= $2
    ORDER BY due_at, since, about
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE notification AS n SET unsure = true FROM due
    WHERE n.route = due.route AND n.about = due.about
    RETURNING n.about, n.kind, n.step, n.revision, n.record::text AS record, n.reference::text AS reference, n.attempts, n.since,
        n.due_at, due.unsure
)
SELECT * FROM taken ORDER BY due_at, since, about

-- mark_told --
-- What has changed since is told next.
UPDATE notification AS n SET
    told = m.revision, reference = $4::jsonb, unsure = false, attempts = 0,
    state = CASE WHEN n.revision = m.revision THEN 'sent' ELSE 'waiting' END,
    because = CASE WHEN n.revision = m.revision THEN '' ELSE n.because END,
    due_at = CASE WHEN n.revision = m.revision THEN n.due_at ELSE $5 END
FROM unnest($2::uuid[], $3::bigint[]) AS m (about, revision)
WHERE n.route = $1 AND n.about = m.about AND n.told < m.revision

-- mark_failed --
UPDATE notification AS n SET state = 'failed', because = $4, unsure = false
FROM unnest($2::uuid[], $3::bigint[]) AS m (about, revision)
WHERE n.route = $1 AND n.about = m.about AND n.revision = m.revision AND n.state = 'waiting'

-- mark_later --
UPDATE notification AS n SET because = $4, due_at = $5, attempts = n.attempts + 1, unsure = $6
FROM unnest($2::uuid[], $3::bigint[]) AS m (about, revision)
WHERE n.route = $1 AND n.about = m.about AND n.revision = m.revision AND n.state = 'waiting'

-- rest_route --
UPDATE notification_route SET not_before = $3, failures = $4, off_because = $5 WHERE route = $1 AND holder = $2

-- allow_route --
UPDATE notification_route SET not_before = '-infinity', failures = 0, off_because = '' WHERE route = $1

-- oldest_notifications --
SELECT route, extract(epoch FROM $1 - min(since))::double precision AS age_s
FROM notification WHERE state = 'waiting' AND since < $1 GROUP BY route

-- notification_figures --
SELECT n.route, n.state, count(*)::bigint AS n, min(n.since) AS oldest, max(n.because) AS because
FROM notification AS n WHERE n.created_at > $1 OR n.state = 'waiting'
GROUP BY n.route, n.state ORDER BY n.route, n.state

-- routes_off --
SELECT route, off_because FROM notification_route WHERE off_because <> '' ORDER BY route

-- forget_notifications --
DELETE FROM notification WHERE (route, about) IN (
    SELECT route, about FROM notification WHERE created_at < $1 LIMIT $2
)
