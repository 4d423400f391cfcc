"""One language for what somebody else's rows and bodies mean, read by hooks, imports and replays."""
