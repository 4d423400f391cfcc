-- rebuild_status --
SELECT id, judged_by, begun_at, cursor, events, total, changed, refused, moved_at, built_at, ended_at, outcome
FROM rebuild ORDER BY id DESC LIMIT 1

-- rebuild_still --
SELECT extract(epoch FROM clock_timestamp() - moved_at)::float8 FROM rebuild WHERE ended_at IS NULL

-- rebuild_under_way --
SELECT EXISTS (SELECT FROM rebuild WHERE ended_at IS NULL)

-- one_rebuild --
SELECT pg_try_advisory_lock(7241005521)

-- begin_rebuild --
INSERT INTO rebuild (judged_by, total)
SELECT $1, coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'touchpoint_row'::regclass

-- make_shadow --
-- Without its key at first: whole hours are written, and each row once. The triggers wait for whoever is writing: what came
-- before them is seen by whoever reads, and what comes after them is traced.
CREATE TABLE tally_shadow (LIKE tally_row INCLUDING DEFAULTS INCLUDING COMMENTS) WITH (fillfactor = 80);
CREATE TABLE fact_shadow (LIKE fact INCLUDING DEFAULTS INCLUDING COMMENTS);
CREATE TABLE fact_name_shadow (LIKE fact_name INCLUDING DEFAULTS INCLUDING COMMENTS) WITH (fillfactor = 80);
ALTER TABLE fact_name_shadow ADD CONSTRAINT fact_name_shadow_pkey PRIMARY KEY (name);
CREATE TABLE rebuild_trace (occurred_at timestamptz NOT NULL, key uuid NOT NULL);
CREATE INDEX rebuild_trace_time ON rebuild_trace (occurred_at);
CREATE TABLE rebuild_change (
    occurred_at timestamptz NOT NULL, key uuid NOT NULL, leaf integer NOT NULL, v integer NOT NULL, q integer NOT NULL
);
CREATE TABLE rebuild_body (occurred_at timestamptz NOT NULL, key uuid NOT NULL, body text COLLATE "C" NOT NULL);
CREATE FUNCTION trace_rebuild() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO rebuild_trace SELECT occurred_at, key FROM fresh;
    RETURN NULL;
END
$$;
CREATE FUNCTION guard_rebuild() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('tactus.rebuild', true) IS DISTINCT FROM 'swaps' THEN
        RAISE EXCEPTION 'a rebuild is under way: let `tactus rebuild` finish it, or give it up by `tactus rebuild drop`';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER trace_rebuild AFTER INSERT ON touchpoint_row REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION trace_rebuild();
CREATE TRIGGER guard_rebuild BEFORE UPDATE OR DELETE ON touchpoint_row
    FOR EACH STATEMENT EXECUTE FUNCTION guard_rebuild()

-- drop_shadow --
DROP TRIGGER IF EXISTS trace_rebuild ON touchpoint_row;
DROP TRIGGER IF EXISTS guard_rebuild ON touchpoint_row;
DROP FUNCTION IF EXISTS trace_rebuild();
DROP FUNCTION IF EXISTS guard_rebuild();
DROP TABLE IF EXISTS rebuild_trace, rebuild_change, rebuild_body, tally_shadow, fact_shadow, fact_name_shadow

-- reach --
-- When the event happened that stands so many places behind an hour's beginning.
SELECT occurred_at FROM touchpoint_row WHERE occurred_at >= $1 ORDER BY occurred_at OFFSET $2 LIMIT 1

-- events_to_judge --
SELECT count(*) FROM touchpoint_row WHERE occurred_at >= $1 AND occurred_at < $2

-- forget_trace --
DELETE FROM rebuild_trace WHERE occurred_at >= $1 AND occurred_at < $2

-- traced --
SELECT count(*) FROM rebuild_trace

-- make_caught --
CREATE TEMP TABLE IF NOT EXISTS caught (occurred_at timestamptz NOT NULL, key uuid NOT NULL);
TRUNCATE caught

-- catch --
WITH taken AS (
    DELETE FROM rebuild_trace WHERE ctid = ANY (ARRAY(SELECT ctid FROM rebuild_trace LIMIT $1)) RETURNING occurred_at, key
)
INSERT INTO caught SELECT occurred_at, key FROM taken

