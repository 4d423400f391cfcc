-- An event is known by source and id alone for 30 days of log time; offsets without a record are counted apart.

ALTER TABLE partition_progress
    ADD COLUMN skipped bigint NOT NULL DEFAULT 0,
    ADD COLUMN last_offset bigint,
    ADD COLUMN last_mark bigint;

-- Known events keep their hash of body and time, so a retry of one of them may be called a conflict; it does not count.
DROP INDEX seen_event_client_time;
DROP INDEX seen_event_age;
ALTER TABLE seen_event DROP COLUMN client_time;
ALTER TABLE seen_event RENAME COLUMN seen_at TO logged_at;
-- PostgreSQL 18 names what is not null; older ones have no such constraint.
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'seen_event_seen_at_not_null') THEN
        ALTER TABLE seen_event RENAME CONSTRAINT seen_event_seen_at_not_null TO seen_event_logged_at_not_null;
    END IF;
END $$;
ALTER TABLE seen_event ALTER COLUMN logged_at DROP DEFAULT;
CREATE INDEX seen_event_age ON seen_event USING brin (logged_at);
INSERT INTO seen_event (key, body_hash, logged_at)
SELECT DISTINCT ON (key) key, body_hash, received_at FROM touchpoint_row
WHERE received_at > now() - interval '30 days' ORDER BY key, received_at
ON CONFLICT (key) DO NOTHING;
