"""Doors for other formats than our own: one file a channel, none yet."""
