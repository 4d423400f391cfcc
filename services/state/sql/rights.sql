-- make_role --
-- Roles belong to the whole server: another database's migrator may have been faster.
DO $$
BEGIN
    IF to_regrole('$role') IS NULL THEN
        CREATE ROLE $role NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$

-- rights_given --
SELECT to_regrole('tactus_worker') IS NOT NULL AND to_regrole('tactus_reader') IS NOT NULL AND to_regrole('tactus_outbound') IS NOT NULL
    AND to_regrole('tactus_sql') IS NOT NULL
    AND has_table_privilege('tactus_worker', 'partition_progress', 'UPDATE')
    AND has_table_privilege('tactus_reader', 'partition_progress', 'SELECT')
    AND has_table_privilege('tactus_outbound', 'feed_position', 'UPDATE')
    AND has_table_privilege('tactus_sql', 'score_changes', 'SELECT')

-- give_rights --
-- A worker changes what it counts. It makes no tables, reads no webhook's secret and removes nothing but seen ids, what it
-- noted of sources, sums over people that others have followed, and what retention says: events only by functions that look at
-- their age themselves.
-- A reader sees scores and their reasons. Of a letter that was set aside it may say what became of it, and change nothing
-- of what it holds.
GRANT SELECT ON schema_migration TO tactus_worker, tactus_reader, tactus_outbound;
GRANT SELECT, INSERT, UPDATE ON partition_progress, identity, person, model, model_weight, model_in_use, activation, leaf, touchpoint_row, tally_row, link,
    name_budget, score_change, alert, outbox, dead_letter TO tactus_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON seen_event, source_note, source_seen, source_hour, unknown_name, till_day TO tactus_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON census, census_sum, place_past TO tactus_worker;
GRANT SELECT, INSERT, UPDATE ON retention, score_walk TO tactus_worker;
GRANT SELECT ON person_score TO tactus_worker;
GRANT SELECT, DELETE ON crm_record TO tactus_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON fact, fact_name TO tactus_worker;
GRANT SELECT ON fact, fact_name TO tactus_reader;
GRANT DELETE ON tally_row, identity, person, link, score_change, alert, outbox, dead_letter TO tactus_worker;
GRANT SELECT, DELETE ON webhook_delivery TO tactus_worker;
GRANT SELECT ON erased TO tactus_worker;
GRANT SELECT ON rebuild TO tactus_worker, tactus_reader;
GRANT USAGE ON SEQUENCE identity_id, score_version TO tactus_worker;
GRANT SELECT ON SEQUENCE leaf_id_seq TO tactus_worker;
GRANT EXECUTE ON FUNCTION make_month(date), old_months(), drop_old_months(), forget_strays(bigint, bigint) TO tactus_worker;
GRANT SELECT ON partition_progress, identity, person, person_score, model, model_weight, model_in_use, activation, leaf, touchpoint_row, tally_row, link, score_change,
    alert, erased, touchpoint, tally, customer_score, crm_customer_scores, touchpoint_ranking, seen_event, dead_letter, dead_letter_change TO tactus_reader;
GRANT UPDATE (state) ON dead_letter TO tactus_reader;
GRANT INSERT ON dead_letter_change TO tactus_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON contact, contact_role, account_mark, account_score TO tactus_worker;
GRANT SELECT ON contact, contact_role, account_score, crm_account_scores TO tactus_reader;
GRANT SELECT ON source_seen, source_hour, till_day, census, census_sum, retention, score_walk TO tactus_reader;
-- Alerts are the workers', what people do about them is written by whoever answers these people, and what goes out by whoever
-- sends it.
GRANT SELECT ON outbox, feed_position, incident, alert_work, alert_work_change TO tactus_reader;
GRANT INSERT, UPDATE ON alert_work TO tactus_reader;
GRANT INSERT ON alert_work_change TO tactus_reader;
GRANT SELECT ON incident, alert_work, feed_position TO tactus_worker;
GRANT SELECT ON identity, person, person_score, model, model_in_use, score_change, outbox, alert, alert_work, account_score,
    erased, customer_score, crm_customer_scores, crm_account_scores TO tactus_outbound;
GRANT UPDATE (incident) ON alert TO tactus_outbound;
GRANT INSERT ON outbox TO tactus_outbound;
GRANT SELECT ON contact TO tactus_outbound;
GRANT SELECT, INSERT, UPDATE, DELETE ON notification, notification_route TO tactus_outbound;
GRANT SELECT, INSERT, UPDATE ON feed_position, incident TO tactus_outbound;
GRANT UPDATE (xact) ON score_change, outbox TO tactus_outbound;
GRANT SELECT, INSERT, UPDATE ON announcement TO tactus_outbound;
GRANT SELECT, INSERT, UPDATE ON announcement TO tactus_worker;
GRANT SELECT ON announcement TO tactus_reader;
GRANT USAGE, UPDATE ON SEQUENCE score_version TO tactus_outbound;
-- People who ask by SQL see what the views show, and nothing that a customer wrote.
GRANT SELECT ON crm_customer_scores, customer_score, crm_account_scores, touchpoint_ranking, score_changes, customer_alerts
    TO tactus_sql, tactus_reader;
-- A CRM system is told the reasons of a score, which are read as the API reads them.
GRANT SELECT ON tally_row, leaf, fact, fact_name, model_weight TO tactus_outbound;
GRANT SELECT, INSERT, UPDATE, DELETE ON crm_connector, crm_call, crm_record, crm_task TO tactus_outbound;
-- The secrets that sign webhooks are written by whoever answers their owners and read by who signs, and by nobody else.
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoint TO tactus_reader;
GRANT SELECT (endpoint, expires_at), INSERT, UPDATE (expires_at), DELETE ON webhook_secret TO tactus_reader;
GRANT SELECT, INSERT, UPDATE ON webhook_delivery TO tactus_reader;
GRANT SELECT, INSERT ON webhook_change TO tactus_reader, tactus_outbound;
GRANT SELECT, UPDATE ON webhook_endpoint TO tactus_outbound;
GRANT SELECT ON webhook_secret TO tactus_outbound;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_delivery TO tactus_outbound;

-- let_in --
DO $$
BEGIN
    EXECUTE format('ALTER ROLE $role LOGIN PASSWORD %L', current_setting('tactus.password'));
END
$$
