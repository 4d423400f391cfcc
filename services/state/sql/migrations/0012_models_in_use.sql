-- Which model weighs, and a second set of scores beside the first: a model that takes over is written there, whole,
-- before anybody reads it.

-- What a model weighs by is all here, so that every process weighs alike, whatever files it has.
ALTER TABLE model
    ADD COLUMN half_life_days double precision,
    ADD COLUMN name text,
    ADD COLUMN document text,
    ADD COLUMN calibration_scores double precision[],
    ADD COLUMN calibration_risks double precision[];

ALTER TABLE model_weight
    ADD COLUMN good_scale double precision NOT NULL DEFAULT 1,
    ADD COLUMN bad_scale double precision NOT NULL DEFAULT 1;

CREATE TABLE model_in_use (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    active smallint NOT NULL REFERENCES model (id),
    slot smallint NOT NULL CHECK (slot IN (0, 1)),
    filling smallint REFERENCES model (id)
);

CREATE TABLE activation (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    model smallint NOT NULL REFERENCES model (id),
    begun_at timestamptz NOT NULL DEFAULT now(),
    horizon xid8,
    last bigint,
    cursor bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    moved_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('active', 'replaced')),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX activation_under_way ON activation ((true)) WHERE ended_at IS NULL;

ALTER TABLE person
    ADD COLUMN version_a bigint,
    ADD COLUMN version_b bigint,
    ADD COLUMN model_b smallint,
    ADD COLUMN band_b smallint,
    ADD COLUMN as_of_b integer,
    ADD COLUMN score_b double precision,
    ADD COLUMN confidence_b double precision,
    ADD COLUMN se_b double precision,
    ADD COLUMN score_24h_b double precision,
    ADD COLUMN confidence_24h_b double precision,
    ADD COLUMN score_7d_b double precision,
    ADD COLUMN confidence_7d_b double precision,
    ADD COLUMN score_30d_b double precision,
    ADD COLUMN confidence_30d_b double precision,
    ADD COLUMN score_90d_b double precision,
    ADD COLUMN confidence_90d_b double precision;

-- One of the two sets: the planner asks once where the pointer points, and passes over the other branch.
CREATE VIEW person_score AS
SELECT id, merged_into, coalesce(version_a, version) AS version, model, band, as_of, score, confidence, se,
    score_24h, confidence_24h, score_7d, confidence_7d, score_30d, confidence_30d, score_90d, confidence_90d
FROM person
WHERE version > 0 AND coalesce((SELECT slot FROM model_in_use), 0) = 0
UNION ALL
SELECT id, merged_into, version_b, model_b, band_b, as_of_b, score_b, confidence_b, se_b,
    score_24h_b, confidence_24h_b, score_7d_b, confidence_7d_b,
    score_30d_b, confidence_30d_b, score_90d_b, confidence_90d_b
FROM person
WHERE version > 0 AND coalesce((SELECT slot FROM model_in_use), 0) = 1;

CREATE OR REPLACE VIEW customer_score AS
SELECT i.value AS person_id, p.score, p.confidence, p.se,
    (ARRAY['unknown', 'critical', 'low', 'fair', 'good', 'great'])[p.band + 1] AS band,
    p.version, m.version AS model_version, to_timestamp(p.as_of * 3600::double precision) AS as_of,
    p.score_24h, p.confidence_24h, p.score_7d, p.confidence_7d,
    p.score_30d, p.confidence_30d, p.score_90d, p.confidence_90d
FROM person_score AS p
JOIN identity AS i ON i.id = p.id
LEFT JOIN model AS m ON m.id = p.model
WHERE p.merged_into IS NULL;

CREATE OR REPLACE VIEW touchpoint_ranking AS
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

COMMENT ON COLUMN touchpoint_ranking.points_lost IS 'What it took from the scores of all of them, in points of their 30-day window: bad evidence alone, weighed by the model that is in use.';
