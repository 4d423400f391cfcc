"""Requests to addresses that others chose: checked, connected to as checked, bounded in time and bytes."""
