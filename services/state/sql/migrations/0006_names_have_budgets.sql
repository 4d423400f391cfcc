-- How many leaves each source has brought that nobody declared; what is there already counts for nobody.
CREATE TABLE name_budget (
    source text COLLATE "C" PRIMARY KEY,         -- the source's name: what stands before the first slash
    brought integer NOT NULL DEFAULT 0
);
