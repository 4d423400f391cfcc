"""How commands and the demo speak to a running product."""
