-- Off unless a model says what is at stake: what others lived through at a place then reaches whoever orders there.
ALTER TABLE model ADD COLUMN place_past double precision NOT NULL DEFAULT 0;

-- Orders that name their place and wait for what is heard of it: a row lives from the order's chunk until the opinion is in
-- the log. What it says is written down before it is sent, so that it is the same however often it is sent.
CREATE TABLE place_past (
    key uuid PRIMARY KEY,                        -- of the opinion's source and id
    event_id text NOT NULL,
    identity bigint NOT NULL,
    place text NOT NULL,
    occurred_at timestamptz NOT NULL,
    stake double precision NOT NULL,
    sentiment double precision,                  -- null: not known yet
    confidence double precision,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    CHECK ((sentiment IS NULL) = (confidence IS NULL))
);
CREATE INDEX place_past_leased ON place_past (leased_until, key);
