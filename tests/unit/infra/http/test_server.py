from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

from services.infra.http.answer import Answer
from services.infra.http.listening import bind
from services.infra.http.server import Limits, serve_http


class Slow:
    """An ASGI application whose answers wait to be let go."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.let_go = asyncio.Event()
        self.refused: list[Answer] = []

    async def __call__(
        self, _scope: object, _receive: object, send: Callable[[dict[str, object]], Awaitable[None]]
    ) -> None:
        self.asked.release()
        await self.let_go.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def served(app: Slow, *, requests_max: int | None) -> AsyncIterator[httpx.AsyncClient]:
    stop = asyncio.Event()
    limits = Limits(backlog=16, connections_max=64, requests_max=requests_max, idle_s=5, unread_s=5, finish_s=5)
    listener = bind(host="127.0.0.1", port=0, backlog=limits.backlog)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(serve_http(app, listener, stop=stop, limits=limits, refused=app.refused.append))
    async with asyncio.timeout(20):
        try:
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                yield client
        finally:
            app.let_go.set()
            stop.set()
            await serving


async def test_above_its_limit_a_process_answers_503_at_once_and_then_goes_on() -> None:
    app = Slow()
    async with served(app, requests_max=2) as client, asyncio.TaskGroup() as group:
        waiting = [group.create_task(client.get("/")) for _ in range(2)]
        for _ in waiting:
            await app.asked.acquire()

        refused = await client.get("/")
        app.let_go.set()
        answered = [await task for task in waiting]
        after = await client.get("/")

    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:tactus:problem:unavailable"
    assert int(refused.headers["retry-after"]) > 0
    assert [answer.status_code for answer in (*answered, after)] == [204] * 3
    assert [(answer.status, answer.problem) for answer in app.refused] == [(503, "unavailable")]


async def test_without_a_limit_none_is_refused() -> None:
    app = Slow()
    async with served(app, requests_max=None) as client, asyncio.TaskGroup() as group:
        waiting = [group.create_task(client.get("/")) for _ in range(8)]
        for _ in waiting:
            await app.asked.acquire()
        app.let_go.set()

    assert {task.result().status_code for task in waiting} == {204}
