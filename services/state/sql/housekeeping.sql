-- months --
SELECT to_char(month, 'YYYY_MM') AS name, month::date AS first
FROM generate_series(
    date_trunc('month', now() - interval '14 months'), date_trunc('month', now() + interval '2 months'), '1 month'
) AS month
WHERE to_regclass('touchpoint_' || to_char(month, 'YYYY_MM')) IS NULL

-- make_month --
SELECT make_month($1)

-- forget_seen --
-- In portions, so that no transaction is long. The log keeps 30 days, so what it may replay is known for 30 days more.
DELETE FROM seen_event
WHERE ctid = ANY (ARRAY(SELECT ctid FROM seen_event WHERE logged_at < now() - interval '62 days' LIMIT $1))

-- chores_left --
-- What a round of an hour ago would have done: the month that is and the next one, and ids a day past their time.
SELECT
    ARRAY(
        SELECT to_char(month, 'YYYY-MM')
        FROM generate_series(date_trunc('month', now()), date_trunc('month', now() + interval '1 month'), '1 month') AS month
        WHERE to_regclass('touchpoint_' || to_char(month, 'YYYY_MM')) IS NULL
    ) AS months,
    EXISTS (SELECT FROM seen_event WHERE logged_at < now() - interval '63 days') AS ids
