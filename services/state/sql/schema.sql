-- The whole schema as the migrations leave it; a test proves that they do.
-- Compact tables carry integers; the views carry the public names and the readable values.

-- Where each partition stands. The fence of every chunk's transaction, and the counts of the conservation law.
CREATE TABLE partition_progress (
    topic text COLLATE "C" NOT NULL,
    part integer NOT NULL,
    next bigint NOT NULL,
    epoch bigint NOT NULL DEFAULT 0,
    applied bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    conflict bigint NOT NULL DEFAULT 0,
    dead bigint NOT NULL DEFAULT 0,
    erased bigint NOT NULL DEFAULT 0,
    start bigint NOT NULL,                       -- the log's first offset when the partition was first owned
    lost bigint NOT NULL DEFAULT 0,              -- records that retention removed before they were read
    lost_accepted bigint NOT NULL DEFAULT 0,     -- of these, what an operator has accepted
    owner text NOT NULL DEFAULT '',
    moved_at timestamptz NOT NULL DEFAULT now(),
    skipped bigint NOT NULL DEFAULT 0,           -- offsets that hold no record: markers, compacted or aborted records
    last_offset bigint,                          -- the last record that was dealt with, and by what it is known again
    last_mark bigint,
    PRIMARY KEY (topic, part)
) WITH (fillfactor = 10);

CREATE SEQUENCE identity_id;
CREATE TABLE identity (
    id bigint PRIMARY KEY DEFAULT nextval('identity_id'),
    value text COLLATE "C" NOT NULL UNIQUE,      -- kind:value
    person bigint NOT NULL,                      -- the identity that names the person this one belongs to
    crowd smallint NOT NULL DEFAULT 9            -- from which level on its links do not count; 9: they all do
);
CREATE INDEX identity_person ON identity (person);
CREATE INDEX identity_crowd ON identity (crowd) WHERE crowd < 9;

-- One row a person, keyed by the identity that names it: the lock, the merge pointer and the materialised score, of
-- which there are two sets: model_in_use says which one is read.
CREATE SEQUENCE score_version;
CREATE TABLE person (
    id bigint PRIMARY KEY,
    merged_into bigint,
    model smallint NOT NULL DEFAULT 0,
    band smallint NOT NULL DEFAULT 0,
    as_of integer NOT NULL DEFAULT 0,            -- the hour the score was read at
    version bigint NOT NULL DEFAULT 0,           -- from score_version, taken under this row's lock
    score double precision NOT NULL DEFAULT 50,
    confidence double precision NOT NULL DEFAULT 0,
    se double precision NOT NULL DEFAULT 25,
    score_24h double precision NOT NULL DEFAULT 50,
    confidence_24h double precision NOT NULL DEFAULT 0,
    score_7d double precision NOT NULL DEFAULT 50,
    confidence_7d double precision NOT NULL DEFAULT 0,
    score_30d double precision NOT NULL DEFAULT 50,
    confidence_30d double precision NOT NULL DEFAULT 0,
    score_90d double precision NOT NULL DEFAULT 50,
    confidence_90d double precision NOT NULL DEFAULT 0,
    version_a bigint,                            -- of the first set of scores; null: that of the row
    version_b bigint,                            -- from here on the second set: all null until a second model is written
    model_b smallint,
    band_b smallint,
    as_of_b integer,
    score_b double precision,
    confidence_b double precision,
    se_b double precision,
    score_24h_b double precision,
    confidence_24h_b double precision,
    score_7d_b double precision,
    confidence_7d_b double precision,
    score_30d_b double precision,
    confidence_30d_b double precision,
    score_90d_b double precision,
    confidence_90d_b double precision,
    turns_at integer NOT NULL DEFAULT 0,         -- the hour from which a promise makes it another score; 0: none is open
    alert_until integer NOT NULL DEFAULT 0,      -- the hour up to which its alerts are looked at whenever it is touched
    told double precision,                       -- the score that followers were told of last; null: none
    told_band smallint
) WITH (fillfactor = 70);
CREATE INDEX person_turns ON person (turns_at) WHERE turns_at > 0;

CREATE TABLE model (
    id smallint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    version text NOT NULL UNIQUE,
    first_used_at timestamptz NOT NULL DEFAULT now(),
    lambda double precision,                     -- what the model weighs by
    beta double precision,
    kappa double precision,
    prior double precision,
    cap double precision,
    weight_undeclared double precision,
    used_at timestamptz,
    half_life_days double precision,
    name text,                                   -- as its file calls it; null: a catalogue's own
    document text,                               -- the file, whole
    calibration_scores double precision[],       -- knots from a score to the probability of a bad outcome
    calibration_risks double precision[],
    factor_decision_maker double precision NOT NULL DEFAULT 3,  -- by what a contact's role multiplies in its account
    factor_champion double precision NOT NULL DEFAULT 2,
    factor_user double precision NOT NULL DEFAULT 1,
    band_names text[] NOT NULL DEFAULT '{unknown,critical,low,fair,good,great}',  -- the first of whoever is not known
    band_starts double precision[] NOT NULL DEFAULT '{25,40,60,80}',  -- of the third and each later one
    place_past double precision NOT NULL DEFAULT 0  -- the stake of what whoever orders at a place hears of it; 0: nothing
);

