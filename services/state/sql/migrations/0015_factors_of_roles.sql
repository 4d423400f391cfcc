-- By what a contact's role multiplies in its account's score; earlier models had no accounts to weigh.
ALTER TABLE model
    ADD COLUMN factor_decision_maker double precision NOT NULL DEFAULT 3,
    ADD COLUMN factor_champion double precision NOT NULL DEFAULT 2,
    ADD COLUMN factor_user double precision NOT NULL DEFAULT 1;
