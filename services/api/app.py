"""The read API's door: routes, keys and answers over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Final, NamedTuple

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.problem import MEDIA_TYPE, PROBLEMS, Problem
from schemas.readapi import ALERTS_MAX, LATEST_MAX
from services.api.answers import Moment, customer_answer, journey_answer, receipt_answer
from services.api.experience import experience_of, latest_of
from services.api.requests import (
    RefusedError,
    accepts_json,
    bearer_of,
    cursor_of,
    identity_of_path,
    limit_of,
    moment_of,
    names_version,
    parameters_of,
    place_of,
)
from services.core.catalogue import Catalogue
from services.core.scoring import HOURS_KEPT
from services.infra.clock import Clock
from services.infra.errors import UnavailableError
from services.infra.logs import get_logger
from services.infra.sources import Sources
from services.state.database import ReadDatabase, Snapshot
from services.state.events import Place
from services.state.persons import Person

SCOPE: Final = "scores:read"
RETRY_AFTER_S: Final = 2
"""A restarted database answers within a second or two."""

NO_STORE: Final = {"Cache-Control": "no-store"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BY_STATUS: Final = {404: "not-found", 405: "method-not-allowed"}

log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the door needs; built in __main__."""

    database: ReadDatabase
    catalogue: Catalogue
    sources: Callable[[], Sources]
    hash_key: bytes
    clock: Clock
    ready: Callable[[], str | None]


class Question(NamedTuple):
    """A request whose key, media type, parameters and identity are in order."""

    identity: str
    parameters: dict[str, str]
    moment: Moment
    if_none_match: str | None


Answerer = Callable[[Question, Snapshot, Person], Awaitable[BaseModel]]


def problem_response(slug: str, *, detail: str = "", headers: dict[str, str] | None = None) -> Response:
    """Answer with a problem of the one table."""
    kind = PROBLEMS[slug]
    said = f"{detail[:1].upper()}{detail[1:]}. {kind.remedy}" if detail else kind.remedy
    body = Problem(type=kind.uri, title=kind.title, status=kind.status, detail=said)
    return Response(
        body.model_dump_json(exclude_none=True),
        status_code=kind.status,
        media_type=MEDIA_TYPE,
        headers={**NO_STORE, **(headers or {})},
    )


