"""The rules that say what an event is: where they stand, what they know, and for whom."""
