"""The `tactus` command: parses the line, then imports only what that command needs."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    raise SystemExit("tactus: being laid out")
