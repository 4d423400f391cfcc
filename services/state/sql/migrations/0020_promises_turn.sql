-- When a stored score becomes another one without any event: a promise falls due, or one that is overdue goes on.
ALTER TABLE person ADD COLUMN turns_at integer NOT NULL DEFAULT 0;  -- hours since 1970; 0: no promise is open
CREATE INDEX person_turns ON person (turns_at) WHERE turns_at > 0;
COMMENT ON COLUMN crm_customer_scores.as_of IS 'The hour that the scores are of: that of the customer''s last event, or a later one while a promise is overdue.';
