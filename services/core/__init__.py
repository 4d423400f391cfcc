"""The score itself: pure, without I/O, clock or environment."""
