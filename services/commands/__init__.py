"""The commands of `tactus` that speak to a running product."""
