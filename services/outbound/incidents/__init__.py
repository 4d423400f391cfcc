"""Many people who fall for one cause: found, told as one, and over when they have recovered."""
