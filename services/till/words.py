"""Say how the agent does: a line for the terminal, and what `status` shows. Pure."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from services.till.clock import ClockError, in_words
from services.till.store import Backlog, Place


def plain(text: str) -> str:
    """Write a text of somebody else so that it moves no terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def how_long(seconds: float) -> str:
    """Write a time span roughly."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"


def line(backlog: Backlog, *, sent: int, aside: int, trouble: str, clock: ClockError | None, now: float) -> str:
    """Write what a till's owner looks for first into one line."""
    waits = f"{backlog.lines} waiting"
    if backlog.oldest_at is not None and backlog.lines:
        waits += f" (for up to {how_long(now - backlog.oldest_at)})"
    parts = [waits, f"{sent} sent"]
    if aside:
        parts.append(f"{aside} set aside")
    if clock is not None and clock.matters:
        parts.append(f"THE CLOCK IS {in_words(clock)}: set it")
    if trouble:
        parts.append(trouble)
    return " · ".join(parts)


def clock_of(facts: dict[str, Any]) -> ClockError | None:
    """Return the clock's error as it was written down."""
    if facts.get("clock_ahead_s") is None:
        return None
    return ClockError(float(facts["clock_ahead_s"]), float(facts["clock_within_s"] or 0))


def status(told: dict[str, Any]) -> list[str]:
    """Write the lines of `status`."""
    clock = clock_of(told)
    lines = [
        f"agent         {'runs' if told['running'] else 'does not run: start it with run'}",
        f"waiting       {told['waiting']} lines, {told['waiting_bytes'] / 1024:.0f} KiB"
        + (f", the oldest for {how_long(told['oldest_s'])}" if told["waiting"] else ""),
        f"sent          {told['sent']} lines"
        + (f", through {told['accepted_through']}" if told["accepted_through"] else ""),
        f"set aside     {told['aside']} lines" + (": see `aside`" if told["aside"] else ""),
    ]
    if told["asked_at"]:
        lines.append(f"last answer   {at(told['asked_at'])}: {told['trouble'] or 'well'}")
    if told["full"]:
        lines.append(f"full          {told['full']}")
    lines.append(f"clock         {_clock(clock)}")
    lines += [f"unended       {name}: {missing} bytes wait for the end of a line" for name, missing in told["unended"]]
    return lines


def unended(places: list[Place]) -> list[list[Any]]:
    """Return the files that end within a line or an element, and how many of their bytes wait for it."""
    return [[place.name, place.size - place.done] for place in places if place.size >= 0]


def at(time_s: float) -> str:
    """Write a time as the till's people read it."""
    return datetime.fromtimestamp(time_s, timezone.utc).astimezone().isoformat(" ", "seconds")


def _clock(clock: ClockError | None) -> str:
    if clock is None:
        return "not compared yet"
    if clock.matters:
        return f"{in_words(clock)} (± {clock.within_s:.1f} s): set it, for times are those of this machine"
    return f"right, within {abs(clock.ahead_s) + clock.within_s:.1f} s"
