-- note_contacts --
-- Under the lock of the identity's person: no other transaction writes these rows.
INSERT INTO contact AS c (account, identity, since)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::timestamptz[])
ON CONFLICT (account, identity) DO UPDATE SET since = excluded.since WHERE excluded.since < c.since

-- note_roles --
INSERT INTO contact_role AS r (account, identity, hour, occurred_at, source, event_id, role)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::timestamptz[], $5::text[], $6::text[], $7::smallint[])
ON CONFLICT (account, identity, hour) DO UPDATE
SET occurred_at = excluded.occurred_at, source = excluded.source, event_id = excluded.event_id, role = excluded.role
WHERE (excluded.occurred_at, excluded.source, excluded.event_id) > (r.occurred_at, r.source, r.event_id)

-- contacts_of_account --
-- Of an identity that has named many accounts, only the first of them have it; those are the same whatever comes later.
WITH member AS (
    SELECT c.identity, c.since, i.person
    FROM contact AS c
    JOIN identity AS i ON i.id = c.identity
    WHERE c.account = $1 AND c.since < $3 AND (
        SELECT count(*) FROM contact AS o
        WHERE o.identity = c.identity AND (o.since, o.account) < (c.since, c.account)
    ) < $5
), said AS (
    SELECT DISTINCT ON (m.person) m.person, r.role
    FROM member AS m
    JOIN contact_role AS r ON r.account = $1 AND r.identity = m.identity AND r.hour <= $2
    ORDER BY m.person, r.occurred_at DESC, r.source DESC, r.event_id DESC
), people AS (
    SELECT person, min(since) AS since FROM member GROUP BY person
)
SELECT p.person, n.value AS customer, coalesce(s.role, 0) AS role, p.since, count(*) OVER () AS every
FROM people AS p
JOIN identity AS n ON n.id = p.person
LEFT JOIN said AS s ON s.person = p.person
ORDER BY p.since, n.value
LIMIT $4

-- account_known --
SELECT EXISTS (SELECT FROM contact WHERE account = $1)

-- identities_of_persons --
SELECT id, value, person FROM identity WHERE person = ANY($1::bigint[])
