"""A stream worker as a process of its own, on a FencedLedger: `python -m tests.support.chunk_worker`."""

from __future__ import annotations

import argparse
import asyncio
import functools
import sys
from pathlib import Path

from services.aggregator.__main__ import serve
from services.aggregator.stream.app import create_app
from services.aggregator.stream.watchdog import Ends, Outside
from services.infra.kafka import log_ends
from services.infra.logs import configure_logs
from services.infra.settings import Settings
from tests.support.fenced_ledger import FencedLedger, opened


async def run(arguments: argparse.Namespace) -> int:
    settings = Settings.model_validate(
        {
            "kafka": {"bootstrap": arguments.bootstrap},
            "aggregator": {"metrics_port": arguments.port, "session_timeout_s": 6, "watchdog_s": 5},
        }
    )
    ledger = FencedLedger(arguments.ledger, owner=arguments.owner, pause_s=arguments.pause)
    app = create_app(settings, functools.partial(opened, ledger), group=arguments.group, topics=[arguments.topic])

    async def ends() -> Ends:
        return await log_ends(settings.kafka, [arguments.topic])

    async def database() -> None:
        """A file is always there."""

    return await serve(settings, app, Outside(ends, database))


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "topic", "group", "owner"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.0)
    configure_logs("info")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
