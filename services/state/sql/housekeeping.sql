-- months --
SELECT to_char(month, 'YYYY_MM') AS name, month::date::text AS lower, (month + interval '1 month')::date::text AS upper
FROM generate_series(
    date_trunc('month', now() - interval '14 months'), date_trunc('month', now() + interval '2 months'), '1 month'
) AS month
WHERE to_regclass('touchpoint_' || to_char(month, 'YYYY_MM')) IS NULL

-- forget_seen --
DELETE FROM seen_event WHERE seen_at < now() - interval '30 days'
