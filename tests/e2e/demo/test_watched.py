"""The demo's outage as operators hear of it: a real Prometheus and a real Alertmanager, which tells it and that it is over."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.embedded.free_ports import LOOPBACK
from tests.support.demos import RunningDemo
from tests.support.prometheus import running_alertmanager, running_prometheus
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

CYCLE_S = 240.0
"""An endless demo has its outage within a minute and a half and its recovery within two, and the machine may be busy."""


@contextmanager
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Take what Alertmanager posts: the address, and each alert that was told."""
    told: list[dict[str, Any]] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_address[1]}/", told
        finally:
            server.shutdown()
            thread.join()


def heard(told: list[dict[str, Any]], status: str) -> list[dict[str, str]]:
    return [
        one["labels"] for one in told if one["status"] == status and one["labels"]["alertname"] == "ExperienceIncident"
    ]


def test_the_outage_fires_and_resolves_where_operators_are_told(folder: Path) -> None:
    demo = RunningDemo(folder, "--customers", "40", "--rate", "20")
    try:
        demo.wait_for("First score after")
        with (
            receiver() as (address, told),
            running_alertmanager(address, folder) as manager,
            running_prometheus(demo.connection.metrics, folder, alertmanager=manager),
        ):
            wait_until(lambda: heard(told, "firing"), what="the incident is told", timeout_s=CYCLE_S)
            wait_until(lambda: heard(told, "resolved"), what="its end is told", timeout_s=CYCLE_S)
        demo.interrupt()
        demo.wait_end()
    finally:
        demo.kill()

    said = demo.said()
    shared = set(re.findall(r"INCIDENT: \d+ customers share the (\w+ .+)", said))
    assert len(shared) == 1, said
    assert re.search(r"INCIDENT over: .+, \d+ customers", said), said
    assert {labels["severity"] for labels in heard(told, "firing")} == {"critical"}
    assert re.search(r"ALERT (warning|critical): \S+ [\d.]+ → [\d.]+: .+ -[\d.]+", said), said
