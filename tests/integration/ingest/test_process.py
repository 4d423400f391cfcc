"""How the process starts, heals and ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from schemas.documents.openapi_ingest import openapi_ingest
from schemas.topics import DLQ, EVENTS
from services.embedded.kafka import EmbeddedKafka
from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings
from tests.support.apiprocess import HOOK
from tests.support.independent_log import read_log
from tests.support.ingestprocess import IngestProcess, ingest_process
from tests.support.places import data_directory
from tests.support.senders import ANONYMOUS_KEY, SERVER_KEY, SPARE_KEY, event, visit, write_sources
from tests.support.slowness import Stopwatch
from tests.support.topic_limits import limit_topic
from tests.support.waiting import wait_until
from tests.support.wire import send

pytestmark = pytest.mark.integration

DEADLINE_S = 2.0
IN_FLIGHT_BYTES = 5 * 1024 * 1024
MEMORY_GROWTH_BYTES = 80 * 1024 * 1024
"""Twice the two budgets, for bodies and for the producer, with room for Python's own objects."""

SHORT = {"TACTUS_INGEST__DEADLINE_S": str(DEADLINE_S), "TACTUS_INGEST__IN_FLIGHT_BYTES_MAX": str(IN_FLIGHT_BYTES)}


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    """A broker that a test may break."""
    with data_directory() as folder:
        own = EmbeddedKafka(folder)
        own.start()
        yield own
        own.stop()


def make_topics(broker: EmbeddedKafka) -> None:
    asyncio.run(apply_topics(KafkaSettings(bootstrap=broker.bootstrap)))


def ids_in_log(broker: EmbeddedKafka) -> list[bytes]:
    return [one.value or b"" for one in read_log(broker.bootstrap, EVENTS)]


def test_started_while_kafka_is_away_it_lives_says_why_it_is_not_ready_and_heals(tmp_path: Path) -> None:
    with data_directory() as folder:
        broker = EmbeddedKafka(folder)
        with ingest_process(broker.bootstrap, tmp_path, settings=SHORT) as ingest:
            for operations in (False, True):
                assert ingest.status("/livez", operations=operations) == 200
                assert ingest.status("/readyz", operations=operations) == 503
            answer = ingest.post(event())
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:tactus:problem:unavailable")
            assert int(answer.headers["retry-after"]) > 0

            broker.start()
            try:
                make_topics(broker)
                ingest.wait_ready()
                assert ingest.post(event()).status_code == 202
                assert ingest.status("/readyz", operations=True) == 200
            finally:
                broker.stop()


def test_without_topics_it_is_not_ready_until_they_are_made(tmp_path: Path, broker: EmbeddedKafka) -> None:
    with ingest_process(broker.bootstrap, tmp_path, settings=SHORT) as ingest:
        wait_until(lambda: ingest.logged("log_away"), what="it misses the topics")
        assert ingest.status("/readyz") == 503

        make_topics(broker)

        ingest.wait_ready()


def test_kafka_going_away_means_503_in_time_in_bounded_memory_and_it_heals_by_itself(
    tmp_path: Path, broker: EmbeddedKafka
) -> None:
    make_topics(broker)
    with ingest_process(broker.bootstrap, tmp_path, settings=SHORT) as ingest:
        ingest.wait_ready()
        assert ingest.post(event("before")).status_code == 202
        memory = psutil.Process(ingest.process.pid).memory_info
        before = memory().rss

        broker.kill()
        slowest, statuses, peak = asyncio.run(storm(ingest, memory))

        assert set(statuses) == {503}
        assert slowest < DEADLINE_S + 3
        assert peak - before < MEMORY_GROWTH_BYTES
        why = f"Kafka at {broker.bootstrap} takes no connections; start it"
        wait_until(lambda: httpx.get(f"{ingest.url}/readyz").text.startswith(why), what="it says why it is not ready")
        assert ingest.status("/readyz") == 503
        assert ingest.status("/livez") == 200
        watch = Stopwatch(ingest.process.pid)
        assert ingest.post(event("refused")).status_code == 503
        assert watch.seconds() < 1

        broker.launch()
        broker.wait_ready()
        ingest.wait_ready()
        assert ingest.post(event("after")).status_code == 202
        kept = b"".join(ids_in_log(broker))
        assert b'"before"' in kept
        assert b'"after"' in kept