CREATE TABLE model_weight (
    model smallint NOT NULL REFERENCES model (id),
    touchpoint text COLLATE "C" NOT NULL,
    weight double precision NOT NULL,
    good_scale double precision NOT NULL DEFAULT 1,  -- by what its valence is multiplied, on either side
    bad_scale double precision NOT NULL DEFAULT 1,
    PRIMARY KEY (model, touchpoint)
);

-- One row, which everybody who scores reads in the same transaction. A model that takes over is written into the other
-- set of person's scores, by `activation`; live work writes both sets meanwhile.
CREATE TABLE model_in_use (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    active smallint NOT NULL REFERENCES model (id),
    slot smallint NOT NULL CHECK (slot IN (0, 1)),  -- in which set its scores stand
    filling smallint REFERENCES model (id),      -- whose scores are being written into the other one
    tallies integer NOT NULL DEFAULT 0,          -- which are read, by the number of swaps: whoever remembers others forgets them
    filled integer NOT NULL DEFAULT 0            -- of which tallies the scores that are in use were read
);

-- Each time that a model took over or was to; at most one is under way.
CREATE TABLE activation (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    model smallint NOT NULL REFERENCES model (id),
    begun_at timestamptz NOT NULL DEFAULT now(),
    horizon xid8,                                -- transactions before it may not know of this yet
    last bigint,                                 -- the last person who was there once they all ended
    cursor bigint NOT NULL DEFAULT 0,            -- persons up to this one are written
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    moved_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('active', 'replaced')),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX activation_under_way ON activation ((true)) WHERE ended_at IS NULL;

-- Sums over all people, by what they have lived through: taken one after another beside the work, and read when whole. At
-- most one is under way.
CREATE TABLE census (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    hour integer NOT NULL,                       -- with which the period ends that is summed up
    model smallint NOT NULL REFERENCES model (id),
    last bigint NOT NULL,                        -- the last person who was there when it began
    cursor bigint NOT NULL DEFAULT 0,            -- persons up to this one are counted
    persons bigint NOT NULL DEFAULT 0,
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('whole', 'replaced')),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX census_under_way ON census ((true)) WHERE ended_at IS NULL;

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

-- Integers that merge by adding: scores and points in millionths. They name places and touchpoints, and nobody.
CREATE TABLE census_sum (
    census bigint NOT NULL REFERENCES census (id),
    scope text COLLATE "C" NOT NULL,             -- empty: everyone; else what is before the colon says of what it is
    along text COLLATE "C" NOT NULL,             -- everything | driver | stage_channel | touchpoint | control
    value text COLLATE "C" NOT NULL,
    customers bigint NOT NULL,                   -- who was touched in the period
    events bigint NOT NULL,
    scores bigint NOT NULL,                      -- the sum of the scores that they give to it
    lost bigint NOT NULL,
    won bigint NOT NULL,
    customers_before bigint NOT NULL,            -- the same of the period before
    events_before bigint NOT NULL,
    scores_before bigint NOT NULL,
    lost_before bigint NOT NULL,
    won_before bigint NOT NULL,
    PRIMARY KEY (census, along, scope, value)
) WITH (fillfactor = 70);

CREATE TABLE leaf (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    touchpoint text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    place text COLLATE "C" NOT NULL,
    UNIQUE (touchpoint, channel, place)
);

-- How many leaves each source has brought that nobody declared; what is there already counts for nobody.
CREATE TABLE name_budget (
    source text COLLATE "C" PRIMARY KEY,         -- the source's name: what stands before the first slash
    brought integer NOT NULL DEFAULT 0
);

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

