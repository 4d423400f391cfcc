"""Rows of files that others wrote, one after the other, whatever their form."""
