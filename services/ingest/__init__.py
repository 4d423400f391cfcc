"""HTTP to Kafka: takes events in and keeps what it acknowledged."""
