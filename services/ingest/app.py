"""The door's routes, as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.ingest import answers
from services.ingest.answers import Answer
from services.ingest.door import Door, Posted
from services.ingest.refusal import Refused

log = structlog.get_logger(__name__)

_SLUGS = {404: "not-found", 405: "method-not-allowed"}


def build_app(door: Door, *, unready: Callable[[], str | None]) -> Starlette:
    """Wire the routes to the door; `unready` tells why the process wants no requests, or None."""

    async def post_events(request: Request) -> Response:
        return _response(await door.post_events(Posted(_headers(request), _pieces(request))))

    async def livez(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_: Request) -> Response:
        reason = unready()
        return PlainTextResponse(f"{reason or 'ready'}\n", status_code=200 if reason is None else 503)

    app = Starlette(
        routes=[
            Route("/v1/events", post_events, methods=["POST"]),
            Route("/livez", livez, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _http_error, ClientDisconnect: _left, Exception: _failed},
    )
    app.router.redirect_slashes = False
    return app


def _headers(request: Request) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        yield piece


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers), answer.media_type)


async def _http_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) and error.headers else {}
    answer = answers.of_refusal(Refused(_SLUGS.get(status, "internal")))
    return _response(answer._replace(headers={**answer.headers, **headers}))


async def _left(_: Request, __: Exception) -> Response:
    # Nobody reads this: the client closed its connection before its body was whole.
    return _response(answers.of_refusal(Refused("timeout")))


async def _failed(_: Request, error: Exception) -> Response:
    log.error("request_failed", exc_info=error)
    return _response(answers.of_refusal(Refused("internal")))
