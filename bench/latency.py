"""From the 2xx to the score readable over the API, under a steady open-loop load."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles
from typing import Final

import httpx

from services.local.connection import Connection
from services.local.stack import LocalStack

SEED: Final = 7
BATCH: Final = 20
PROBES_PER_S: Final = 20
POLL_S: Final = 0.005
PATIENCE_S: Final = 30.0
WARM_UP_S: Final = 3.0
CUSTOMERS: Final = 5000


class Load:
    """Sends batches at fixed times, whatever the answers take; counts what was not accepted."""

    def __init__(self, client: httpx.AsyncClient, *, rate: int, seconds: float) -> None:
        self._client = client
        self._rate = rate
        self._seconds = seconds
        self._rng = random.Random(SEED)
        self.accepted = 0
        self.late_s = 0.0

    async def run(rate: int, seconds: float, *, data: Path) -> dict[str, object]:
    """A fresh stack with one worker."""
    async with LocalStack(data, workers=1) as connection:
        return await measure(connection, rate=rate, seconds=seconds)


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tactus-bench-") as folder:
        Path(folder).chmod(0o755)
        result = asyncio.run(
            run(arguments.rate, arguments.seconds, data=Path(folder) / "data")
        )
    text = json.dumps(
        {**result, "cores": os.cpu_count(), "load_average": os.getloadavg()}, indent=2
    )
    sys.stdout.write(text + "\n")
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
