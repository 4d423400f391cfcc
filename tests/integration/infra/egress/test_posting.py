"""One request to somebody else's server: whatever that does, it has an outcome within its time and its bytes."""

from __future__ import annotations

import asyncio
import resource
import ssl
from itertools import repeat
from time import monotonic

import pytest
import trustme

from services.infra.egress import posting
from services.infra.egress.posting import BODY_BYTES_MAX, Answered, Unanswered, post
from services.infra.egress.resolving import SystemResolver
from services.infra.egress.urls import NotAllowed, Target, target_of
from tests.support.receivers import Behaviour, Names, Receiver, answer, hostile, read_request, receiver, way_of

BODY = b'{"type":"test"}'
HEADERS = {"Content-Type": "application/json"}
PUBLIC = "8.8.8.8"


def to(made: Receiver, *, scheme: str = "http", host: str = "127.0.0.1") -> Target:
    target = target_of(made.url(scheme=scheme, host=host), http=True)
    assert not isinstance(target, NotAllowed)
    return target


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> float:
    """The time of a request, so that nobody waits fifteen seconds for a test."""
    monkeypatch.setattr(posting, "ANSWER_S", 1.0)
    return 1.0


async def test_a_request_arrives_whole_and_names_its_host() -> None:
    async with receiver() as made:
        answered = await post(
            to(made, host="hook.example"), HEADERS, BODY, way=way_of(Names(hook_example=[["127.0.0.1"]]))
        )

        assert answered == Answered(204, None, b"")
        (request,) = made.received
        assert (request.path, request.body) == ("/hook", BODY)
        assert request.headers["host"] == f"hook.example:{made.port}"
        assert request.headers["content-type"] == "application/json"


async def test_certificates_are_checked_against_the_name_while_the_checked_address_is_connected_to() -> None:
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.configure_trust(ours)
    authority.issue_cert("hook.example").configure_cert(theirs)
    names = Names(hook_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])

    async with receiver(tls=theirs) as made:
        right = await post(to(made, scheme="https", host="hook.example"), HEADERS, BODY, way=way_of(names, tls=ours))
        wrong = await post(to(made, scheme="https", host="other.example"), HEADERS, BODY, way=way_of(names, tls=ours))
        strange = await post(to(made, scheme="https", host="hook.example"), HEADERS, BODY, way=way_of(names))

        assert right == Answered(204, None, b"")
        for refused in (wrong, strange):
            assert refused == Unanswered("unreachable", "TLS: CERTIFICATE_VERIFY_FAILED")
        assert len(made.received) == 1


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["10.0.0.7"], ["fe80::1%eth0"], ["nonsense"]],
)
async def test_a_name_that_leads_inside_is_never_connected_to(addresses: list[str]) -> None:
    async with receiver() as made:
        names = Names(hook_example=[addresses])

        refused = await post(to(made, host="hook.example"), HEADERS, BODY, way=way_of(names, loopback=False))

        assert refused == Unanswered("blocked", "an address of the host is not public")
        assert made.connections == 0


async def test_a_name_whose_address_changes_is_judged_by_the_one_that_is_connected_to() -> None:
    async with receiver() as made:
        names = Names(hook_example=[["127.0.0.1"], ["10.0.0.7"]])

        first = await post(to(made, host="hook.example"), HEADERS, BODY, way=way_of(names))
        second = await post(to(made, host="hook.example"), HEADERS, BODY, way=way_of(names))

        assert isinstance(first, Answered)
        assert second == Unanswered("blocked", "an address of the host is not public")
        assert names.asked == ["hook.example", "hook.example"]
        assert made.connections == 1


@pytest.mark.parametrize("host", ["localhost", "ip6-localhost"])
async def test_the_machine_s_own_resolver_leads_inside_no_more_than_any(host: str) -> None:
    target = Target("https", host, 443, "/")

    refused = await post(target, HEADERS, BODY, way=way_of(loopback=False)._replace(resolver=SystemResolver()))

    assert isinstance(refused, Unanswered)
    assert refused.outcome in {"blocked", "unresolved"}


async def test_the_environment_s_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as proxy, receiver() as made:
        for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))

        await post(to(made), HEADERS, BODY, way=way_of())

        assert (proxy.connections, made.connections) == (0, 1)


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with receiver() as inside, receiver(301, location=inside.url()) as made:
        assert await post(to(made), HEADERS, BODY, way=way_of()) == Answered(301, None, b"")

        assert inside.connections == 0


async def test_retry_after_is_told_as_it_came_and_not_at_any_length() -> None:
    async with receiver(503, retry_after="9" * 1000) as made:
        answered = await post(to(made), HEADERS, BODY, way=way_of())

        assert answered == Answered(503, "9" * 64, b"")


async def forever(writer: asyncio.StreamWriter, piece: bytes) -> None:
    for _ in repeat(None):
        writer.write(piece)
        await writer.drain()


async def huge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
    await forever(writer, b"x" * 65_536)


async def endless_head(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await forever(writer, b"x-more: " + b"x" * 1000 + b"\r\n")


async def informing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await forever(writer, b"HTTP/1.1 103 Early Hints\r\n\r\n")


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    for byte in answer(200, b"x" * 1000):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.2)


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(65_536):
        pass
    await asyncio.Event().wait()


async def resetting(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def babbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"220 mail.example ESMTP\r\n")
    await writer.drain()


async def switching(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
    await writer.drain()


UNKIND: dict[str, tuple[Behaviour, str]] = {
    "1 B/s": (dripping, "timeout"),
    "never answers": (silent, "timeout"),
    "closes at once": (resetting, "unreachable malformed"),
    "speaks another language": (babbling, "malformed"),
    "an endless head": (endless_head, "malformed"),
    "a flood of 1xx": (informing, "malformed"),
    "another protocol": (switching, "malformed"),
}


@pytest.mark.parametrize("unkind", UNKIND.values(), ids=UNKIND.keys())
async def test_an_unkind_server_has_an_outcome_in_its_time(unkind: tuple[Behaviour, str], short: float) -> None:
    behave, outcomes = unkind
    async with hostile(behave) as made:
        began = monotonic()

        found = await post(to(made), HEADERS, BODY, way=way_of())

        assert isinstance(found, Unanswered)
        assert found.outcome in outcomes
        assert monotonic() - began < short + 20  # a machine may be slow, nobody waits for ever


async def test_of_a_body_without_end_no_more_is_kept_than_the_cap() -> None:
    async with hostile(huge) as made:
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        found = [await post(to(made), HEADERS, BODY, way=way_of()) for _ in range(20)]

        assert found == [Answered(200, None, b"x" * BODY_BYTES_MAX)] * 20
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 32 * 1024


async def test_an_address_that_does_not_take_it_leaves_the_next_its_turn() -> None:
    async with receiver() as made:
        names = Names(hook_example=[["127.0.0.9", "127.0.0.1"]])

        assert isinstance(await post(to(made, host="hook.example"), HEADERS, BODY, way=way_of(names)), Answered)
