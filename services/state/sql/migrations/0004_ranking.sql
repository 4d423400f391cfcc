-- What a model weighs by, so that SQL can say what a touchpoint cost in points.
ALTER TABLE model
    ADD COLUMN lambda double precision,
    ADD COLUMN beta double precision,
    ADD COLUMN kappa double precision,
    ADD COLUMN prior double precision,
    ADD COLUMN cap double precision,
    ADD COLUMN weight_undeclared double precision,
    ADD COLUMN used_at timestamptz;

CREATE TABLE model_weight (
    model smallint NOT NULL REFERENCES model (id),
    touchpoint text COLLATE "C" NOT NULL,
    weight double precision NOT NULL,
    PRIMARY KEY (model, touchpoint)
);

DROP VIEW touchpoint_ranking;

-- The window of 30 days, read for every person as the score reads it, and then added up by touchpoint.
CREATE VIEW touchpoint_ranking AS
WITH model AS (
    SELECT * FROM model WHERE used_at IS NOT NULL ORDER BY used_at DESC, id DESC LIMIT 1
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
), felt AS (
    SELECT v.person, l.touchpoint, l.channel, sum(v.n) AS n,
        sum(coalesce(w.weight, m.weight_undeclared) * least((1 - m.beta) * v.pos + m.beta * v.pos2, m.cap)) AS good,
        m.lambda
            * sum(coalesce(w.weight, m.weight_undeclared) * least((1 - m.beta) * v.neg + m.beta * v.neg2, m.cap)) AS bad,
        m.kappa, m.prior
    FROM lived AS v
    JOIN leaf AS l ON l.id = v.leaf
    CROSS JOIN model AS m
    LEFT JOIN model_weight AS w ON w.model = m.id AND w.touchpoint = l.touchpoint
    GROUP BY v.person, l.touchpoint, l.channel, m.lambda, m.kappa, m.prior
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
COMMENT ON COLUMN touchpoint_ranking.points_lost IS 'What it took from the scores of all of them, in points of their 30-day window: bad evidence alone, weighed by the model that a worker started with last.';
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
COMMENT ON COLUMN crm_customer_scores.as_of IS 'The hour that the scores are of: the customer''s last event.';
COMMENT ON COLUMN crm_customer_scores.version IS 'Rises with every change of the customer''s state: take a row only when it is above the one held.';
COMMENT ON VIEW customer_score IS 'As crm_customer_scores, with all that is stored: standard error, confidence of each window, model.';
COMMENT ON VIEW touchpoint IS 'Every event that counts, with the identity that took it.';
COMMENT ON COLUMN touchpoint.valence IS 'How good or bad it felt, −1 to 1.';
COMMENT ON COLUMN touchpoint.stake IS 'How much it mattered, 0 to 2; 0 is kept and has no effect.';
COMMENT ON COLUMN touchpoint.body IS 'The event as it stands in the log.';
COMMENT ON VIEW tally IS 'The integers that scores are read from, by identity, touchpoint, channel, place and hour since 1970; micro-units.';
