"""Microseconds of CPU that judging one event takes, by how its person is named: as a ratio to a customer's id."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.report import publish
from services.infra.catalogue.reading import load_catalogue
from services.infra.sources import Source
from services.ingest.judge import Accepted, Judge, arrival

EVENTS: Final = 3000
ROUNDS: Final = 7
"""The best of so many: whatever else the machine does only adds."""

NAMED: Final[dict[str, Callable[[int], tuple[str, str]]]] = {
    "customer": lambda _: ("customer", "c-1"),
    "address": lambda _: ("email", "ann@example.com"),
    "number": lambda _: ("phone", "+48600100200"),
    "address_as_id": lambda _: ("customer", "ann@example.com"),
    "new_number": lambda n: ("phone", f"+48 600 {n // 1000:03} {n % 1000:03}"),
    "new_address_with_a_name": lambda n: ("email", f"Ann <ann-{n}@example.com>"),
}
"""New ones are spelt by a library; the others are spelt already, or remembered."""


def measure(judge: Judge, named: Callable[[int], tuple[str, str]], *, first: int) -> float:
    """Return the microseconds of CPU an event of one round."""
    source = Source(name="shop", kind="server", keys_sha256=())
    received = arrival(time.time_ns() // 1000)
    events = []
    for number in range(first, first + EVENTS):
        kind, value = named(number)
        identities = [{"kind": kind, "value": value}]
        events.append({"id": f"e-{number}", "data": {"touchpoint": "order.completed", "identities": identities}})
    began = time.process_time()
    outcomes = [judge.judge(event, source=source, received=received) for event in events]
    took = time.process_time() - began
    if not all(isinstance(outcome, Accepted) for outcome in outcomes):
        raise SystemExit(f"not every event was accepted: {outcomes[0]}")
    return took / EVENTS * 1e6


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    judge = Judge(catalogue=load_catalogue(None), hash_key=b"a key of a benchmark, 32 bytes.." * 2)
    best = {
        name: min(measure(judge, named, first=turn * EVENTS) for turn in range(ROUNDS)) for name, named in NAMED.items()
    }
    figures = {f"{name}_us": round(us, 1) for name, us in best.items()}
    ratios = {f"{name}_ratio": round(us / best["customer"], 2) for name, us in best.items()}
    publish({**figures, **ratios}, path=arguments.json)


if __name__ == "__main__":
    main()
