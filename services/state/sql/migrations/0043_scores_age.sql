-- A stored score ages: silence moves it. Workers walk over all people and read anew whose score is old, and followers are told of those
-- that moved since they were told.
ALTER TABLE person
    ADD COLUMN told double precision,            -- the score that followers were told of last; null: none
    ADD COLUMN told_band smallint;

-- How far the walk is: one row, one worker at a time.
CREATE TABLE score_walk (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    hour integer NOT NULL DEFAULT 0,             -- at which it began
    model smallint,                              -- that was in use then
    cursor bigint NOT NULL DEFAULT 0,            -- persons up to this one are looked at
    ended_at timestamptz DEFAULT now(),          -- null: under way
    oldest_met integer,                          -- hour of the oldest score that it has left behind so far
    oldest integer                               -- and of the one that the last whole walk left behind
);

COMMENT ON COLUMN crm_customer_scores.as_of IS 'The hour that the scores are of: that of the customer''s last event, or a later one at which they were read anew; a day ago at most.';
