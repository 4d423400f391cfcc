from __future__ import annotations

import asyncio
import signal

import httpx
import pytest

from services.infra.http.operations import HEAD_BYTES_MAX, OperationsServer, serve_operations


@pytest.fixture
async def server() -> OperationsServer:
    return await serve_operations(host="127.0.0.1", port=0, ready=lambda: None)


async def get(server: OperationsServer, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{server.port}{path}", headers=headers)


async def raw(server: OperationsServer, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_process_is_alive_and_ready(server: OperationsServer) -> None:
    live, ready = await get(server, "/livez"), await get(server, "/readyz")
    await server.close()

    assert (live.status_code, live.text) == (200, "alive\n")
    assert (ready.status_code, ready.text) == (200, "ready\n")


async def test_a_process_that_is_not_ready_says_why() -> None:
    server = await serve_operations(host="127.0.0.1", port=0, ready=lambda: "waiting for Kafka")

    ready = await get(server, "/readyz")
    await server.close()

    assert (ready.status_code, ready.text) == (503, "waiting for Kafka\n")


async def test_metrics_speak_openmetrics_when_asked(server: OperationsServer) -> None:
    plain = await get(server, "/metrics")
    openmetrics = await get(server, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    await server.close()

    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "tactus_build_info{" in plain.text
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")


async def test_a_path_nobody_serves_names_those_that_are(server: OperationsServer) -> None:
    answer = await get(server, "/")
    await server.close()

    assert answer.status_code == 404
    assert "/metrics" in answer.text


async def test_head_has_the_length_and_no_body(server: OperationsServer) -> None:
    answer = await raw(server, b"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    await server.close()

    assert b"Content-Length: 6\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"\x16\x03\x01 not http\r\n\r\n", b"400"),
        (b"GET /" + b"a" * (HEAD_BYTES_MAX + 1) + b" HTTP/1.1\r\n\r\n", b"400"),
    ],
    ids=["post", "tls", "long"],
)
async def test_what_is_no_scrape_is_refused_and_the_next_scrape_works(
    server: OperationsServer, sent: bytes, status: bytes
) -> None:
    refused = await raw(server, sent)
    after = await get(server, "/livez")
    await server.close()

    assert refused.split(b" ")[1] == status
    assert after.status_code == 200


async def test_it_leaves_the_signal_handlers_alone() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    server = await serve_operations(host="127.0.0.1", port=0, ready=lambda: None)
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    await server.close()

    assert after == before


async def test_a_closed_server_no_longer_listens(server: OperationsServer) -> None:
    await server.close()

    with pytest.raises(httpx.ConnectError):
        await get(server, "/livez")
