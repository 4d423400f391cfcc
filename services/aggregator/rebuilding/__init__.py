"""Judge anew what is stored."""
