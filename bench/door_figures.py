"""What the bench of the doors says: figures of each form and size of request, ratios, and a table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Final, NamedTuple

from bench.doors import PEER, Door
from bench.in_log import Found
from bench.senders import Paced, Spent

RATIO_MAX: Final = 1.4
"""What Segment's form and the tills' may cost, as a multiple of the native one."""

P99_MS_MAX: Final = 50.0
"""At half load, of every form of ours."""

THOUSAND: Final = 1000
"""Of fewer answers, nobody can say what one in so many takes."""


class HalfLoad(NamedTuple):
    """What was seen once: events a second at saturation, and the answers at half of that."""

    saturation: float
    paced: Paced


@dataclass(frozen=True)
class Latencies:
    """From the time when a request was due to its answer; of each percentile the median of the rounds."""

    requests: int
    """Of all rounds."""
    p50_ms: float
    p99_ms: float
    p99_9_ms: float | None
    """None where too few requests were sent to tell."""
    max_ms: float
    generator_late_p99_ms: float
    """The part of it that is the client's own."""


@dataclass(frozen=True)
class Measured:
    """One form with one size of request."""

    cpu_us_per_event: float
    """The median of the rounds."""
    ratio_to_native: float
    """The median of the rounds' ratios: both of a round met the same neighbours."""
    rounds_cpu_us: list[float]
    saturation_events_per_s: int
    half_load: Latencies


@dataclass(frozen=True)
class Counted:
    """What a door acknowledged, and what the log has of it."""

    acknowledged: int
    in_log: int
    distinct: int

    @property
    def agree(self) -> bool:
        return self.acknowledged == self.in_log == self.distinct


Forms = Mapping[str, Mapping[int, Measured]]
"""By name and size of request."""


def measured(rounds: Sequence[Spent], native: Sequence[Spent], halves: Sequence[HalfLoad]) -> Measured:
    """Put together what was seen of one form with one size of request."""
    return Measured(
        cpu_us_per_event=round(median(map(_cpu_us, rounds)), 1),
        ratio_to_native=round(
            median(_cpu_us(one) / _cpu_us(other) for one, other in zip(rounds, native, strict=True)), 3
        ),
        rounds_cpu_us=[round(_cpu_us(one), 1) for one in rounds],
        saturation_events_per_s=round(median(half.saturation for half in halves)),
        half_load=_latencies([half.paced for half in halves]),
    )


def counted(doors: Sequence[Door], acknowledged: Mapping[str, int], found: Mapping[str, Found]) -> dict[str, Counted]:
    """Lay beside each other what each door acknowledged and what the log has."""
    return {
        door.name: Counted(acknowledged.get(door.name, 0), *found.get(door.source, Found(records=0, distinct=0)))
        for door in doors
    }


def figures(forms: Forms, counts: Mapping[str, Counted], *, rss_mib: Mapping[str, int]) -> dict[str, object]:
    """Everything, as it is written down."""
    ours = {name: sizes for name, sizes in forms.items() if name != PEER}
    every = [one for sizes in ours.values() for one in sizes.values()]
    return {
        "forms": {name: {str(size): asdict(one) for size, one in sizes.items()} for name, sizes in forms.items()},
        "counts": {name: asdict(one) for name, one in counts.items()},
        "kept": all(one.agree for one in counts.values()),
        "ratios_met": all(one.ratio_to_native <= RATIO_MAX for one in every),
        "p99_met": all(one.half_load.p99_ms <= P99_MS_MAX for one in every),
        "rss_mib": dict(rss_mib),
    }


def table(forms: Forms) -> str:
    """The figures for people."""
    widths = (8, 9, 9, 9, 10, 7, 7, 7)
    titles = ("form", "a request", "µs/event", "× native", "events/s", "p50 ms", "p99 ms", "p99.9")
    rows = [titles, *(_row(name, size, one) for name, sizes in forms.items() for size, one in sizes.items())]
    return "\n".join("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)


def _row(name: str, size: int, one: Measured) -> tuple[str, ...]:
    half = one.half_load
    thousandth = "–" if half.p99_9_ms is None else str(half.p99_9_ms)
    numbers = (size, one.cpu_us_per_event, one.ratio_to_native, one.saturation_events_per_s, half.p50_ms, half.p99_ms)
    return (name, *map(str, numbers), thousandth)


def _cpu_us(spent: Spent) -> float:
    """Microseconds of an event."""
    return spent.cpu_s / spent.events * 1e6


def _latencies(rounds: Sequence[Paced]) -> Latencies:
    answers, late = [sorted(one.latencies) for one in rounds], [sorted(one.late) for one in rounds]
    return Latencies(
        requests=sum(map(len, answers)),
        p50_ms=_percentile(answers, 0.5),
        p99_ms=_percentile(answers, 0.99),
        p99_9_ms=_percentile(answers, 0.999) if min(map(len, answers)) >= THOUSAND else None,
        max_ms=_percentile(answers, 1),
        generator_late_p99_ms=_percentile(late, 0.99),
    )


def _percentile(rounds: Sequence[Sequence[float]], part: float) -> float:
    """The median of the rounds' nearest ranks, in milliseconds."""
    return round(median(ordered[min(len(ordered) - 1, int(len(ordered) * part))] for ordered in rounds) * 1e3, 1)
