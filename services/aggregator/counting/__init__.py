"""Chunks to rows: decode, recognise, link, tally and score in one transaction."""