async def storm(ingest: IngestProcess, memory: object) -> tuple[float, list[int], int]:
    """Send large batches at once, again and again, as clients do that retry; tell the slowest answer and the peak."""
    body = [event(str(number)) | {"data": {**large()}} for number in range(40)]
    slowest, statuses, peak = 0.0, [], 0

    async def post(client: httpx.AsyncClient) -> None:
        nonlocal slowest, peak
        for _ in range(5):
            watch = Stopwatch(ingest.process.pid)
            answer = await client.post("/v1/events", json=body, timeout=DEADLINE_S + 10)
            slowest = max(slowest, watch.seconds())
            statuses.append(answer.status_code)
            peak = max(peak, memory().rss)  # type: ignore[operator]  # psutil's bound method

    async with httpx.AsyncClient(base_url=ingest.url, headers={"Authorization": f"Bearer {SERVER_KEY}"}) as client:
        await asyncio.gather(*(post(client) for _ in range(20)))
    return slowest, statuses, peak


def large() -> dict[str, object]:
    inside = event()["data"]
    assert isinstance(inside, dict)
    return {**inside, "properties": {"filler": "x" * 10_000}}


def test_one_clients_large_events_cost_nobody_else_a_202(tmp_path: Path, broker: EmbeddedKafka) -> None:
    make_topics(broker)
    with ingest_process(broker.bootstrap, tmp_path, settings=SHORT) as ingest:
        ingest.wait_ready()
        asyncio.run(limit_topic(broker.bootstrap, EVENTS, 10_000))

        large, small, many = asyncio.run(beside_large_events(ingest))

        assert set(large) == {413}
        assert set(small) == {202}
        assert many == 202
        kept = b"".join(ids_in_log(broker))
        assert b'"small-99"' in kept
        assert b'"large' not in kept
        letters = [one.value or b"" for one in read_log(broker.bootstrap, DLQ)]
        assert len(letters) == len(large)
        assert ingest.status("/readyz") == 200


async def beside_large_events(ingest: IngestProcess) -> tuple[list[int], list[int], int]:
    """Send one large event again and again, as a client that retries, beside others' small ones and a batch of many."""
    async with httpx.AsyncClient(
        base_url=ingest.url, headers={"Authorization": f"Bearer {SERVER_KEY}"}, timeout=20
    ) as client:

        async def post(count: int, name: str, inside: dict[str, object]) -> list[int]:
            return [
                (await client.post("/v1/events", json=event(f"{name}-{number}") | {"data": inside})).status_code
                for number in range(count)
            ]

        small = event()["data"]
        assert isinstance(small, dict)
        wide = {**small, "properties": {"filler": "x" * 13_000}}
        statuses = await asyncio.gather(post(20, "large", wide), post(100, "small", small))
        batch = [event(f"many-{number}") for number in range(100)]
        return *statuses, (await client.post("/v1/events", json=batch)).status_code


def test_what_a_pages_key_may_store_in_a_day_is_all_that_it_stores(tmp_path: Path, topics_bootstrap: str) -> None:
    day_bytes = 1024**2
    with ingest_process(
        topics_bootstrap, tmp_path, settings={"TACTUS_INGEST__BROWSER_DAY_BYTES_MAX": str(day_bytes)}
    ) as ingest:
        ingest.wait_ready()
        sent = [visit(number, p="x" * 20_000) for number in range(60)]
        answers = [ingest.post([one], key=ANONYMOUS_KEY) for one in sent]
        from_server = ingest.post([event("of a server")])

    kept = [answer.status_code for answer in answers].index(429)
    assert {answer.status_code for answer in answers[:kept]} == {202}
    assert {answer.status_code for answer in answers[kept:]} == {429}
    assert kept * 20_000 <= day_bytes / 2 + 20_000
    assert int(answers[-1].headers["retry-after"]) > 60
    assert from_server.status_code == 202


