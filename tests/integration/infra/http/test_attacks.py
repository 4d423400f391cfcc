"""What senders can do to a connection costs them the connection, and nobody else anything."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack

import psutil
import pytest

from services.infra.http.protocol import HEAD_BYTES_MAX, PIPELINE_MAX
from services.infra.http.server import Limits
from tests.support.httpserver import Recorder, connected, everything, one_answer, served
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

LIMITS = Limits(backlog=64, connections_max=64, requests_max=None, idle_s=30, unread_s=30, finish_s=1)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
POURED_MAX = 64 * 1024 * 1024
"""Many times what a server may take of it, and the kernel's own buffers."""


def ask(port: int) -> bytes:
    """Send a good request on a connection of its own, and return the answer."""
    with connected(port) as good:
        good.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        return everything(good)


def statuses(said: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 (\d+)", said)


def pour(connection: socket.socket, piece: bytes) -> int:
    """Send until the server closes; return how many bytes it let come."""
    poured = 0
    try:
        while poured < POURED_MAX:
            poured += connection.send(piece)
    except OSError:
        pass
    return poured


def kept_open(port: int) -> int:
    """Count the connections that the server in this process holds."""
    held = psutil.Process().net_connections(kind="tcp")
    return sum(one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in held)


def test_a_trailer_is_no_header() -> None:
    app = Recorder()
    with served(app, LIMITS) as port, connected(port) as sender:
        sender.sendall(CHUNKED + b"1\r\nx\r\n0\r\nAuthorization: Bearer key\r\nX-Other: 1\r\n\r\n")
        answer = one_answer(sender)
        sender.sendall(GET)
        after = one_answer(sender)

    assert statuses(answer + after) == [b"200", b"200"]
    assert [[name for name, _ in scope["headers"]] for scope in app.seen] == [
        [b"host", b"transfer-encoding"],
        [b"host"],
    ]


@pytest.mark.parametrize(
    ("beginning", "piece"),
    [
        (CHUNKED + b"1\r\nx\r\n0\r\nX: ", b"x" * 8000),
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"X-Trailer: " + b"x" * 8000 + b"\r\n"),
        (CHUNKED + b"1;", b"x" * 8000),
        (CHUNKED + b"1\r\nx\r\n1;a=", b"x" * 8000),
    ],
    ids=["one trailer", "many trailers", "an extension", "a later extension"],
)
def test_what_comes_after_a_head_and_is_no_body_is_bounded(beginning: bytes, piece: bytes) -> None:
    app = Recorder()
    with served(app, LIMITS) as port:
        with connected(port) as sender:
            sender.sendall(beginning)
            poured = pour(sender, piece)
        after = ask(port)

    assert poured < POURED_MAX
    assert statuses(after) == [b"200"]


def test_a_body_in_the_smallest_chunks_is_a_body() -> None:
    app = Recorder()
    with served(app, LIMITS) as port, connected(port) as sender:
        sender.sendall(CHUNKED + b"1\r\nx\r\n" * HEAD_BYTES_MAX + b"0\r\n\r\n")
        answer = one_answer(sender)

    assert statuses(answer) == [b"200"]
    assert answer.endswith(b"\r\n\r\n%d\n" % HEAD_BYTES_MAX)


def test_as_many_requests_may_wait_as_clients_send_ahead() -> None:
    app = Recorder()
    with served(app, LIMITS) as port, connected(port) as sender:
        sender.sendall(GET * PIPELINE_MAX + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        said = everything(sender)

    assert statuses(said) == [b"200"] * (PIPELINE_MAX + 1)


def test_more_requests_at_once_cost_the_connection_and_make_no_work() -> None:
    app = Recorder()
    with served(app, LIMITS) as port:
        with connected(port) as sender:
            sender.sendall(GET * 2000)
            said = everything(sender)
        seen = len(app.seen)
        after = ask(port)

    assert len(statuses(said)) <= PIPELINE_MAX + 1
    assert seen <= PIPELINE_MAX + 1
    assert statuses(after) == [b"200"]


def test_a_receiver_that_never_reads_is_cut_off() -> None:
    app = Recorder(answer_bytes=32 * 1024 * 1024)
    with served(app, LIMITS._replace(unread_s=1)) as port, connected(port) as deaf:
        deaf.sendall(GET)
        wait_until(lambda: app.finished == 1, what="the answer waits to be read")
        assert kept_open(port) == 1

        wait_until(lambda: kept_open(port) == 0, what="the server has closed")
        app.answer_bytes = 0
        after = ask(port)
        read = len(everything(deaf))

    assert read < 32 * 1024 * 1024
    assert statuses(after) == [b"200"]


def test_a_receiver_that_reads_in_time_gets_all() -> None:
    app = Recorder(answer_bytes=8 * 1024 * 1024)
    with served(app, LIMITS._replace(unread_s=1)) as port:
        said = ask(port)

    assert len(said) > 8 * 1024 * 1024


def test_for_one_more_connection_the_longest_idle_goes() -> None:
    app = Recorder()
    with served(app, LIMITS._replace(connections_max=3)) as port, ExitStack() as stack:
        first, second, third = (stack.enter_context(connected(port)) for _ in range(3))
        for connection in (first, second, third, first):
            connection.sendall(GET)
            assert statuses(one_answer(connection)) == [b"200"]

        fourth = stack.enter_context(connected(port))
        fourth.sendall(GET)
        answers = [statuses(one_answer(fourth)), everything(second)]
        for connection in (first, third):
            connection.sendall(GET)
            answers.append(statuses(one_answer(connection)))

    assert answers == [[b"200"], b"", [b"200"], [b"200"]]


def test_when_every_connection_is_at_work_one_more_is_told_to_come_later() -> None:
    app = Recorder()
    app.hold.clear()
    with served(app, LIMITS._replace(connections_max=2)) as port, ExitStack() as stack:
        busy = [stack.enter_context(connected(port)) for _ in range(2)]
        for connection in busy:
            connection.sendall(GET)
        wait_until(lambda: len(app.seen) == 2, what="both are at work")

        refused = ask(port)
        app.hold.set()
        answers = [statuses(one_answer(connection)) for connection in busy]

    assert statuses(refused) == [b"503"]
    assert b"Retry-After: " in refused
    assert answers == [[b"200"], [b"200"]]


def test_idle_connections_are_no_running_requests() -> None:
    app = Recorder()
    with served(app, LIMITS._replace(requests_max=1)) as port, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connected(port))

        assert statuses(ask(port)) == [b"200"]


def test_probes_are_answered_above_the_limit_of_requests() -> None:
    app = Recorder()
    app.hold.clear()
    with served(app, LIMITS._replace(requests_max=1)) as port, ExitStack() as stack:
        busy = stack.enter_context(connected(port))
        busy.sendall(GET)
        wait_until(lambda: len(app.seen) == 1, what="a request runs")

        refused = ask(port)
        probe = stack.enter_context(connected(port))
        probe.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: len(app.seen) == 2, what="the probe is let through")
        app.hold.set()

        assert statuses(refused) == [b"503"]
        assert statuses(one_answer(probe)) == [b"200"]
