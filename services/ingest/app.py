"""The door's routes, as an ASGI application."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from importlib import resources
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, compile_path

from services.infra.http.answer import Answer
from services.infra.http.health import Readiness, livez, readyz
from services.infra.http.peers import Peers
from services.infra.http.problems import Refused, of_status, refusal
from services.ingest.adapter import Adapter, Page
from services.ingest.door import Door
from services.ingest.head import Head

log = structlog.get_logger(__name__)

PREFIX: Final = "/v1/"
"""Of what is there for others; the rest is for operators."""


def build_app(door: Door, adapters: Sequence[Adapter], *, unready: Readiness, peers: Peers) -> Starlette:
    """Wire the channels' routes to the door."""

    def posting(adapter: Adapter) -> Callable[[Request], Awaitable[Response]]:
        async def post(request: Request) -> Response:
            return _response(await door.take(adapter, _head(request, peers), _pieces(request)))

        return post

    def showing(page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def show(request: Request) -> Response:
            return _response(page.show(_head(request, peers), door.sources()))

        return show

    contract = Answer(200, resources.files("schemas").joinpath("generated", "openapi-ingest.json").read_bytes())

    async def openapi(_: Request) -> Response:
        return _response(contract)

    async def lives(_: Request) -> Response:
        return _response(livez())

    async def is_ready(_: Request) -> Response:
        return _response(readyz(unready))

    app = Starlette(
        routes=[
            *(Route(path, posting(adapter), methods=["POST"]) for adapter in adapters for path in adapter.routes),
            *(Route(page.path, showing(page), methods=["GET"]) for adapter in adapters for page in adapter.pages),
            Route("/v1/openapi.json", openapi, methods=["GET"]),
            Route("/livez", lives, methods=["GET"]),
            Route("/readyz", is_ready, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _not_routed, ClientDisconnect: _left, Exception: _failed},
    )
    app.router.redirect_slashes = False
    return app


def open_to_pages(adapters: Sequence[Adapter]) -> Callable[[str], bool]:
    """Return what tells whether pages of other origins have any business at a path."""
    opened = [pattern for adapter in adapters if adapter.serves_pages for pattern in _patterns(adapter)]
    closed = [pattern for adapter in adapters if not adapter.serves_pages for pattern in _patterns(adapter)]

    def is_open(path: str) -> bool:
        if any(pattern.match(path) for pattern in opened):
            return True
        # A page that has its path wrong shall be able to read that.
        return path.startswith(PREFIX) and not any(pattern.match(path) for pattern in closed)

    return is_open


def _patterns(adapter: Adapter) -> list[re.Pattern[str]]:
    paths = (*adapter.routes, *(page.path for page in adapter.pages))
    return [compile_path(path)[0] for path in paths]


def _head(request: Request, peers: Peers) -> Head:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
    peer = request.client.host if request.client is not None else ""
    forwarded_for = [value for name, value in headers if name == "x-forwarded-for"]
    query = request.query_params.multi_items()
    return Head(headers, peers.client(peer, forwarded_for), request.url.path, request.path_params, query)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        yield piece


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers), answer.media_type or None)


async def _not_routed(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _response(refusal(of_status(error.status_code)).with_headers(error.headers or {}))


async def _left(_: Request, __: Exception) -> Response:
    # Nobody reads this: the client closed its connection before its body was whole.
    return _response(refusal(Refused("timeout")))


async def _failed(_: Request, error: Exception) -> Response:
    log.error("request_failed", exc_info=error)
    return _response(refusal(Refused("internal")))
