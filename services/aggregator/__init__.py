"""Kafka to Postgres: folds events into tallies and scores, each once."""
