"""From the 202 of the event that makes a score drop to the first attempt to tell somebody, beside a steady load."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import httpx

from bench.latency import BATCH, WARM_UP_S, Load, figures
from bench.report import publish, working_directory
from services.client.connection import Connection
from services.embedded.free_ports import LOOPBACK
from services.embedded.stack import LocalStack

GOAL_P99_MS: Final = 1000
PROBES_PER_S: Final = 3
PATIENCE_S: Final = 30.0

TOUCHPOINTS: Final = (
    "order.cancelled_by_shop",
    "delivery.lost_or_returned",
    "delivery.damaged",
    "dispute.opened",
    "product.defect_reported",
    "pos.return_refused",
    "subscription.cancelled",
    "case.reopened",
    "case.escalated",
    "account.deleted",
    "email.spam_reported",
    "terms.misapplied",
)
"""One of these is a drop by itself."""

EACH_MAX: Final = 9
"""People whom one touchpoint may make fall: ten within an hour are an incident, and are not told one by one."""


class Receiver:
    """Notes when each customer's alert was first told."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Listen for as long as the block; yields the address."""
        came = self.came

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                arrived = time.monotonic()
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                came.setdefault(told["data"]["step"].get("customer", ""), arrived)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """What it was asked is not worth a line."""

        with ThreadingHTTPServer((LOOPBACK, 0), Taking) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://{LOOPBACK}:{server.server_address[1]}/"
            finally:
                server.shutdown()
                thread.join()


def mishap(number: int) -> dict[str, object]:
    """The first event of a new customer, at a channel that nobody shares."""
    return {
        "id": f"m-{number}",
        "source": "bench",
        "data": {
            "touchpoint": TOUCHPOINTS[number % len(TOUCHPOINTS)],
            "channel": f"way-{number}",
            "identities": [{"kind": "customer", "value": f"probe-{number}"}],
        },
    }


async def told(connection: Connection, receiver: Receiver, *, rate: int) -> dict[str, object]:
    """Seconds from the 202 to the first attempt, of every mishap."""
    count = EACH_MAX * len(TOUCHPOINTS)
    acknowledged: dict[str, float] = {}
    headers = {"Authorization": f"Bearer {connection.keys['server']}"}

    async def probe(number: int) -> None:
        answer = await ingest.post("/v1/events", json=mishap(number))
        answer.raise_for_status()
        acknowledged[f"customer:probe-{number}"] = time.monotonic()

    async with httpx.AsyncClient(base_url=connection.ingest, headers=headers, timeout=30) as ingest:
        load = Load(ingest, rate=max(BATCH, rate), seconds=count / PROBES_PER_S + WARM_UP_S)
        running = asyncio.create_task(load.run())
        await asyncio.sleep(WARM_UP_S)
        async with asyncio.TaskGroup() as probes:
            for number in range(count):
                probes.create_task(probe(number))
                await asyncio.sleep(1 / PROBES_PER_S)
        await running
    ended = time.monotonic()
    while not acknowledged.keys() <= receiver.came.keys() and time.monotonic() - ended < PATIENCE_S:  # noqa: ASYNC110 - a thread notes what is waited for
        await asyncio.sleep(0.1)
    missing = acknowledged.keys() - receiver.came.keys()
    waits = [receiver.came[customer] - when for customer, when in acknowledged.items() if customer not in missing]
    return {
        **figures(waits),
        "p99_goal_ms": GOAL_P99_MS,
        "alerts": len(waits),
        "missing": len(missing),
        "rate": rate,
        "generator_late_ms": round(load.late_s * 1000, 1),
    }


async def run(folder: Path, *, rate: int) -> dict[str, object]:
    """Run the whole stack with one route, to a receiver of ours."""
    receiver = Receiver()
    with receiver.listening() as url:
        (folder / "secret").write_text(f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}")
        routes = folder / "routes.toml"
        routes.write_text(
            f'[[route]]\nname = "bench"\nsink = "webhook"\nurl = "{url}"\nsecret = {{file = "secret"}}\ncooldown_hours = 0\n'
        )
        own = {"TACTUS_OUTBOUND__ROUTES": str(routes)}
        async with LocalStack(folder / "data", workers=1, unless_set=own) as connection:
            return {"from_202_to_attempt": await told(connection, receiver, rate=rate)}


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rate", type=int, default=1000)
    arguments = parser.parse_args()
    with working_directory() as folder:
        publish(asyncio.run(run(folder, rate=arguments.rate)), path=arguments.json)


if __name__ == "__main__":
    main()
