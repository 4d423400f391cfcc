"""Alerts where people work: routes say who is told, sinks tell them, and the database remembers what was told."""
