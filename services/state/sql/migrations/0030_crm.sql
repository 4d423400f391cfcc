-- What each CRM system was told of whom, what it said, and what is to be told next.
CREATE TABLE crm_connector (
    name text COLLATE "C" PRIMARY KEY,
    holder text,                                 -- the process that speaks to it, alone
    held_until timestamptz NOT NULL DEFAULT '-infinity',
    filled bigint NOT NULL DEFAULT 0,            -- persons up to this number have their record
    filled_at timestamptz,                       -- when everybody had one
    paused_until timestamptz,                    -- as the system asked
    trouble text,                                -- what it says of all records, not of one
    trouble_since timestamptz,
    burst_level double precision NOT NULL DEFAULT 0,  -- calls that are not paid back yet
    burst_at timestamptz NOT NULL DEFAULT '-infinity'
);

-- Calls of each hour: a day is the last 24 of them, and a restart forgets none.
CREATE TABLE crm_call (
    connector text COLLATE "C" NOT NULL,
    hour bigint NOT NULL,
    calls bigint NOT NULL,
    PRIMARY KEY (connector, hour)
);

CREATE TABLE crm_record (
    connector text COLLATE "C" NOT NULL,
    person bigint NOT NULL,
    key text COLLATE "C" NOT NULL,               -- by which the system finds the record; never an address
    identity_hash bytea NOT NULL,                -- by which somebody who asked to be forgotten is found
    wish text NOT NULL CHECK (wish IN ('score', 'merged', 'erased')),
    merged_into text COLLATE "C",
    version bigint NOT NULL,                     -- from here on as the score stands
    score double precision NOT NULL,
    band smallint NOT NULL,
    rank smallint NOT NULL,                      -- 0 who must be known no more, 1 another band, 2 whatever else
    due_at timestamptz,                          -- null: the system knows all of it
    waits_since timestamptz,
    state text NOT NULL CHECK (state IN ('waiting', 'sent', 'absent', 'failed')),
    words text,                                  -- the last that the system said of it
    answered_at timestamptz,
    tries integer NOT NULL DEFAULT 0,
    remote text,                                 -- the system's own number of the record
    sent_at timestamptz,                         -- from here on as it was told last
    sent_version bigint,
    sent_score double precision,
    sent_band smallint,
    sent jsonb,
    PRIMARY KEY (connector, person)
);
CREATE INDEX crm_record_due ON crm_record (connector, rank, waits_since) WHERE due_at IS NOT NULL;
CREATE INDEX crm_record_hash ON crm_record (identity_hash);
CREATE INDEX crm_record_state ON crm_record (connector, state);

-- Tasks for people, one an alert.
CREATE TABLE crm_task (
    connector text COLLATE "C" NOT NULL,
    alert uuid NOT NULL,
    customer text COLLATE "C" NOT NULL,
    subject text NOT NULL,
    description text NOT NULL,
    due_at timestamptz,                          -- null: the system has it, or will not take it
    tries integer NOT NULL DEFAULT 0,
    state text NOT NULL CHECK (state IN ('waiting', 'sent', 'absent', 'failed')),
    words text,
    answered_at timestamptz,
    PRIMARY KEY (connector, alert)
);
CREATE INDEX crm_task_due ON crm_task (connector, due_at) WHERE due_at IS NOT NULL;
