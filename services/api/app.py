"""The read API's routes, as an ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from schemas import webhooksapi
from schemas.alertsapi import WORK_BYTES_MAX
from schemas.whatifapi import BODY_BYTES_MAX
from services.api.account_list import AccountLists
from services.api.accounts import Accounts
from services.api.alert_changes import VERBS, AlertChanges
from services.api.alerts import Alerts
from services.api.bodies import read_body
from services.api.census import Censuses
from services.api.customers import NO_STORE, Customers
from services.api.following import Following
from services.api.letters import Letters
from services.api.page import HEADERS, LINKS, page
from services.api.refusals import Refusals
from services.api.requests import Asked
from services.api.waiting import Waiting
from services.api.webhooks import Webhooks
from services.api.whatif import WhatIfs
from services.infra.http.answer import Answer, Application, Receive, Scope, Send
from services.infra.http.health import Readiness, livez, readyz
from services.infra.http.peers import Peers
from services.infra.http.problems import Refused, of_status, refusal
from services.infra.logs import get_logger

log = get_logger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]
Answering = Callable[[Callable[[Asked], Awaitable[Answer]]], Endpoint]
BodyAnswerer = Callable[[Asked, Callable[[], Awaitable[bytes | Refused]]], Awaitable[Answer]]
AnsweringBody = Callable[[BodyAnswerer, int], Endpoint]
Handler = Callable[[Request, Exception], Awaitable[Response]]


def create_app(  # noqa: PLR0913 - one for each part of the API
    customers: Customers,
    letters: Letters,
    waiting: Waiting,
    webhooks: Webhooks,
    *,
    unready: Readiness,
    refusals: Refusals,
    peers: Peers,
) -> Application:
    """Wire the routes to what answers them; `unready` tells why the process wants no requests, or None."""
    contract = Answer(200, resources.files("schemas").joinpath("generated", "openapi-read.json").read_bytes())

    welcome = page(LINKS)

    async def openapi(_: Request) -> Response:
        return _response(contract)

    async def home(_: Request) -> Response:
        return Response(welcome, headers=dict(HEADERS))

    async def lives(_: Request) -> Response:
        return _response(livez())

    async def is_ready(_: Request) -> Response:
        return _response(readyz(unready))

    answering = partial(_answering, refusals, peers)
    answering_body = partial(_answering_body, refusals, peers)
    app = Starlette(
        routes=[
            Route("/", home),
            Route("/livez", lives),
            Route("/readyz", is_ready),
            Route("/v1/openapi.json", openapi),
            *_about_changes(Following(customers.parts, waiting), answering),
            *_about_somebody(customers, answering),
            *_about_everybody(Censuses(customers), answering),
            *_about_accounts(customers, answering),
            *_about_alerts(customers, answering, answering_body),
            Route("/v1/whatif", answering_body(WhatIfs(customers).ask, BODY_BYTES_MAX), methods=["POST"]),
            *_about_letters(letters, answering),
            *_about_webhooks(webhooks, answering, answering_body),
        ],
        exception_handlers=_handlers(refusals),
    )
    app.router.redirect_slashes = False
    return _on_encoded_paths(app)


def _about_somebody(customers: Customers, answering: Answering) -> list[Route]:
    return [
        Route("/v1/customers/{identity}", answering(customers.score)),
        Route("/v1/customers/{identity}/receipt", answering(customers.receipt)),
        Route("/v1/customers/{identity}/change", answering(customers.change)),
        Route("/v1/customers/{identity}/history", answering(customers.history)),
        Route("/v1/customers/{identity}/journey", answering(customers.journey)),
    ]


def _about_changes(following: Following, answering: Answering) -> list[Route]:
    return [
        Route("/v1/customers", answering(following.customers)),
        Route("/v1/scores/changes", answering(following.changes)),
    ]


def _about_everybody(censuses: Censuses, answering: Answering) -> list[Route]:
    return [
        Route("/v1/drivers", answering(censuses.drivers)),
        Route("/v1/touchpoints", answering(censuses.touchpoints)),
        Route("/v1/journey", answering(censuses.journey)),
        Route("/v1/places", answering(censuses.places)),
    ]


def _about_accounts(customers: Customers, answering: Answering) -> list[Route]:
    accounts = Accounts(customers)
    return [
        Route("/v1/accounts", answering(AccountLists(customers).list)),
        Route("/v1/accounts/{identity}", answering(accounts.score)),
        Route("/v1/accounts/{identity}/receipt", answering(accounts.receipt)),
        Route("/v1/accounts/{identity}/change", answering(accounts.change)),
        Route("/v1/accounts/{identity}/history", answering(accounts.history)),
        Route("/v1/accounts/{identity}/journey", answering(accounts.journey)),
    ]


def _about_alerts(customers: Customers, answering: Answering, answering_body: AnsweringBody) -> list[Route]:
    alerts, changes = Alerts(customers.parts), AlertChanges(customers.parts)
    return [
        Route("/v1/alerts", answering(alerts.list)),
        Route("/v1/alerts/{identity}", answering(alerts.show)),
        *(
            Route(
                f"/v1/alerts/{{identity}}/{verb}",
                answering_body(partial(changes.change, verb), WORK_BYTES_MAX),
                methods=["POST"],
            )
            for verb in VERBS
        ),
        Route("/v1/incidents", answering(alerts.incidents)),
    ]


def _about_letters(letters: Letters, answering: Answering) -> list[Route]:
    trying, replaying = answering(letters.trial), answering(letters.replay)

    async def trying_or_replaying(request: Request) -> Response:
        return await (replaying if request.method == "POST" else trying)(request)

    return [
        Route("/v1/dead-letters", answering(letters.list)),
        Route("/v1/dead-letters/replay", trying_or_replaying, methods=["GET", "POST"]),
        Route("/v1/dead-letters/discard", answering(letters.discard), methods=["POST"]),
        Route("/v1/dead-letters/{identity:int}", answering(letters.show)),
    ]


def _about_webhooks(webhooks: Webhooks, answering: Answering, answering_body: AnsweringBody) -> list[Route]:
    making = answering_body(webhooks.make, webhooksapi.BODY_BYTES_MAX)
    changing = answering_body(webhooks.change, webhooksapi.BODY_BYTES_MAX)
    one = "/v1/webhooks/{identity}"
    return [
        _by_method("/v1/webhooks", GET=answering(webhooks.list), POST=making),
        _by_method(one, GET=answering(webhooks.show), PATCH=changing, DELETE=answering(webhooks.remove)),
        _by_method(f"{one}/secret", POST=answering(webhooks.rotate)),
        _by_method(f"{one}/test", POST=answering(webhooks.test)),
        _by_method(f"{one}/deliveries", GET=answering(webhooks.deliveries)),
        _by_method(f"{one}/deliveries/{{part}}", GET=answering(webhooks.delivery)),
        _by_method(f"{one}/deliveries/{{part}}/replay", POST=answering(webhooks.replay)),
    ]


def _by_method(path: str, **endpoints: Endpoint) -> Route:
    async def endpoint(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, endpoint, methods=list(endpoints))


def _on_encoded_paths(app: Application) -> Application:
    """Route on the path as it was sent, so that an id may hold any character, an encoded slash too."""

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": scope["raw_path"].decode("latin-1")}, receive, send)

    return routed


def _answering(refusals: Refusals, peers: Peers, answer: Callable[[Asked], Awaitable[Answer]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        answered = await answer(_asked(request, peers))
        refusals.note(answered)
        return _response(answered)

    return endpoint


def _answering_body(refusals: Refusals, peers: Peers, answer: BodyAnswerer, bytes_max: int) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        answered = await answer(_asked(request, peers), partial(_body, request, bytes_max))
        refusals.note(answered)
        return _response(answered)

    return endpoint


async def _body(request: Request, bytes_max: int) -> bytes | Refused:
    try:
        return await read_body(request.headers, request.stream(), bytes_max=bytes_max)
    except ClientDisconnect:
        return Refused("timeout")  # nobody reads it


def _handlers(refusals: Refusals) -> Mapping[type[Exception], Handler]:
    async def not_routed(_: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        answer = refusal(of_status(error.status_code)).with_headers({**NO_STORE, **(error.headers or {})})
        refusals.note(answer)
        return _response(answer)

    async def failed(_: Request, error: Exception) -> Response:
        log.error("request_failed", exc_info=error)
        answer = refusal(Refused("internal")).with_headers(NO_STORE)
        refusals.note(answer)
        return _response(answer)

    return {HTTPException: not_routed, Exception: failed}


def _asked(request: Request, peers: Peers) -> Asked:
    peer = request.client.host if request.client else ""
    return Asked(
        identity=str(request.path_params.get("identity", "")),
        part=str(request.path_params.get("part", "")),
        query=request.scope["query_string"],
        authorization=request.headers.getlist("authorization"),
        accept=request.headers.get("accept"),
        accept_language=request.headers.get("accept-language"),
        if_none_match=request.headers.get("if-none-match"),
        if_match=request.headers.get("if-match"),
        idempotency_key=request.headers.get("idempotency-key"),
        address=peers.client(peer, request.headers.getlist("x-forwarded-for")),
    )


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers), answer.media_type or None)