def test_an_address_that_floods_waits_and_others_behind_the_same_proxy_do_not(
    tmp_path: Path, topics_bootstrap: str
) -> None:
    settings = {"TACTUS_INGEST__BROWSER_ADDRESS_EVENTS_PER_S_MAX": "1", "TACTUS_INGEST__TRUSTED_PROXIES": "127.0.0.1"}
    with ingest_process(topics_bootstrap, tmp_path, settings=settings) as ingest:
        ingest.wait_ready()

        def post(address: str, *, first: int) -> httpx.Response:
            headers = {"Authorization": f"Bearer {ANONYMOUS_KEY}", "X-Forwarded-For": f"192.0.2.99, {address}"}
            events = [visit(number) for number in range(first, first + 400)]
            return httpx.post(f"{ingest.url}/v1/events", json=events, headers=headers, timeout=20)

        flood = [post("198.51.100.1", first=first) for first in (0, 400)]
        other = post("198.51.100.2", first=800)

    assert [answer.status_code for answer in (*flood, other)] == [202, 429, 202]
    assert int(flood[1].headers["retry-after"]) > 60


def test_metrics_are_shown_at_the_operators_port_only(tmp_path: Path, topics_bootstrap: str) -> None:
    with ingest_process(topics_bootstrap, tmp_path) as ingest:
        public = httpx.get(f"{ingest.url}/metrics")

        assert ingest.status("/metrics", operations=True) == 200

    assert public.status_code == 404


def test_the_door_tells_its_own_contract(tmp_path: Path, topics_bootstrap: str) -> None:
    with ingest_process(topics_bootstrap, tmp_path) as ingest:
        told = httpx.get(f"{ingest.url}/v1/openapi.json")

    assert told.json() == openapi_ingest()


def test_a_frozen_broker_is_a_broker_that_is_away(tmp_path: Path, broker: EmbeddedKafka) -> None:
    make_topics(broker)
    with ingest_process(broker.bootstrap, tmp_path, settings=SHORT) as ingest:
        ingest.wait_ready()
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            watch = Stopwatch(ingest.process.pid)
            assert ingest.post(event("frozen")).status_code == 503
            assert watch.seconds() < DEADLINE_S + 2
            wait_until(lambda: ingest.status("/readyz") == 503, what="it says that it is not ready")
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        ingest.wait_ready()
        assert ingest.post(event("thawed")).status_code == 202


def test_a_request_under_way_at_sigterm_is_answered_and_the_process_ends_with_0(
    tmp_path: Path, topics_bootstrap: str
) -> None:
    with ingest_process(topics_bootstrap, tmp_path) as ingest:
        ingest.wait_ready()
        with socket.create_connection(("127.0.0.1", ingest.port), timeout=20) as connection:
            connection.sendall(
                b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n"
                b"Authorization: Bearer " + SERVER_KEY.encode() + b"\r\n\r\n" + b" " * 2000
            )
            assert ingest.status("/livez") == 200  # so the request before it has begun
            ingest.process.send_signal(signal.SIGTERM)
            wait_until(lambda: ingest.logged("ingest_stopping"), what="it says that it stops")
            assert ingest.status("/readyz", operations=True) == 503

            connection.sendall(b'{"id":"last","data":{"touchpoint":"web.page_viewed"},"subject":"c1"}'.ljust(2000))

            assert connection.recv(4096).startswith(b"HTTP/1.1 202")
        assert ingest.process.wait(20) == 0
        assert ingest.logged("ingest_stopped")


def test_sigterm_while_kafka_is_away_still_ends_with_0(tmp_path: Path, broker: EmbeddedKafka) -> None:
    make_topics(broker)
    with ingest_process(broker.bootstrap, tmp_path, settings=SHORT) as ingest:
        ingest.wait_ready()
        broker.kill()
        assert ingest.post(event()).status_code == 503

        assert ingest.stop() == 0


