"""The whole product on one machine: embedded Kafka and Postgres, demo, tools."""
