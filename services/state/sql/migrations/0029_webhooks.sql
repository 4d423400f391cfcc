-- Webhooks: who is told, by which secrets, and every delivery. Nothing has written the tables of these names so far.
DROP TABLE webhook_delivery, webhook_endpoint;

CREATE TABLE webhook_endpoint (
    id uuid PRIMARY KEY,
    url text NOT NULL,
    description text NOT NULL,
    kinds text[] NOT NULL,                       -- what it is told; none: everything
    bands text[] NOT NULL,                       -- of scores that it is told; none: all
    severities text[] NOT NULL,                  -- of alerts that it is told; none: all
    state text NOT NULL CHECK (state IN ('enabled', 'disabled')),
    reason text NOT NULL DEFAULT '',             -- why it is disabled: asked | gone | failing
    made_at timestamptz NOT NULL,
    failures integer NOT NULL DEFAULT 0,         -- attempts in a row
    failing_since timestamptz,
    resting_until timestamptz                    -- nothing is sent to it before then
);

-- Written by whoever answers its owner, who sees it once; read by who signs.
CREATE TABLE webhook_secret (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    endpoint uuid NOT NULL REFERENCES webhook_endpoint (id) ON DELETE CASCADE,
    secret text NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz                       -- null: until another takes its place
);
CREATE INDEX webhook_secret_endpoint ON webhook_secret (endpoint);

CREATE TABLE webhook_delivery (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    endpoint uuid NOT NULL REFERENCES webhook_endpoint (id) ON DELETE CASCADE,
    message text COLLATE "C" NOT NULL,           -- its id, the same at every attempt
    kind text NOT NULL,
    subject text COLLATE "C" NOT NULL,           -- of whom or what it tells
    body text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed', 'superseded')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    leased_until timestamptz,                    -- somebody is sending it, or died over it
    at timestamptz NOT NULL,
    tried_at timestamptz,
    outcome text,                                -- of the last attempt, as all behind it
    status integer,
    answer text,
    UNIQUE (endpoint, message)
);
CREATE INDEX webhook_delivery_newest ON webhook_delivery (endpoint, id);
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint, next_at) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_leased ON webhook_delivery (endpoint) WHERE leased_until IS NOT NULL;
CREATE INDEX webhook_delivery_subject ON webhook_delivery (endpoint, subject) WHERE state = 'waiting';

-- Who did what to an endpoint, and when; also of those that are gone.
CREATE TABLE webhook_change (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    endpoint uuid NOT NULL,
    at timestamptz NOT NULL,
    by text NOT NULL,                            -- the name of the key; outbound: the process that sends
    what text NOT NULL                           -- made | changed | rotated | enabled | disabled | removed | gone | failing
);
CREATE INDEX webhook_change_endpoint ON webhook_change (endpoint, id);
