-- What each route has told people of an alert or an incident, and what it is still to tell.
CREATE TABLE notification (
    route text COLLATE "C" NOT NULL,
    about uuid NOT NULL,                         -- the alert or the incident
    kind text NOT NULL CHECK (kind IN ('alert', 'incident')),
    customer text COLLATE "C" NOT NULL,          -- or the account; empty for an incident
    severity text NOT NULL CHECK (severity IN ('warning', 'critical')),
    state text NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'suppressed')),
    because text NOT NULL DEFAULT '',            -- why it waits, failed or was suppressed
    step text NOT NULL,                          -- what is to be told, or was told last
    revision bigint NOT NULL,                    -- of what is to be told; rises with every step
    told bigint NOT NULL DEFAULT 0,              -- the last that was told; 0: nothing
    unsure boolean NOT NULL DEFAULT false,       -- a try began and nobody knows how it ended
    record jsonb NOT NULL,                       -- what is to be told
    reference jsonb NOT NULL DEFAULT '{}',       -- by what the sink knows what was opened
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,                 -- of the next try
    since timestamptz NOT NULL,                  -- when the first try was due
    created_at timestamptz NOT NULL,
    PRIMARY KEY (route, about)
);
CREATE INDEX notification_waiting ON notification (route, due_at) WHERE state = 'waiting';
CREATE INDEX notification_customer ON notification (customer, created_at) WHERE kind = 'alert';
CREATE INDEX notification_about ON notification (about);
CREATE INDEX notification_created ON notification (created_at);

-- Which process sends along a route, and whether it may be used.
CREATE TABLE notification_route (
    route text COLLATE "C" PRIMARY KEY,
    fingerprint text NOT NULL,                   -- of its row and its secret: a mended one is tried again
    holder uuid NOT NULL,
    leased_until timestamptz NOT NULL,
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    failures integer NOT NULL DEFAULT 0,         -- in a row
    off_because text NOT NULL DEFAULT ''         -- what an operator must mend; empty: nothing
);
