-- What is kept of events beside their tallies: promises stated, kept and ended, facts that count once, harms of a case.
-- A row a fact; nothing here is ever merged, so it does not matter in which order they came.
CREATE TABLE fact (
    identity bigint NOT NULL,
    occurred_us bigint NOT NULL,                 -- microseconds since 1970
    due_us bigint,                               -- what waiting is counted from; null: nothing says
    received_hour integer NOT NULL,              -- hours since 1970
    leaf integer NOT NULL,
    v integer NOT NULL,                          -- micro-units
    q integer NOT NULL,                          -- micro-units, whatever the event's tally got
    role smallint NOT NULL,                      -- 0 states, 1 keeps, 2 ends, 3 tells, 4 harms
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,               -- what it is about: order/1001, case/C-7; or the part's own name
    part text COLLATE "C" NOT NULL,              -- parcel/…, line/…, refund/…; empty: the whole
    source text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL
);
CREATE INDEX fact_identity ON fact (identity);
CREATE INDEX fact_key ON fact (key) WHERE role < 3;
CREATE INDEX fact_part ON fact (part) WHERE role < 3 AND part <> '' AND part <> key;

-- What facts of several persons are found by. Its rows are the locks of all facts that have the name: who writes one sees
-- all of them, so two workers cannot miss each other.
CREATE TABLE fact_name (
    name text COLLATE "C" PRIMARY KEY,
    facts integer NOT NULL,                      -- how many there ever were: what too many share says nothing about anybody
    latest_us bigint NOT NULL                    -- the latest instant of one of them, since 1970
) WITH (fillfactor = 80);
