"""Real Kafka and Postgres without Docker, supervised: `tactus up`."""