class Door:
    """Answers about customers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._openapi = resources.files("schemas").joinpath("generated", "openapi-read.json").read_bytes()

    async def customer(self, request: Request) -> Response:
        """GET /v1/customers/{identity}."""

        async def answer(question: Question, snapshot: Snapshot, person: Person) -> BaseModel:
            experience = await experience_of(snapshot, person, **question.moment.hours)
            alerts = await snapshot.alerts.of_identities(
                [*person.identities], until=question.moment.at, limit=ALERTS_MAX
            )
            return customer_answer(person, experience, alerts, catalogue=self._parts.catalogue, moment=question.moment)

        return await self._answer(request, answer, named=("at",))

    async def receipt(self, request: Request) -> Response:
        """GET /v1/customers/{identity}/receipt."""

        async def answer(question: Question, snapshot: Snapshot, person: Person) -> BaseModel:
            hour = question.moment.hour
            experience = await experience_of(snapshot, person, **question.moment.hours)
            latest = await latest_of(
                snapshot, person, from_hour=hour - HOURS_KEPT + 1, until_hour=hour, each=LATEST_MAX
            )
            return receipt_answer(person, experience, latest, catalogue=self._parts.catalogue, moment=question.moment)

        return await self._answer(request, answer, named=("at",))

    async def journey(self, request: Request) -> Response:
        """GET /v1/customers/{identity}/journey."""

        async def answer(question: Question, snapshot: Snapshot, person: Person) -> BaseModel:
            limit = limit_of(question.parameters.get("limit"))
            before = place_of(question.parameters.get("cursor"))
            events = await snapshot.events.journey([*person.identities], before=before, limit=limit + 1)
            page, more = events[:limit], len(events) > limit
            cursor = cursor_of(Place(page[-1].occurred_at, page[-1].key)) if more else None
            return journey_answer(person, page, catalogue=self._parts.catalogue, next_cursor=cursor)

        return await self._answer(request, answer, named=("limit", "cursor"))

    async def openapi(self, _: Request) -> Response:
        """GET /v1/openapi.json."""
        return Response(self._openapi, media_type="application/json")

    async def livez(self, _: Request) -> Response:
        """GET /livez."""
        return PlainTextResponse("alive\n")

    async def readyz(self, _: Request) -> Response:
        """GET /readyz."""
        reason = self._parts.ready()
        return PlainTextResponse(f"{reason or 'ready'}\n", status_code=503 if reason else 200)

    async def _answer(self, request: Request, answer: Answerer, *, named: tuple[str, ...]) -> Response:
        question = self._question(request, named=named)
        async with self._parts.database.snapshot() as snapshot:
            person = await snapshot.persons.find(question.identity)
            if person is None:
                raise RefusedError("unknown-customer")
            headers = {**NO_STORE, "ETag": f'"{person.version}"'}
            if self._unchanged(question, person):
                return Response(status_code=304, headers=headers)
            body = await answer(question, snapshot, person)
        return Response(body.model_dump_json(), media_type="application/json", headers=headers)

    def _question(self, request: Request, *, named: tuple[str, ...]) -> Question:
        reader = self._parts.sources().reader(bearer_of(request.headers.get("authorization")))
        if reader is None:
            raise RefusedError("unauthorized")
        if SCOPE not in reader.scopes:
            raise RefusedError("forbidden", f"this needs the scope {SCOPE}")
        if not accepts_json(request.headers.get("accept")):
            raise RefusedError("not-acceptable")
        parameters = dict(parameters_of(request.scope["query_string"], named=named))
        limit_of(parameters.get("limit"))
        place_of(parameters.get("cursor"))
        now = _EPOCH + timedelta(microseconds=self._parts.clock.now_us())
        return Question(
            identity=identity_of_path(request.path_params["identity"], hash_key=self._parts.hash_key),
            parameters=parameters,
            moment=Moment(moment_of(parameters.get("at"), now=now)),
            if_none_match=request.headers.get("if-none-match"),
        )

    def _unchanged(self, question: Question, person: Person) -> bool:
        """Tell whether a copy with the same version is still true.

        A score ages: without `at`, only a copy of the hour of the last change is sure to hold what a new answer
        would. Under another model it may not hold at all.
        """
        same_model = person.model_version == self._parts.catalogue.model_version
        fixed = "at" in question.parameters or person.as_of == question.moment.hour
        return same_model and fixed and names_version(question.if_none_match, tag=f'"{person.version}"')


class EncodedPaths:
    """Routes on the path as it was sent, so that an id may hold any character, an encoded slash too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on the request with its percent-encoded path."""
        if scope["type"] == "http":
            scope = {**scope, "path": scope["raw_path"].decode("latin-1")}
        await self._app(scope, receive, send)


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, RefusedError):
        raise error
    headers = {"WWW-Authenticate": "Bearer"} if error.slug == "unauthorized" else None
    return problem_response(error.slug, detail=error.detail, headers=headers)


async def _away(_: Request, error: Exception) -> Response:
    log.warning("answered_unavailable", reason=str(error))
    return problem_response("unavailable", headers={"Retry-After": str(RETRY_AFTER_S)})


async def _not_routed(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return problem_response(_BY_STATUS[error.status_code], headers=dict(error.headers or {}))


async def _failed(_: Request, error: Exception) -> Response:
    log.error("request_failed", exc_info=error)
    return problem_response("internal")


def create_app(parts: Parts) -> ASGIApp:
    """Build the application."""
    door = Door(parts)
    app = Starlette(
        routes=[
            Route("/livez", door.livez),
            Route("/readyz", door.readyz),
            Route("/v1/openapi.json", door.openapi),
            Route("/v1/customers/{identity}", door.customer),
            Route("/v1/customers/{identity}/receipt", door.receipt),
            Route("/v1/customers/{identity}/journey", door.journey),
        ],
        exception_handlers={
            RefusedError: _refused,
            UnavailableError: _away,
            HTTPException: _not_routed,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    return EncodedPaths(app)
