-- A change that is sent again under its key is made once, and alerts are found by their incident.
ALTER TABLE alert_work_change ADD COLUMN idempotency_key text COLLATE "C";
CREATE UNIQUE INDEX alert_work_change_once ON alert_work_change (alert, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX alert_incident ON alert (incident) WHERE incident IS NOT NULL;
-- How many people were told of last, and when: what grows is told now and then.
ALTER TABLE incident ADD COLUMN told_people integer NOT NULL DEFAULT 0, ADD COLUMN told_at timestamptz;
CREATE INDEX incident_opened ON incident (opened_at, id);