-- rows_within --
-- Where the rows of a portion stand; the words are put in by the caller.
touchpoint_row AS r WHERE r.occurred_at >= '$since' AND r.occurred_at < '$until' AND r.identity % $parts = $part

-- rows_caught --
caught AS c JOIN touchpoint_row AS r ON r.occurred_at = c.occurred_at AND r.key = c.key

-- columns_of_rows --
SELECT r.occurred_at, r.key, r.identity, r.leaf, r.v, r.q FROM $rows ORDER BY r.occurred_at, r.key

-- bodies_of_rows --
SELECT '[' || coalesce(string_agg(body, ','), '') || ']'
FROM (SELECT r.body FROM $rows ORDER BY r.occurred_at, r.key) AS ordered

-- add_shadow --
INSERT INTO tally_shadow AS t (identity, leaf, hour, n, q, pos, neg, pos2, neg2, best, worst)
SELECT identity, leaf, hour, n, q, pos, neg, pos2, neg2, best, worst FROM incoming_shadow
ON CONFLICT (identity, leaf, hour) DO UPDATE
SET n = t.n + excluded.n, q = t.q + excluded.q, pos = t.pos + excluded.pos, neg = t.neg + excluded.neg,
    pos2 = t.pos2 + excluded.pos2, neg2 = t.neg2 + excluded.neg2,
    best = GREATEST(t.best, excluded.best), worst = GREATEST(t.worst, excluded.worst)

-- add_shadow_names --
INSERT INTO fact_name_shadow AS n (name, facts, latest_us)
SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS i (name, facts, latest_us)
ON CONFLICT (name) DO UPDATE SET facts = n.facts + excluded.facts, latest_us = GREATEST(n.latest_us, excluded.latest_us)

-- make_incoming_shadow --
CREATE TEMP TABLE IF NOT EXISTS incoming_shadow (LIKE tally_row);
TRUNCATE incoming_shadow

-- move_rebuild --
UPDATE rebuild
SET cursor = GREATEST(cursor, $1), events = events + $2, changed = changed + $3, refused = refused + $4, moved_at = now()
WHERE ended_at IS NULL

-- finish_shadow --
ALTER TABLE tally_shadow ADD CONSTRAINT tally_shadow_pkey PRIMARY KEY (identity, leaf, hour);
CREATE INDEX fact_shadow_identity ON fact_shadow (identity);
CREATE INDEX fact_shadow_key ON fact_shadow (key) WHERE role < 3;
CREATE INDEX fact_shadow_part ON fact_shadow (part) WHERE role < 3 AND part <> '' AND part <> key;
ANALYZE tally_shadow, fact_shadow, fact_name_shadow;
UPDATE rebuild SET built_at = now(), moved_at = now() WHERE ended_at IS NULL

-- compare_shadow --
SELECT count(*) AS sums, count(DISTINCT i.person) AS persons
FROM tally_row AS o
FULL JOIN tally_shadow AS s USING (identity, leaf, hour)
LEFT JOIN identity AS i ON i.id = identity
WHERE hour > $1 AND (o.n, o.q, o.pos, o.neg, o.pos2, o.neg2, o.best, o.worst)
    IS DISTINCT FROM (s.n, s.q, s.pos, s.neg, s.pos2, s.neg2, s.best, s.worst)

-- compare_events --
-- What each side holds of the hours after one, with what is traced and not yet judged.
SELECT (SELECT coalesce(sum(n), 0) FROM tally_row WHERE hour > $1)::bigint AS before,
    (SELECT coalesce(sum(n), 0) FROM tally_shadow WHERE hour > $1)::bigint
    + (SELECT count(*) FROM rebuild_trace WHERE occurred_at >= to_timestamp(($1::bigint + 1) * 3600)) AS after

-- compare_facts --
SELECT (SELECT count(*) FROM fact) AS before, (SELECT count(*) FROM fact_shadow) AS after

-- compare_touchpoints --
SELECT l.touchpoint, count(*) AS events, avg(r.v::float8 * r.q) / 1e12 AS before, avg(c.v::float8 * c.q) / 1e12 AS after
FROM rebuild_change AS c
JOIN touchpoint_row AS r ON r.occurred_at = c.occurred_at AND r.key = c.key
JOIN leaf AS l ON l.id = c.leaf
GROUP BY l.touchpoint ORDER BY count(*) DESC, l.touchpoint LIMIT $1

