-- Only the owner of a table may attach a partition; a worker that owns nothing asks this function to do it.
CREATE FUNCTION make_month(month date) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    part text := 'touchpoint_' || to_char(month, 'YYYY_MM');
    lower text := to_char(month, 'YYYY-MM-DD') || ' 00:00+00';
    upper text := to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00+00';
    moved bigint;
BEGIN
    IF extract(day FROM month) <> 1 OR month NOT BETWEEN now() - interval '16 months' AND now() + interval '3 months' THEN
        RAISE EXCEPTION 'months begin on a first, and are made from 14 before to 2 after the present one';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE touchpoint_row INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
    EXECUTE format(
        'WITH gone AS (DELETE FROM touchpoint_other WHERE occurred_at >= %L AND occurred_at < %L RETURNING *)'
        ' INSERT INTO %I SELECT * FROM gone',
        lower, upper, part
    );
    GET DIAGNOSTICS moved = ROW_COUNT;
    EXECUTE format('ALTER TABLE touchpoint_row ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, lower, upper);
    RETURN moved;
END
$$;

-- Whoever calls it brings no tables of its own under these names.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION make_month(date) SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE ALL ON FUNCTION make_month(date) FROM PUBLIC;
