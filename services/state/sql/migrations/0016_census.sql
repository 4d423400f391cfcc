-- Sums over all people, by what they have lived through: taken one after another beside the work, and read when whole.
CREATE TABLE census (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    hour integer NOT NULL,
    model smallint NOT NULL REFERENCES model (id),
    last bigint NOT NULL,
    cursor bigint NOT NULL DEFAULT 0,
    persons bigint NOT NULL DEFAULT 0,
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('whole', 'replaced')),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX census_under_way ON census ((true)) WHERE ended_at IS NULL;

CREATE TABLE census_sum (
    census bigint NOT NULL REFERENCES census (id),
    scope text COLLATE "C" NOT NULL,
    along text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    customers bigint NOT NULL,
    events bigint NOT NULL,
    scores bigint NOT NULL,
    lost bigint NOT NULL,
    won bigint NOT NULL,
    customers_before bigint NOT NULL,
    events_before bigint NOT NULL,
    scores_before bigint NOT NULL,
    lost_before bigint NOT NULL,
    won_before bigint NOT NULL,
    PRIMARY KEY (census, along, scope, value)
) WITH (fillfactor = 70);