-- analyze_changes --
ANALYZE rebuild_change, rebuild_body

-- begin_swap --
SELECT set_config('tactus.rebuild', 'swaps', true)

-- apply_changes --
WITH c AS (DELETE FROM rebuild_change RETURNING *)
UPDATE touchpoint_row AS r SET leaf = c.leaf, v = c.v, q = c.q FROM c WHERE r.occurred_at = c.occurred_at AND r.key = c.key

-- apply_bodies --
WITH c AS (DELETE FROM rebuild_body RETURNING *)
UPDATE touchpoint_row AS r SET body = c.body FROM c WHERE r.occurred_at = c.occurred_at AND r.key = c.key

-- wait_briefly --
-- Whoever writes or reads waits behind us for as long: the next attempt may have more luck.
SET LOCAL lock_timeout = '2s'

-- hold_events --
LOCK TABLE touchpoint_row IN SHARE ROW EXCLUSIVE MODE

-- hold_tallies --
LOCK TABLE tally_row, fact, fact_name IN ACCESS EXCLUSIVE MODE

-- swap_leavings --
-- Of each table that events leave something in. Views name a table by its number, and rights stand on it: both go over to the
-- one that takes its name.
DO $$
DECLARE
    tables CONSTANT text[] := ARRAY['tally_row', 'fact', 'fact_name'];
    shadows CONSTANT text[] := ARRAY['tally_shadow', 'fact_shadow', 'fact_name_shadow'];
    one record;
    views text[];
BEGIN
    FOR place IN 1 .. array_length(tables, 1) LOOP
        views := '{}';
        FOR one IN
            SELECT DISTINCT v.oid::regclass AS name, pg_get_viewdef(v.oid) AS definition
            FROM pg_depend AS d JOIN pg_rewrite AS w ON w.oid = d.objid JOIN pg_class AS v ON v.oid = w.ev_class
            WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = tables[place]::regclass AND v.relkind = 'v'
        LOOP
            views := views || format('CREATE OR REPLACE VIEW %s AS %s', one.name, one.definition);
        END LOOP;
        FOR one IN
            SELECT format('GRANT %s ON %I TO %s', a.privilege_type, shadows[place],
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) AS statement
            FROM pg_class AS c, aclexplode(c.relacl) AS a
            WHERE c.oid = tables[place]::regclass AND a.grantee <> c.relowner
        LOOP
            EXECUTE one.statement;
        END LOOP;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', tables[place], tables[place] || '_retired');
        EXECUTE format('ALTER TABLE %I RENAME TO %I', shadows[place], tables[place]);
        FOR i IN 1 .. coalesce(array_length(views, 1), 0) LOOP
            EXECUTE views[i];
        END LOOP;
        EXECUTE format('DROP TABLE %I', tables[place] || '_retired');
        FOR one IN
            SELECT c.relname AS name FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
            WHERE i.indrelid = tables[place]::regclass
        LOOP
            EXECUTE format('ALTER INDEX %I RENAME TO %I', one.name, replace(one.name, shadows[place], tables[place]));
        END LOOP;
    END LOOP;
END
$$

-- refill --
-- The stored scores are written anew into the other set, as if their own model took over.
WITH pointed AS (
    UPDATE model_in_use SET tallies = tallies + 1, filling = active RETURNING active
)
INSERT INTO activation (model) SELECT active FROM pointed

-- mark_all_accounts --
INSERT INTO account_mark (account) SELECT DISTINCT account FROM account_score

-- give_up_census --
-- It has summed up some people by what was read before.
UPDATE census SET ended_at = clock_timestamp(), outcome = 'replaced' WHERE ended_at IS NULL

-- end_rebuild --
UPDATE rebuild SET ended_at = now(), moved_at = now(), outcome = $1 WHERE ended_at IS NULL

-- room_for_shadow --
SELECT pg_total_relation_size('tally_row') AS bytes, pg_size_pretty(pg_total_relation_size('tally_row')) AS words

-- owns_tables --
SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'touchpoint_row'::regclass
