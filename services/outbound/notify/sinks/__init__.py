"""One file a way of reaching people: what it takes, what its answers mean, and whether it can change what it said."""
