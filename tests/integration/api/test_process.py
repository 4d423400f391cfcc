"""The read API as a process: ports, signals, and a database that goes away."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import httpx
import pytest

from services.embedded.postgres import EmbeddedPostgres
from services.state.roles import READER
from tests.support.apiprocess import ApiProcess, api_process, write_sources
from tests.support.corpus import framings
from tests.support.customers import Lived, store_person
from tests.support.databases import as_role
from tests.support.places import data_directory
from tests.support.readapi import KEY, T
from tests.support.waiting import wait_until
from tests.support.wire import send

pytestmark = pytest.mark.integration

ANNA = "/v1/customers/customer:anna%2F1"
ANSWER_S_MAX = 8.0
"""The deadline of an answer is five seconds."""


@pytest.fixture
async def api(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    await store_person(
        postgres_dsn, [Lived("customer:anna/1", "call.answered", T, 0.5)], customer="customer:anna/1", version=1
    )
    with api_process(as_role(postgres_dsn, READER), tmp_path) as process:
        yield process


def get(api: ApiProcess, path: str = ANNA, key: str = KEY) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(api.url + path, headers=headers, timeout=ANSWER_S_MAX)


def operations(api: ApiProcess, path: str) -> httpx.Response:
    return httpx.get(api.operations_url + path, timeout=ANSWER_S_MAX)


def answers(api: ApiProcess, status: int, path: str = ANNA) -> bool:
    return get(api, path).status_code == status


async def test_it_answers_over_tcp_and_tells_operators_that_it_is_ready(api: ApiProcess) -> None:
    wait_until(lambda: answers(api, 200, "/readyz"), what="it is ready")

    answer = get(api)
    statuses = [operations(api, path).status_code for path in ("/livez", "/readyz", "/metrics")]
    assert get(api, "/metrics").status_code == 404

    assert answer.json()["customer"] == "customer:anna/1"
    assert "server" not in answer.headers
    assert statuses == [200, 200, 200]


async def test_the_counts_of_the_conservation_law_are_shown(api: ApiProcess, postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(
        "INSERT INTO partition_progress (topic, part, next, applied, duplicate, conflict, dead, erased, start,"
        " lost, lost_accepted) VALUES"
        " ('cx.touchpoints.v1', 0, 120, 80, 5, 4, 3, 2, 10, 6, 6),"
        " ('cx.touchpoints.late.v1', 0, 7, 7, 0, 0, 0, 0, 0, 3, 0),"
        " ('cx.touchpoints.dlq.v1', 0, 9, 9, 0, 0, 0, 0, 0, 0, 0)"
    )
    await connection.close()

    def shown() -> str:
        page = operations(api, "/metrics").text
        return page if 'tactus_events_total{outcome="applied"}' in page else ""

    page = wait_until(lambda: shown() if 'outcome="applied"} 87' in shown() else None, what="87 are applied")
    for line in ('outcome="duplicate"} 5', 'outcome="conflict"} 4', 'outcome="dead"} 3', 'outcome="erased"} 2'):
        assert f"tactus_events_total{{{line}" in page
    # 110 + 7 passed, less 6 whose loss was accepted, is 111; 101 are accounted for.
    assert "tactus_conservation_gap_records 10.0" in page


async def test_sigterm_ends_it_with_success(api: ApiProcess) -> None:
    assert get(api).status_code == 200

    assert api.stop() == 0

    assert api.lines()[-1]["event"] == "api_stopped"


async def test_sigterm_ends_it_also_before_the_database_has_ever_answered(tmp_path: Path) -> None:
    with api_process("postgresql://nobody:secret@127.0.0.1:1/none", tmp_path) as api:
        answer = get(api)
        ready = get(api, "/readyz")
        code = api.stop()
        log = api.log.read_text()

    assert (answer.status_code, ready.status_code, code) == (503, 503, 0)
    assert int(answer.headers["retry-after"]) > 0
    assert "secret" not in log


async def test_a_new_key_is_valid_after_sighup_and_a_bad_file_changes_nothing(api: ApiProcess, tmp_path: Path) -> None:
    sources = tmp_path / "sources.toml"
    write_sources(sources, key="another-key")
    api.process.send_signal(signal.SIGHUP)
    wait_until(lambda: answers(api, 401), what="the old key is refused")

    sources.write_text("not toml")
    api.process.send_signal(signal.SIGHUP)
    wait_until(lambda: any(line["event"] == "sources_refused" for line in api.lines()), what="it is refused")

    response = get(api, key="another-key")
    assert response.status_code == 200


def guessed_until_refused(api: ApiProcess) -> int:
    """Guess keys until told to wait; a slow machine takes so long for them that more are admitted."""
    with httpx.Client(
        base_url=api.url, headers={"Authorization": "Bearer a-guessed-key"}, timeout=ANSWER_S_MAX
    ) as client:
        for guesses in range(1, 1000):
            if client.get(ANNA).status_code == 429:
                return guesses
    raise AssertionError("a thousand guesses were answered")


async def test_refusals_are_counted_and_told_without_a_key_or_a_name(api: ApiProcess) -> None:
    guesses = guessed_until_refused(api)
    get(api, "/v1/customers/customer:nobody-knows-her")
    get(api, "/v1/nothing-here")

    page, log = operations(api, "/metrics").text, api.log.read_text()

    counted = {
        reason: float(times)
        for reason, times in re.findall(r'tactus_api_refusals_total{reason="(.*?)"} ([0-9.]+)', page)
    }
    assert (counted.pop("unauthorized"), counted.pop("too-many-requests")) == (guesses - 1, 1)
    assert {reason: times for reason, times in counted.items() if times} == {"unknown-customer": 1, "not-found": 1}
    told = [line["reason"] for line in api.lines() if line["event"] == "request_refused"]
    assert {"unauthorized", "too-many-requests", "unknown-customer", "not-found"} == set(told)
    assert "guessed" not in log
    assert "nobody-knows" not in log


def test_a_head_that_is_too_large_or_never_ends_is_cut_off(api: ApiProcess) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=ANSWER_S_MAX) as large:
        large.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 128 * 1024)
        assert large.recv(1000).startswith(b"HTTP/1.1 431 ")
    with socket.create_connection(("127.0.0.1", api.port), timeout=ANSWER_S_MAX) as slow:
        slow.sendall(b"GET /livez HTTP/1.1\r\n")
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")

    assert get(api).status_code == 200


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n", b"{"),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n"),
        (b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", b"{"),
    ],
    ids=["a body that never ends", "empty lines", "a body that ends late"],
)
def test_who_says_something_after_the_answer_and_then_nothing_is_cut_off(
    api: ApiProcess, head: bytes, rest: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=ANSWER_S_MAX) as odd:
        odd.sendall(head)
        assert odd.recv(10_000).startswith(b"HTTP/1.1 ")
        odd.sendall(rest)

        said = b"".join(iter(lambda: odd.recv(1000), b""))

    assert re.findall(rb"HTTP/1\.1 (\d+)", said) in ([], [b"408"])


def test_many_requests_at_once_on_one_connection_are_answered_in_turn(api: ApiProcess) -> None:
    body = b"x" * 100_000
    posted = b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    asked = b"GET /livez HTTP/1.1\r\nHost: a\r\n"
    with socket.create_connection(("127.0.0.1", api.port), timeout=ANSWER_S_MAX) as several:
        several.sendall(posted + body + asked)
        several.sendall(b"Connection: close\r\n\r\n")

        said = b"".join(iter(lambda: several.recv(10_000), b""))

    assert re.findall(rb"HTTP/1\.1 (\d+)", said) == [b"405", b"200"]


IDLE = 1000


def test_a_thousand_idle_connections_shut_neither_the_api_nor_its_probes(api: ApiProcess) -> None:
    allow_files(IDLE + 200)
    with ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(socket.create_connection(("127.0.0.1", api.port), timeout=ANSWER_S_MAX))

        answered = get(api).status_code
        probes = [httpx.get(f"{url}{path}").status_code for url in (api.url, api.operations_url) for path in PROBES]

    assert answered == 200
    assert probes == [200] * 4


def test_a_thousand_idle_connections_shut_the_operators_port_to_nobody(api: ApiProcess) -> None:
    allow_files(IDLE + 200)
    with ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(socket.create_connection(("127.0.0.1", api.metrics_port), timeout=ANSWER_S_MAX))

        assert httpx.get(f"{api.operations_url}/livez").status_code == 200
        assert get(api).status_code == 200


PROBES = ("/livez", "/readyz")


def allow_files(needed: int) -> None:
    """Let this process hold so many descriptors; many systems start with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def test_bytes_that_are_no_request_get_a_problem_and_cost_no_other(api: ApiProcess) -> None:
    bad = [row for row in framings() if row.expect_type == "malformed-request"]

    replies = {row.name: send(api.port, [row.sent]) for row in bad}

    problems = {name: json.loads(reply.body) for name, reply in replies.items()}
    assert len(bad) > 15
    assert {reply.status for reply in replies.values()} == {400}
    assert {problem["type"] for problem in problems.values()} == {"urn:tactus:problem:malformed-request"}
    assert get(api).status_code == 200