def test_keys_are_withdrawn_by_sighup_and_a_bad_file_changes_nothing(ingest: IngestProcess) -> None:
    assert ingest.post(event(), key=SPARE_KEY).status_code == 202

    write_sources(ingest.sources, revoked=(SPARE_KEY,))
    ingest.process.send_signal(signal.SIGHUP)
    wait_until(lambda: ingest.logged("sources_loaded"), what="the file is read again")

    withdrawn = ingest.post(event(), key=SPARE_KEY)
    unknown = ingest.post(event(), key="nobodys")
    assert (withdrawn.status_code, withdrawn.content) == (401, unknown.content)
    assert ingest.post(event()).status_code == 202

    ingest.sources.write_text("[[source")
    ingest.process.send_signal(signal.SIGHUP)
    (refused,) = wait_until(lambda: ingest.logged("sources_refused"), what="the bad file is refused")
    assert str(ingest.sources) in str(refused["reason"])
    assert ingest.post(event()).status_code == 202


@pytest.mark.parametrize("missing", ["TACTUS_SOURCES", "TACTUS_HASH_KEY"])
def test_a_missing_setting_ends_the_process_with_its_name(tmp_path: Path, missing: str) -> None:
    sources = tmp_path / "sources.toml"
    write_sources(sources)
    settings = {"TACTUS_SOURCES": str(sources), "TACTUS_HASH_KEY": "k" * 40, "PATH": os.environ["PATH"]}
    del settings[missing]

    ended = subprocess.run(
        [sys.executable, "-m", "services.ingest"], env=settings, capture_output=True, timeout=60, check=False
    )

    assert ended.returncode == 2
    assert missing.encode() in ended.stderr


def test_a_hook_s_secret_that_is_missing_ends_the_start_with_the_file_to_fill(tmp_path: Path) -> None:
    sources = tmp_path / "sources.toml"
    sources.write_text(HOOK)
    environment = {"PATH": os.environ["PATH"], "TACTUS_SOURCES": str(sources), "TACTUS_HASH_KEY": "x" * 32}

    ended = subprocess.run(
        [sys.executable, "-m", "services.ingest"], env=environment, capture_output=True, timeout=60, check=False
    )

    assert ended.returncode == 2
    assert "finds no secret in nowhere: put the one that shopify shows into that file" in ended.stderr.decode()


HALF_A_HEAD = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthoriz"
HALF_A_BODY = (
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n"
    b"Authorization: Bearer " + SERVER_KEY.encode() + b"\r\n\r\n{"
)


@pytest.mark.parametrize(
    ("sent", "limit_s"), [(b"", 5), (HALF_A_HEAD, 5), (HALF_A_BODY, 10)], ids=["nothing", "half-a-head", "half-a-body"]
)
def test_a_sender_that_stops_in_the_middle_is_told_so_and_cut_off(
    ingest: IngestProcess, sent: bytes, limit_s: float
) -> None:
    watch = Stopwatch(ingest.process.pid)

    reply = send(ingest.port, [sent])

    assert reply.status == 408
    assert watch.seconds() < limit_s + 3
    assert ingest.post(event()).status_code == 202


def test_a_head_without_end_is_cut_off_by_its_size(ingest: IngestProcess) -> None:
    with socket.create_connection(("127.0.0.1", ingest.port), timeout=20) as connection:
        connection.sendall(b"POST /v1/events HTTP/1.1\r\n")

        def pour() -> None:
            for _ in range(10_000):
                try:
                    connection.sendall(b"X-Filler: " + b"x" * 8000 + b"\r\n")
                except OSError:
                    return

        pouring = threading.Thread(target=pour)
        pouring.start()
        pouring.join(20)
        assert not pouring.is_alive()
    assert ingest.post(event()).status_code == 202


def test_a_sender_that_leaves_in_the_middle_fails_nothing(ingest: IngestProcess) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", ingest.port), timeout=20) as connection:
            connection.sendall(HALF_A_BODY)

    assert ingest.post(event()).status_code == 202
    assert "Traceback" not in ingest.log.read_text()
