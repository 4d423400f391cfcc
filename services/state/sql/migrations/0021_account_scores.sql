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

CREATE VIEW crm_account_scores AS
SELECT s.account, s.score, s.confidence,
    (ARRAY['unknown', 'critical', 'low', 'fair', 'good', 'great'])[s.band + 1] AS band,
    s.contacts, n.value AS worst_key_contact, s.worst_score AS worst_key_contact_score,
    s.score_24h, s.score_7d, s.score_30d, s.score_90d, to_timestamp(s.as_of * 3600::double precision) AS as_of, s.version
FROM account_score AS s
LEFT JOIN identity AS n ON n.id = s.worst
WHERE s.model = (SELECT active FROM model_in_use);

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

INSERT INTO account_mark (account) SELECT DISTINCT account FROM contact;