def test_a_wrong_setting_ends_it_with_what_to_do(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "services.api"],
        env={"PATH": os.environ["PATH"], "TACTUS_SOURCES": str(tmp_path / "none.toml")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert run.returncode == 2
    assert "point TACTUS_SOURCES at the sources file" in run.stderr


async def test_no_identity_is_ever_logged(api: ApiProcess) -> None:
    for path in (ANNA, "/v1/customers/customer:anna-the-unknown", "/v1/customers/anna", f"{ANNA}?at=anna"):
        get(api, path)
    api.stop()

    assert "anna" not in api.log.read_text()


async def test_a_database_that_is_killed_or_frozen_means_503_in_bounded_time(tmp_path: Path) -> None:
    with data_directory() as folder:
        server = EmbeddedPostgres(folder)
        server.start()
        try:
            with api_process(server.dsn, tmp_path) as api:
                wait_until(lambda: "no tables" in get(api, "/readyz").text, what="the database answers")

                _freeze(server, signal.SIGSTOP)
                frozen, frozen_s = _timed(api)
                _freeze(server, signal.SIGCONT)
                wait_until(lambda: "no tables" in get(api, "/readyz").text, what="it is back")

                server.kill()
                killed, killed_s = _timed(api)
                server.launch()
                server.wait_ready()
                wait_until(lambda: "no tables" in get(api, "/readyz").text, what="it is back again")
                code = api.stop()
        finally:
            server.stop()

    for response, seconds in ((frozen, frozen_s), (killed, killed_s)):
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert seconds < ANSWER_S_MAX
    assert code == 0


def _freeze(server: EmbeddedPostgres, number: signal.Signals) -> None:
    # The postmaster and its backends: a backend would answer though its parent is stopped.
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for pid in (server.pid, *map(int, children)):
        os.kill(pid, number)


def _timed(api: ApiProcess) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    return get(api), time.monotonic() - started
