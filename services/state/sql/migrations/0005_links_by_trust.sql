-- Links rank by the trust of their key; of a claim, a is the customer; what hangs together is bounded.

ALTER TABLE identity ADD COLUMN crowd smallint NOT NULL DEFAULT 9;
CREATE INDEX identity_crowd ON identity (crowd) WHERE crowd < 9;

CREATE TABLE link_by_trust (
    a bigint NOT NULL,
    b bigint NOT NULL,
    source text COLLATE "C" NOT NULL,
    alias boolean NOT NULL DEFAULT false,
    claim boolean NOT NULL,
    level smallint NOT NULL,
    occurred_at timestamptz NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    event_key bytea NOT NULL,
    PRIMARY KEY (a, b, source, alias),
    CHECK (a <> b)
);

-- Nobody knows what key an older link came in by, so it has the least trust, which is that of a browser's key: being
-- older it stands before whatever browsers say from here on, and behind what a server says again.
INSERT INTO link_by_trust (a, b, source, alias, claim, level, occurred_at, event_id, event_key)
SELECT DISTINCT ON (a, b, source, alias) a, b, source, alias, claim, level, occurred_at, event_id, event_key
FROM (
    SELECT CASE WHEN y.value LIKE 'customer:%' THEN l.b ELSE l.a END AS a,
        CASE WHEN y.value LIKE 'customer:%' THEN l.a ELSE l.b END AS b,
        split_part(l.source, '/', 1) AS source, l.alias,
        x.value LIKE 'customer:%' OR y.value LIKE 'customer:%' AS claim,
        6 + (x.value ~ '^(anonymous|device):')::int + (y.value ~ '^(anonymous|device):')::int AS level,
        l.occurred_at, l.event_id,
        substr(sha256(convert_to(l.source, 'UTF8') || '\x00'::bytea || convert_to(l.event_id, 'UTF8')), 1, 16)
            AS event_key
    FROM link AS l JOIN identity AS x ON x.id = l.a JOIN identity AS y ON y.id = l.b
) AS known
ORDER BY a, b, source, alias, level, occurred_at, event_id, event_key;

DROP TABLE link;
ALTER TABLE link_by_trust RENAME TO link;
ALTER TABLE link RENAME CONSTRAINT link_by_trust_pkey TO link_pkey;
ALTER TABLE link RENAME CONSTRAINT link_by_trust_check TO link_check;
-- PostgreSQL 18 names what is not null; older ones have no such constraint.
DO $$ DECLARE one text; BEGIN
    FOR one IN SELECT conname FROM pg_constraint WHERE conrelid = 'link'::regclass AND conname LIKE 'link_by_trust_%' LOOP
        EXECUTE format('ALTER TABLE link RENAME CONSTRAINT %I TO %I', one, replace(one, 'link_by_trust_', 'link_'));
    END LOOP;
END $$;
CREATE INDEX link_peer_a ON link (a, level) WHERE NOT claim;
CREATE INDEX link_peer_b ON link (b, level) WHERE NOT claim;
CREATE INDEX link_claim_of ON link (b, level, occurred_at, event_id, event_key) WHERE claim;
CREATE INDEX link_claimed_by ON link (a, level, occurred_at, event_id, event_key) WHERE claim;
