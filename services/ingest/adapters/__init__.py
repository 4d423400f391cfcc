"""One file a channel; a file here is discovered, nothing registers it."""
