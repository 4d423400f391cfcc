"""Kafka to chunks: Faust, lanes and the watchdog; nothing of what a record means."""
