"""The database, one room: schema, queries, pool, and a file for each subject."""
