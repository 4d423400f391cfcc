"""The door's routes, as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import resources

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from services.infra.http.answer import Answer
from services.infra.http.health import Readiness, livez, readyz
from services.infra.http.peers import Peers
from services.infra.http.problems import Refused, of_status, refusal
from services.ingest.door import Door
from services.ingest.posted import Posted

log = structlog.get_logger(__name__)


def build_app(door: Door, *, unready: Readiness, peers: Peers) -> Starlette:
    """Wire the routes to the door."""

    async def post_events(request: Request) -> Response:
        headers = _headers(request)
        peer = request.client.host if request.client is not None else ""
        forwarded_for = [value for name, value in headers if name == "x-forwarded-for"]
        return _response(await door.post_events(Posted(headers, _pieces(request), peers.client(peer, forwarded_for))))

    contract = Answer(200, resources.files("schemas").joinpath("generated", "openapi-ingest.json").read_bytes())

    async def openapi(_: Request) -> Response:
        return _response(contract)

    async def lives(_: Request) -> Response:
        return _response(livez())

    async def is_ready(_: Request) -> Response:
        return _response(readyz(unready))

    app = Starlette(
        routes=[
            Route("/v1/events", post_events, methods=["POST"]),
            Route("/v1/openapi.json", openapi, methods=["GET"]),
            Route("/livez", lives, methods=["GET"]),
            Route("/readyz", is_ready, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _not_routed, ClientDisconnect: _left, Exception: _failed},
    )
    app.router.redirect_slashes = False
    return app


def _headers(request: Request) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]


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
