-- Whose alerts are to be looked at says the person's row, which every chunk locks: nobody else's are asked for.
ALTER TABLE person ADD COLUMN alert_until integer NOT NULL DEFAULT 0;
-- Open alerts are looked at once a day even when nothing happens.
ALTER TABLE alert ADD COLUMN looked integer NOT NULL DEFAULT 0;
CREATE INDEX alert_to_look_at ON alert (looked, id) WHERE state = 'open';
