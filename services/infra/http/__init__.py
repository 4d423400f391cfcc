"""HTTP as every process speaks it: problems, health, keys, limits of a connection."""
