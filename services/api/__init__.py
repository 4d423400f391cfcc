"""Reads scores, their reasons and the journey out of Postgres."""
