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

-- Which tallies are read, by the number of swaps: whoever remembers others forgets them; and of which the stored scores were
-- read that are in use.
ALTER TABLE model_in_use ADD COLUMN tallies integer NOT NULL DEFAULT 0;
ALTER TABLE model_in_use ADD COLUMN filled integer NOT NULL DEFAULT 0;
