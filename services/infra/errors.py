"""What can go wrong, named by what the caller can do about it."""

from __future__ import annotations


class TactusError(Exception):
    """The root of the errors this project raises."""


class InvalidEventError(TactusError):
    """The input is wrong: mend it; sending it again cannot help."""


class UnavailableError(TactusError):
    """A part is away: send the same again later."""


class FencedError(TactusError):
    """Another worker owns the partition: stop, and let the supervisor start afresh."""


class ConfigurationError(TactusError):
    """An operator must act; the message says what to do."""
