-- How far the walks are that remove what nobody reads any more: one row a subject, one worker at a time.
CREATE TABLE retention (
    subject text PRIMARY KEY,
    page bigint NOT NULL DEFAULT 0,              -- pages of the table before this one are done in the present walk
    removed bigint NOT NULL DEFAULT 0,           -- rows, in all walks
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz                         -- of the last walk that came to the end
);

-- Months whose every event is past all readings: 400 days that a score remembers, and a month in which a past one is read.
CREATE FUNCTION old_months() RETURNS TABLE (name text, first date) LANGUAGE sql STABLE AS $$
    SELECT c.relname::text, to_date(right(c.relname, 7), 'YYYY_MM')
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'touchpoint_row'::regclass AND c.relname ~ '^touchpoint_\d{4}_\d{2}$'
        AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= (now() - interval '431 days') AT TIME ZONE 'UTC'
    ORDER BY 2
$$;

-- Only the owner of a table may drop it, and a worker may remove no event that is read: it asks these functions.
CREATE FUNCTION drop_old_months() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    old record;
    held bigint;
    removed bigint := 0;
BEGIN
    FOR old IN SELECT name FROM old_months() LOOP
        EXECUTE format('SELECT count(*) FROM %I', old.name) INTO held;
        EXECUTE format('DROP TABLE %I', old.name);
        removed := removed + held;
    END LOOP;
    RETURN removed;
END
$$;

CREATE FUNCTION forget_strays(lower bigint, upper bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    removed bigint;
BEGIN
    DELETE FROM touchpoint_other
    WHERE ctid >= format('(%s,0)', lower)::tid AND ctid < format('(%s,0)', upper)::tid
        AND occurred_at <= now() - interval '431 days';
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END
$$;

DO $$
DECLARE
    one text;
BEGIN
    FOREACH one IN ARRAY ARRAY['old_months()', 'drop_old_months()', 'forget_strays(bigint, bigint)'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', one, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', one);
    END LOOP;
END
$$;
