-- What was done about a dead letter, by whom and with which outcome; whoever removes a letter removes this too.
CREATE TABLE dead_letter_change (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    letter bigint NOT NULL REFERENCES dead_letter (id) ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    by text NOT NULL,                            -- the name of the key
    outcome text NOT NULL,                       -- accepted | duplicate | conflict | rejected | discarded
    detail text NOT NULL
);
CREATE INDEX dead_letter_change_letter ON dead_letter_change (letter, id);
