-- Drops become alerts, and whoever follows scores and alerts reads them in the order in which they became certain: a row is
-- read once every transaction before its own has ended. Nothing has written these tables so far.
DROP TABLE score_change, webhook_delivery, outbox, alert;

-- Which scores a transaction wrote; a row a transaction, its arrays in step.
CREATE TABLE score_change (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT now(),
    version bigint NOT NULL,
    model smallint NOT NULL,
    persons bigint[] NOT NULL,
    scores double precision[] NOT NULL,
    confidences double precision[] NOT NULL,
    bands smallint[] NOT NULL
);
CREATE INDEX score_change_order ON score_change (xact, id);

-- Steps of alerts and incidents, as they go to whoever follows them.
CREATE TABLE outbox (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    topic text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    value bytea,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_order ON outbox (xact, id);

-- How far each follower of ours is: everything up to this row is dealt with.
CREATE TABLE feed_position (
    feed text COLLATE "C" PRIMARY KEY,
    xact xid8 NOT NULL DEFAULT '0',
    id bigint NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT now()
);

-- Many people who share a place, a touchpoint or a channel, and whose scores fell within an hour.
CREATE TABLE incident (
    id uuid PRIMARY KEY,
    along text NOT NULL CHECK (along IN ('place', 'touchpoint', 'channel')),
    value text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'resolved')),
    opened_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    resolved_at timestamptz,
    people integer NOT NULL,
    usual double precision NOT NULL,             -- people in the same hour of a day, the median of a week
    worst jsonb NOT NULL                         -- the ten whose scores fell furthest
);
CREATE UNIQUE INDEX incident_open ON incident (along, value) WHERE state = 'open';

-- What a rule says of a score. Only workers write it, but for the incident that it belongs to.
CREATE TABLE alert (
    id uuid PRIMARY KEY,
    rule text NOT NULL,                          -- drop | bad_answer | overdue
    person bigint,                               -- whose score fell; null: an account's
    account text COLLATE "C",
    severity text NOT NULL CHECK (severity IN ('warning', 'critical')),
    state text NOT NULL CHECK (state IN ('open', 'closed', 'withdrawn')),
    opened_at timestamptz NOT NULL,              -- by the log's time, as all of these
    changed_at timestamptz NOT NULL,
    closed_at timestamptz,
    score_before double precision NOT NULL,
    score double precision NOT NULL,
    tipped_source text COLLATE "C",              -- the event that tipped it; null: a promise did
    tipped_event text COLLATE "C",
    promise text COLLATE "C",                    -- kind and key of the promise that is overdue
    reasons jsonb NOT NULL,                      -- as schemas.alert.AlertReason, the weightiest first
    remembered jsonb NOT NULL DEFAULT '{}',      -- what the rule needs to close it
    incident uuid REFERENCES incident (id),
    CHECK ((person IS NULL) <> (account IS NULL))
);
CREATE INDEX alert_person ON alert (person, opened_at);
CREATE INDEX alert_account ON alert (account, opened_at) WHERE account IS NOT NULL;
CREATE INDEX alert_opened ON alert (opened_at, id);
CREATE INDEX alert_open ON alert (person) WHERE state = 'open';

-- What people do about an alert; without a row nobody has looked at it.
CREATE TABLE alert_work (
    alert uuid PRIMARY KEY REFERENCES alert (id) ON DELETE CASCADE,
    revision integer NOT NULL,                   -- rises with every change
    assigned_to text,
    due_at timestamptz,
    snoozed_until timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    done_at timestamptz,
    done_by text,
    outcome text CHECK (outcome IN ('real', 'false', 'known')),
    CHECK ((done_at IS NULL) = (outcome IS NULL))
);

-- Who did what about an alert, and when.
CREATE TABLE alert_work_change (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    alert uuid NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    by text NOT NULL,                            -- the name of the key
    what text NOT NULL,                          -- acknowledged | assigned | due | noted | snoozed | done | reopened
    detail text NOT NULL DEFAULT ''
);
CREATE INDEX alert_work_change_alert ON alert_work_change (alert, id);

CREATE TABLE webhook_delivery (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    endpoint uuid NOT NULL REFERENCES webhook_endpoint (id),
    outbox bigint NOT NULL,
    attempt integer NOT NULL,
    outcome text NOT NULL,
    status integer,
    at timestamptz NOT NULL DEFAULT now()
);
