"""Scores and alerts into the log's topics, for whoever follows them there."""
