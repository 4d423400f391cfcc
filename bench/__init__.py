"""Throughput and latency, ours beside peers."""
