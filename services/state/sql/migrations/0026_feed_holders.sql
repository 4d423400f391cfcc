-- A position belongs to one life of the database: in a restored one the numbers of transactions begin anew. One process at a
-- time follows a feed into a topic.
ALTER TABLE feed_position
    ADD COLUMN life text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN holder uuid,
    ADD COLUMN held_until timestamptz;

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
