-- What a chunk noted of its sources, appended in its own transaction; one worker at a time folds it into the tables below.
CREATE TABLE source_note (
    note json NOT NULL
);

-- Each source that was heard of: its name is what stands before the first slash. Nulls: all that came was rejected.
CREATE TABLE source_seen (
    source text COLLATE "C" PRIMARY KEY,
    first_at timestamptz,
    last_at timestamptz
);

-- What a source brought in an hour of the log's time, in integers that merge.
CREATE TABLE source_hour (
    source text COLLATE "C" NOT NULL,
    hour integer NOT NULL,
    live bigint NOT NULL,
    late bigint NOT NULL,                        -- by the topic for events older than a day
    rejected bigint NOT NULL,
    timed bigint NOT NULL,                       -- of the events: how many said when they were sent
    ahead bigint NOT NULL,                       -- of these: by a clock that is surely ahead
    clock_ms integer,                            -- the least that lay between sending and arriving
    PRIMARY KEY (source, hour)
);

-- Touchpoints that a source sent and nobody declared.
CREATE TABLE unknown_name (
    source text COLLATE "C" NOT NULL,
    touchpoint text COLLATE "C" NOT NULL,
    events bigint NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (source, touchpoint)
);

-- The numbers that a till has used on a business day.
CREATE TABLE till_day (
    day date NOT NULL,
    till text COLLATE "C" NOT NULL,              -- source/store/till
    numbers int8multirange NOT NULL,
    crowded boolean NOT NULL DEFAULT false,      -- its numbers jump about: not all of them are kept
    clock_ms integer,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (day, till)
);
