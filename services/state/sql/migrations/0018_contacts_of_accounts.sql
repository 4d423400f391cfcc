-- Who acts for which company since when, and in which role. Nothing has ever been written to `account`.
DROP TABLE account;

CREATE TABLE contact (
    account text COLLATE "C" NOT NULL,
    identity bigint NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (account, identity)
);
CREATE INDEX contact_of ON contact (identity, since, account);

CREATE TABLE contact_role (
    account text COLLATE "C" NOT NULL,
    identity bigint NOT NULL,
    hour integer NOT NULL,
    occurred_at timestamptz NOT NULL,
    source text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    role smallint NOT NULL,
    PRIMARY KEY (account, identity, hour)
);