-- Every event, whole. Unique (time, key), time first: the insert is the dedup, and the hot part of the index is small.
CREATE TABLE touchpoint_row (
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    key uuid NOT NULL,                           -- 128-bit hash of source and id
    identity bigint NOT NULL,
    body_hash bigint NOT NULL,                   -- of the data that the client sent, not of its times
    leaf integer NOT NULL,
    v integer NOT NULL,                          -- valence, micro-units
    q integer NOT NULL,                          -- stake, micro-units
    source text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,              -- the event as it stands in the log
    PRIMARY KEY (occurred_at, key)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX touchpoint_row_identity ON touchpoint_row (identity, occurred_at);
CREATE TABLE touchpoint_other PARTITION OF touchpoint_row DEFAULT;

-- Only the owner of a table may attach a partition; a worker that owns nothing asks this function to do it.
CREATE FUNCTION make_month(month date) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    part text := 'touchpoint_' || to_char(month, 'YYYY_MM');
    lower text := to_char(month, 'YYYY-MM-DD') || ' 00:00+00';
    upper text := to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00+00';
    moved bigint;
BEGIN
    IF extract(day FROM month) <> 1 OR month NOT BETWEEN now() - interval '16 months' AND now() + interval '3 months' THEN
        RAISE EXCEPTION 'months begin on a first, and are made from 14 before to 2 after the present one';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE touchpoint_row INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
    EXECUTE format(
        'WITH gone AS (DELETE FROM touchpoint_other WHERE occurred_at >= %L AND occurred_at < %L RETURNING *)'
        ' INSERT INTO %I SELECT * FROM gone',
        lower, upper, part
    );
    GET DIAGNOSTICS moved = ROW_COUNT;
    EXECUTE format('ALTER TABLE touchpoint_row ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, lower, upper);
    RETURN moved;
END
$$;

-- Whoever calls it brings no tables of its own under these names.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION make_month(date) SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE ALL ON FUNCTION make_month(date) FROM PUBLIC;

-- Each time that what is stored was judged anew; at most one is under way. What it works with is made when it begins.
CREATE TABLE rebuild (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    judged_by text NOT NULL,                     -- hash of the catalogue and of the rules on classes that judge
    begun_at timestamptz NOT NULL DEFAULT now(),
    cursor integer NOT NULL DEFAULT 0,           -- events before this hour are judged
    events bigint NOT NULL DEFAULT 0,            -- that are judged
    total bigint NOT NULL,                       -- as many there were at the beginning, about
    changed bigint NOT NULL DEFAULT 0,           -- judged in another way than they are stored
    refused bigint NOT NULL DEFAULT 0,           -- that today's catalogue would not take: they count with a stake of 0
    moved_at timestamptz NOT NULL DEFAULT now(),
    built_at timestamptz,                        -- when everything was judged but what came meanwhile
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('swapped', 'dropped')),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX rebuild_under_way ON rebuild ((true)) WHERE ended_at IS NULL;

-- How far the walks are that remove what nobody reads any more: one row a subject, one worker at a time.
CREATE TABLE retention (
    subject text PRIMARY KEY,
    page bigint NOT NULL DEFAULT 0,              -- pages of the table before this one are done in the present walk
    removed bigint NOT NULL DEFAULT 0,           -- rows, in all walks
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz                         -- of the last walk that came to the end
);

-- How far the walk is that reads old scores anew: one row, one worker at a time.
CREATE TABLE score_walk (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    hour integer NOT NULL DEFAULT 0,             -- at which it began
    model smallint,                              -- that was in use then
    cursor bigint NOT NULL DEFAULT 0,            -- persons up to this one are looked at
    ended_at timestamptz DEFAULT now(),          -- null: under way
    oldest_met integer,                          -- hour of the oldest score that it has left behind so far
    oldest integer                               -- and of the one that the last whole walk left behind
);

-- Months whose every event is past all readings: 400 days that a score remembers, and a month in which a past one is read.
CREATE FUNCTION old_months() RETURNS TABLE (name text, first date) LANGUAGE sql STABLE AS $$
    SELECT c.relname::text, to_date(right(c.relname, 7), 'YYYY_MM')
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'touchpoint_row'::regclass AND c.relname ~ '^touchpoint_\d{4}_\d{2}$'
        AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= (now() - interval '431 days') AT TIME ZONE 'UTC'
    ORDER BY 2
$$;

-- Only the owner of a table may drop it, and a worker may remove no event that is read: it asks these functions.
CREATE FUNCTION drop_old_months() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    old record;
    held bigint;
    removed bigint := 0;
BEGIN
    FOR old IN SELECT name FROM old_months() LOOP
        EXECUTE format('SELECT count(*) FROM %I', old.name) INTO held;
        EXECUTE format('DROP TABLE %I', old.name);
        removed := removed + held;
    END LOOP;
    RETURN removed;
END
$$;

CREATE FUNCTION forget_strays(lower bigint, upper bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    removed bigint;
BEGIN
    DELETE FROM touchpoint_other
    WHERE ctid >= format('(%s,0)', lower)::tid AND ctid < format('(%s,0)', upper)::tid
        AND occurred_at <= now() - interval '431 days';
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END
$$;

DO $$
DECLARE
    one text;
BEGIN
    FOREACH one IN ARRAY ARRAY['old_months()', 'drop_old_months()', 'forget_strays(bigint, bigint)'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', one, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', one);
    END LOOP;
END
$$;

-- Every event is recognised here by source and id alone, whatever its time, for 30 days of log time.
CREATE TABLE seen_event (
    key uuid PRIMARY KEY,
    body_hash bigint NOT NULL,
    logged_at timestamptz NOT NULL               -- when the log took the record that counted
);
CREATE INDEX seen_event_age ON seen_event USING brin (logged_at);

CREATE TABLE tally_row (
    identity bigint NOT NULL,
    leaf integer NOT NULL,
    hour integer NOT NULL,
    n integer NOT NULL,
    q bigint NOT NULL,
    pos bigint NOT NULL,
    neg bigint NOT NULL,
    pos2 bigint NOT NULL,
    neg2 bigint NOT NULL,
    best integer NOT NULL,
    worst integer NOT NULL,
    PRIMARY KEY (identity, leaf, hour)
) WITH (fillfactor = 80);

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

-- Which identities an event named together. The row kept of a source (the key's part of it) is the best by
-- (level, time, id), so order cannot matter. Of a claim, which is a link of a customer with another identity, a is the
-- customer. An alias joins two customers, and is a link of the best level.
CREATE TABLE link (
    a bigint NOT NULL,
    b bigint NOT NULL,
    source text COLLATE "C" NOT NULL,
    alias boolean NOT NULL DEFAULT false,
    claim boolean NOT NULL,
    level smallint NOT NULL,                     -- three times the trust of its key, and its weak ends; of an alias -1
    occurred_at timestamptz NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    event_key bytea NOT NULL,                    -- 128-bit hash of the event's whole source and id
    PRIMARY KEY (a, b, source, alias),
    CHECK (a <> b)
);
CREATE INDEX link_peer_a ON link (a, level) WHERE NOT claim;
CREATE INDEX link_peer_b ON link (b, level) WHERE NOT claim;
CREATE INDEX link_claim_of ON link (b, level, occurred_at, event_id, event_key) WHERE claim;
CREATE INDEX link_claimed_by ON link (a, level, occurred_at, event_id, event_key) WHERE claim;

-- Which identities have acted for a company, and the first time of each: persons are found by identity when it is read.
CREATE TABLE contact (
    account text COLLATE "C" NOT NULL,
    identity bigint NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (account, identity)
);
CREATE INDEX contact_of ON contact (identity, since, account);

-- The last role that was said of a contact in each hour, by (time, source, id): so order cannot matter.
CREATE TABLE contact_role (
    account text COLLATE "C" NOT NULL,
    identity bigint NOT NULL,
    hour integer NOT NULL,
    occurred_at timestamptz NOT NULL,
    source text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    role smallint NOT NULL,                      -- 0 user, 1 champion, 2 decision maker
    PRIMARY KEY (account, identity, hour)
);

-- Accounts that are to be read anew, appended by chunks; one worker at a time takes them and writes their scores.
CREATE TABLE account_mark (
    account text COLLATE "C" NOT NULL
);

CREATE TABLE account_score (
    account text COLLATE "C" NOT NULL,
    model smallint NOT NULL REFERENCES model (id),
    version bigint NOT NULL,
    as_of integer NOT NULL,
    band smallint NOT NULL,
    score double precision NOT NULL,
    confidence double precision NOT NULL,
    se double precision NOT NULL,
    score_24h double precision NOT NULL,
    score_7d double precision NOT NULL,
    score_30d double precision NOT NULL,
    score_90d double precision NOT NULL,
    contacts integer NOT NULL,
    worst bigint,
    worst_score double precision,
    PRIMARY KEY (account, model)
);
CREATE INDEX account_score_worst_first ON account_score (model, score, account);

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
    moved_at timestamptz NOT NULL DEFAULT now(),
    life text COLLATE "C" NOT NULL DEFAULT '',   -- of the database: in a restored one transactions are numbered anew
    holder uuid,                                 -- the process that follows this feed into a topic
    held_until timestamptz
);

-- Which life of a database this is: a server that was made anew has another identifier, a database that was restored beside
-- the former one another number.
CREATE FUNCTION feed_life() RETURNS text
LANGUAGE sql STABLE
RETURN (
    SELECT concat_ws('/', c.system_identifier, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
    FROM pg_control_system() AS c
);

-- Everybody's score is told once more, person after person: nothing else tells of what changed without an event.
CREATE TABLE announcement (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    why text NOT NULL,                           -- first | restored | model
    begun_at timestamptz NOT NULL DEFAULT now(),
    cursor bigint NOT NULL DEFAULT 0,            -- the last person that was told
    ended_at timestamptz
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
    worst jsonb NOT NULL,                        -- the ten whose scores fell furthest
    told_people integer NOT NULL DEFAULT 0,      -- of whom the last record told
    told_at timestamptz
);
CREATE UNIQUE INDEX incident_open ON incident (along, value) WHERE state = 'open';
CREATE INDEX incident_opened ON incident (opened_at, id);

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
    looked integer NOT NULL DEFAULT 0,           -- the hour at which its rule was last asked whether it closes
    CHECK ((person IS NULL) <> (account IS NULL))
);
CREATE INDEX alert_person ON alert (person, opened_at);
CREATE INDEX alert_account ON alert (account, opened_at) WHERE account IS NOT NULL;
CREATE INDEX alert_opened ON alert (opened_at, id);
CREATE INDEX alert_open ON alert (person) WHERE state = 'open';
CREATE INDEX alert_incident ON alert (incident) WHERE incident IS NOT NULL;
CREATE INDEX alert_to_look_at ON alert (looked, id) WHERE state = 'open';

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
    detail text NOT NULL DEFAULT '',
    idempotency_key text COLLATE "C"             -- a change that is sent again under it is made once
);
CREATE INDEX alert_work_change_alert ON alert_work_change (alert, id);
CREATE UNIQUE INDEX alert_work_change_once ON alert_work_change (alert, idempotency_key) WHERE idempotency_key IS NOT NULL;

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

CREATE TABLE dead_letter (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    origin text NOT NULL,                        -- ingest | aggregator
    reason text NOT NULL,
    detail text NOT NULL,
    topic text COLLATE "C" NOT NULL,
    part integer NOT NULL,
    log_offset bigint NOT NULL,
    source text COLLATE "C",
    event_id text COLLATE "C",
    key bytea,
    value bytea,
    headers jsonb NOT NULL DEFAULT '[]',
    at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'open',          -- open | replayed | discarded
    UNIQUE (topic, part, log_offset)
);

-- What was done about a dead letter, by whom and with which outcome; whoever removes a letter removes this too.
CREATE TABLE dead_letter_change (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    letter bigint NOT NULL REFERENCES dead_letter (id) ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    by text NOT NULL,                            -- the name of the key
    outcome text NOT NULL,                       -- accepted | duplicate | conflict | rejected | discarded
    detail text NOT NULL
);
CREATE INDEX dead_letter_change_letter ON dead_letter_change (letter, id);

-- Who asked to be forgotten, as a keyed hash: live work and rebuilds both look here.
CREATE TABLE erased (
    identity_hash bytea PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW touchpoint AS
SELECT r.source, r.event_id, i.value AS identity, l.touchpoint, l.channel, l.place, r.occurred_at, r.received_at,
    r.v / 1e6::double precision AS valence, r.q / 1e6::double precision AS stake, r.body::json AS body, r.key
FROM touchpoint_row AS r
JOIN identity AS i ON i.id = r.identity
JOIN leaf AS l ON l.id = r.leaf;

CREATE VIEW tally AS
SELECT i.value AS identity, l.touchpoint, l.channel, l.place, t.hour,
    t.n, t.q, t.pos, t.neg, t.pos2, t.neg2, t.best, t.worst
FROM tally_row AS t
JOIN identity AS i ON i.id = t.identity
JOIN leaf AS l ON l.id = t.leaf;

-- The set that is read, of each person. Not a branch for each set: no condition would reach into them, and every person would be
-- read for one.
CREATE VIEW person_score AS
SELECT p.id, p.merged_into,
    CASE s.slot WHEN 0 THEN coalesce(p.version_a, p.version) ELSE p.version_b END AS version,
    CASE s.slot WHEN 0 THEN p.model ELSE p.model_b END AS model,
    CASE s.slot WHEN 0 THEN p.band ELSE p.band_b END AS band,
    CASE s.slot WHEN 0 THEN p.as_of ELSE p.as_of_b END AS as_of,
    CASE s.slot WHEN 0 THEN p.score ELSE p.score_b END AS score,
    CASE s.slot WHEN 0 THEN p.confidence ELSE p.confidence_b END AS confidence,
    CASE s.slot WHEN 0 THEN p.se ELSE p.se_b END AS se,
    CASE s.slot WHEN 0 THEN p.score_24h ELSE p.score_24h_b END AS score_24h,
    CASE s.slot WHEN 0 THEN p.confidence_24h ELSE p.confidence_24h_b END AS confidence_24h,
    CASE s.slot WHEN 0 THEN p.score_7d ELSE p.score_7d_b END AS score_7d,
    CASE s.slot WHEN 0 THEN p.confidence_7d ELSE p.confidence_7d_b END AS confidence_7d,
    CASE s.slot WHEN 0 THEN p.score_30d ELSE p.score_30d_b END AS score_30d,
    CASE s.slot WHEN 0 THEN p.confidence_30d ELSE p.confidence_30d_b END AS confidence_30d,
    CASE s.slot WHEN 0 THEN p.score_90d ELSE p.score_90d_b END AS score_90d,
    CASE s.slot WHEN 0 THEN p.confidence_90d ELSE p.confidence_90d_b END AS confidence_90d
FROM person AS p
CROSS JOIN (SELECT coalesce((SELECT slot FROM model_in_use), 0) AS slot) AS s
WHERE p.version > 0;

CREATE VIEW customer_score AS
SELECT i.value AS person_id, p.score, p.confidence, p.se,
    (coalesce(m.band_names, '{unknown,critical,low,fair,good,great}'))[p.band + 1] AS band,
    p.version, m.version AS model_version, to_timestamp(p.as_of * 3600::double precision) AS as_of,
    p.score_24h, p.confidence_24h, p.score_7d, p.confidence_7d,
    p.score_30d, p.confidence_30d, p.score_90d, p.confidence_90d
FROM person_score AS p
JOIN identity AS i ON i.id = p.id
LEFT JOIN model AS m ON m.id = p.model
WHERE p.merged_into IS NULL;

CREATE VIEW crm_customer_scores AS
SELECT person_id AS customer, score, confidence, band, score_24h, score_7d, score_30d, score_90d, as_of, version
FROM customer_score;

CREATE VIEW crm_account_scores AS
SELECT s.account, s.score, s.confidence,
    (coalesce(m.band_names, '{unknown,critical,low,fair,good,great}'))[s.band + 1] AS band,
    s.contacts, n.value AS worst_key_contact, s.worst_score AS worst_key_contact_score,
    s.score_24h, s.score_7d, s.score_30d, s.score_90d, to_timestamp(s.as_of * 3600::double precision) AS as_of, s.version
FROM account_score AS s
LEFT JOIN identity AS n ON n.id = s.worst
LEFT JOIN model AS m ON m.id = s.model
WHERE s.model = (SELECT active FROM model_in_use);

CREATE VIEW score_changes AS
SELECT s.xact AS turn, s.id AS change, s.at, i.value AS customer, s.version, e.score, e.confidence,
    (coalesce(m.band_names, '{unknown,critical,low,fair,good,great}'))[e.band + 1] AS band, m.version AS model_version,
    CASE WHEN i.person <> i.id THEN t.value END AS merged_into
FROM score_change AS s
CROSS JOIN LATERAL unnest(s.persons, s.scores, s.confidences, s.bands) AS e (person, score, confidence, band)
JOIN identity AS i ON i.id = e.person
JOIN identity AS t ON t.id = i.person
LEFT JOIN model AS m ON m.id = s.model
WHERE s.xact < pg_snapshot_xmin(pg_current_snapshot());

CREATE VIEW customer_alerts AS
SELECT a.id, i.value AS customer, a.account, a.rule, a.severity, a.state, a.opened_at, a.changed_at, a.closed_at,
    a.score_before, a.score, a.reasons, a.incident, w.assigned_to, w.due_at, w.snoozed_until,
    w.acknowledged_at, w.acknowledged_by, w.done_at, w.done_by, w.outcome
FROM alert AS a
LEFT JOIN identity AS i ON i.id = a.person
LEFT JOIN alert_work AS w ON w.alert = a.id;

-- The window of 30 days, read for every person as the score reads it, and then added up by touchpoint.
CREATE VIEW touchpoint_ranking AS
WITH model AS (
    SELECT m.* FROM model_in_use AS u JOIN model AS m ON m.id = u.active
), lived AS (
    -- Identities of one person are added before the cap.
    SELECT i.person, t.leaf, t.hour, sum(t.n) AS n,
        sum(t.pos) / 1e6::double precision AS pos, sum(t.pos2) / 1e6::double precision AS pos2,
        sum(t.neg) / 1e6::double precision AS neg, sum(t.neg2) / 1e6::double precision AS neg2
    FROM tally_row AS t
    JOIN identity AS i ON i.id = t.identity
    WHERE t.hour > floor(extract(epoch FROM now()) / 3600)::integer - 720
        AND t.hour <= floor(extract(epoch FROM now()) / 3600)::integer
    GROUP BY i.person, t.leaf, t.hour
), weights AS (
    SELECT l.id AS leaf, l.touchpoint, l.channel, coalesce(w.weight, m.weight_undeclared) AS weight,
        coalesce(w.good_scale, 1) AS good_scale, coalesce(w.bad_scale, 1) AS bad_scale,
        m.lambda, m.beta, m.kappa, m.prior, m.cap
    FROM leaf AS l
    CROSS JOIN model AS m
    LEFT JOIN model_weight AS w ON w.model = m.id AND w.touchpoint = l.touchpoint
), felt AS (
    SELECT v.person, w.touchpoint, w.channel, sum(v.n) AS n,
        sum(w.weight * least((1 - w.beta) * v.pos * w.good_scale + w.beta * v.pos2 * w.good_scale ^ 2, w.cap)) AS good,
        w.lambda
            * sum(w.weight * least((1 - w.beta) * v.neg * w.bad_scale + w.beta * v.neg2 * w.bad_scale ^ 2, w.cap)) AS bad,
        w.kappa, w.prior
    FROM lived AS v
    JOIN weights AS w ON w.leaf = v.leaf
    GROUP BY v.person, w.touchpoint, w.channel, w.lambda, w.kappa, w.prior
), shares AS (
    SELECT touchpoint, channel, n, good, bad, prior,
        kappa + sum(good) OVER person + sum(bad) OVER person AS evidence
    FROM felt
    WINDOW person AS (PARTITION BY felt.person)
)
SELECT touchpoint, channel, sum(n)::bigint AS events, count(*) AS customers,
    sum(100 * prior * bad / evidence) AS points_lost,
    sum(100 * (1 - prior) * good / evidence) AS points_won,
    sum(100 * prior * bad / evidence) / count(*) AS points_lost_each
FROM shares
GROUP BY touchpoint, channel
ORDER BY points_lost DESC, touchpoint, channel;

COMMENT ON VIEW touchpoint_ranking IS 'Where customers lost points in the last 30 days, the worst first.';
COMMENT ON COLUMN touchpoint_ranking.touchpoint IS 'Name, as in the catalogue.';
COMMENT ON COLUMN touchpoint_ranking.channel IS 'Where it happened.';
COMMENT ON COLUMN touchpoint_ranking.events IS 'How many events of it there were, neutral ones included.';
COMMENT ON COLUMN touchpoint_ranking.customers IS 'How many customers had one.';
COMMENT ON COLUMN touchpoint_ranking.points_lost IS 'What it took from the scores of all of them, in points of their 30-day window: bad evidence alone, weighed by the model that is in use.';
COMMENT ON COLUMN touchpoint_ranking.points_won IS 'What it gave, counted the same way.';
COMMENT ON COLUMN touchpoint_ranking.points_lost_each IS 'points_lost a customer.';
COMMENT ON VIEW crm_customer_scores IS 'One row a customer, for CRM systems; a stored score is of as_of, and the API reads it at the present.';
COMMENT ON COLUMN crm_customer_scores.customer IS 'kind:value of the customer''s strongest identity.';
COMMENT ON COLUMN crm_customer_scores.score IS '0 to 100; 50 is neutral or unknown.';
COMMENT ON COLUMN crm_customer_scores.confidence IS 'How much was seen: 0 nothing, towards 1 much.';
COMMENT ON COLUMN crm_customer_scores.band IS 'A word for the score: bands.md.';
COMMENT ON COLUMN crm_customer_scores.score_24h IS 'The score of the last 24 hours alone.';
COMMENT ON COLUMN crm_customer_scores.score_7d IS 'The score of the last 7 days alone.';
COMMENT ON COLUMN crm_customer_scores.score_30d IS 'The score of the last 30 days alone.';
COMMENT ON COLUMN crm_customer_scores.score_90d IS 'The score of the last 90 days alone.';
COMMENT ON COLUMN crm_customer_scores.as_of IS 'The hour that the scores are of: that of the customer''s last event, or a later one at which they were read anew; a day ago at most.';
COMMENT ON COLUMN crm_customer_scores.version IS 'Rises with every change of the customer''s state: take a row only when it is above the one held.';
COMMENT ON VIEW score_changes IS 'Scores as they were written in the last 30 days; a row is shown once none before it can still appear, so whoever goes on after the last (turn, change) misses nothing.';
COMMENT ON COLUMN score_changes.turn IS 'The transaction that wrote it; go on by (turn, change), which has an index.';
COMMENT ON COLUMN score_changes.change IS 'The row within the turn; all customers that one transaction scored share both.';
COMMENT ON COLUMN score_changes.at IS 'When that transaction began.';
COMMENT ON COLUMN score_changes.customer IS 'kind:value of the customer''s strongest identity.';
COMMENT ON COLUMN score_changes.version IS 'Rises with every change of the customer''s state: take a row only when it is above the one held.';
COMMENT ON COLUMN score_changes.score IS '0 to 100, as it was written then; 50 is neutral or unknown.';
COMMENT ON COLUMN score_changes.confidence IS 'How much was seen: 0 nothing, towards 1 much.';
COMMENT ON COLUMN score_changes.band IS 'A word for the score: bands.md.';
COMMENT ON COLUMN score_changes.model_version IS 'The model that it was read by.';
COMMENT ON COLUMN score_changes.merged_into IS 'The customer that this one turned out to be; null for everybody else.';
COMMENT ON VIEW customer_alerts IS 'Alerts, and what people do about them.';
COMMENT ON COLUMN customer_alerts.id IS 'The alert, as in the API.';
COMMENT ON COLUMN customer_alerts.customer IS 'Whose score fell; null where it was an account''s.';
COMMENT ON COLUMN customer_alerts.account IS 'The company whose score fell; null where it was a customer''s.';
COMMENT ON COLUMN customer_alerts.rule IS 'drop, bad_answer or overdue.';
COMMENT ON COLUMN customer_alerts.severity IS 'warning or critical.';
COMMENT ON COLUMN customer_alerts.state IS 'open, closed or withdrawn.';
COMMENT ON COLUMN customer_alerts.opened_at IS 'By the log''s time, as the next two.';
COMMENT ON COLUMN customer_alerts.changed_at IS 'When it opened, worsened or ended.';
COMMENT ON COLUMN customer_alerts.closed_at IS 'Null while it is open.';
COMMENT ON COLUMN customer_alerts.score_before IS 'What the score would be without the days that it fell in.';
COMMENT ON COLUMN customer_alerts.score IS 'What it was when the alert changed last.';
COMMENT ON COLUMN customer_alerts.reasons IS 'What took the points, the weightiest first.';
COMMENT ON COLUMN customer_alerts.incident IS 'The incident that it belongs to; null for none.';
COMMENT ON COLUMN customer_alerts.assigned_to IS 'Whose it is.';
COMMENT ON COLUMN customer_alerts.due_at IS 'By when somebody is to have seen to it.';
COMMENT ON COLUMN customer_alerts.snoozed_until IS 'Until when nobody is to be reminded of it.';
COMMENT ON COLUMN customer_alerts.acknowledged_at IS 'When somebody took note of it.';
COMMENT ON COLUMN customer_alerts.acknowledged_by IS 'Who did.';
COMMENT ON COLUMN customer_alerts.done_at IS 'When somebody said what became of it.';
COMMENT ON COLUMN customer_alerts.done_by IS 'Who did.';
COMMENT ON COLUMN customer_alerts.outcome IS 'real, false or known.';
COMMENT ON VIEW customer_score IS 'As crm_customer_scores, with all that is stored: standard error, confidence of each window, model.';
COMMENT ON VIEW touchpoint IS 'Every event that counts, with the identity that took it.';
COMMENT ON COLUMN touchpoint.valence IS 'How good or bad it felt, −1 to 1.';
COMMENT ON COLUMN touchpoint.stake IS 'How much it mattered, 0 to 2; 0 is kept and has no effect.';
COMMENT ON COLUMN touchpoint.body IS 'The event as it stands in the log.';
COMMENT ON VIEW tally IS 'The integers that scores are read from, by identity, touchpoint, channel, place and hour since 1970; micro-units.';
COMMENT ON VIEW crm_account_scores IS 'One row an account, for CRM systems, a few seconds behind its contacts; a stored score is of as_of, and the API reads it at the present.';
COMMENT ON COLUMN crm_account_scores.account IS 'The company, as events name it.';
COMMENT ON COLUMN crm_account_scores.score IS '0 to 100; 50 is neutral or unknown.';
COMMENT ON COLUMN crm_account_scores.confidence IS 'How much was seen: 0 nothing, towards 1 much.';
COMMENT ON COLUMN crm_account_scores.band IS 'A word for the score: bands.md.';
COMMENT ON COLUMN crm_account_scores.contacts IS 'How many persons act for it.';
COMMENT ON COLUMN crm_account_scores.worst_key_contact IS 'kind:value of the champion or decision maker with the lowest score of their own; null when nothing is known of any.';
COMMENT ON COLUMN crm_account_scores.worst_key_contact_score IS 'That person''s own score.';
COMMENT ON COLUMN crm_account_scores.score_24h IS 'The score of the last 24 hours alone.';
COMMENT ON COLUMN crm_account_scores.score_7d IS 'The score of the last 7 days alone.';
COMMENT ON COLUMN crm_account_scores.score_30d IS 'The score of the last 30 days alone.';
COMMENT ON COLUMN crm_account_scores.score_90d IS 'The score of the last 90 days alone.';
COMMENT ON COLUMN crm_account_scores.as_of IS 'The hour that the scores are of: the last event of any contact.';
COMMENT ON COLUMN crm_account_scores.version IS 'Rises with every change of the account''s score: take a row only when it is above the one held.';
