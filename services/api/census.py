"""Answer about everybody or the contacts of an account: drivers, touchpoints, stages by channels, places."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Final, NamedTuple

from pydantic import BaseModel

from schemas.censusapi import CHOICES, PLACE_KIND_PATTERN, SEGMENT_PATTERN
from schemas.readapi import TALLIES_MAX
from schemas.touchpoint import ID_CHARS_MAX, ID_PATTERN, PLACE_CHARS_MAX, PLACE_PATTERN
from services.api.census_answers import (
    Chosen,
    Frame,
    drivers_answer,
    journey_map_answer,
    places_answer,
    touchpoints_answer,
)
from services.api.census_sums import Kept, Taken, contacts_of, recount
from services.api.customers import NO_STORE, SCOPE, Customers
from services.api.requests import Asked, limit_of, parameters_of
from services.core.census import CELL, CONTROL, DRIVER, EVERYONE, EVERYTHING, PLACE, SEGMENT, TOUCHPOINT
from services.core.instants import hour_of, instant_of
from services.infra.catalogue.reading import LANGUAGES, Labels
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.languages import language_of
from services.infra.http.problems import Refused, refusal
from services.infra.near import nearest
from services.state.database import Snapshot

_FORMS: Final = {
    "account": (re.compile(ID_PATTERN), "must be 1 to 128 printable characters, as events name it"),
    "place": (re.compile(PLACE_PATTERN), "must be kind/value as events write it, such as store/042"),
    "segment": (re.compile(SEGMENT_PATTERN), "must be property:value as the settings declare them, such as plan:gold"),
    "kind": (re.compile(PLACE_KIND_PATTERN), "must be what stands before the slash of a place, such as store"),
}


KNOWN_SHOWN: Final = 20
"""Segments that a refusal names: as many as somebody reads."""


class About(NamedTuple):
    """What a request asks about, understood."""

    account: str | None
    place: str | None
    segment: str | None
    kind: str
    """Of places; empty: of any."""
    chosen: Chosen
    limit: int
    labels: Labels


Answerer = Callable[[About, Snapshot, Taken, Frame], Awaitable[BaseModel]]


class Censuses:
    """Answers about everybody, to whoever may read scores."""

    def __init__(self, customers: Customers) -> None:
        self._parts = customers.parts
        self._large = customers.large

    async def drivers(self, asked: Asked) -> Answer:
        """Answer `GET /v1/drivers`."""
        return await self._answer(asked, self._drivers, named=("account", "place", "segment"))

    async def touchpoints(self, asked: Asked) -> Answer:
        """Answer `GET /v1/touchpoints`."""
        return await self._answer(asked, self._touchpoints, named=("account", "place", "segment", *CHOICES, "limit"))

    async def journey(self, asked: Asked) -> Answer:
        """Answer `GET /v1/journey`."""
        return await self._answer(asked, self._journey, named=("account", "place", "segment", "stage"))

    async def places(self, asked: Asked) -> Answer:
        """Answer `GET /v1/places`."""
        return await self._answer(asked, self._places, named=("account", "kind", "limit"))

    async def _answer(self, asked: Asked, answerer: Answerer, *, named: Collection[str]) -> Answer:
        reader = self._parts.entrance.reader(asked, SCOPE)
        if isinstance(reader, Refused):
            return refusal(reader).with_headers(NO_STORE)
        language = language_of(asked.accept_language, LANGUAGES)
        about = _about(asked, named=named, labels=self._parts.labels[language])
        if not isinstance(about, About):
            return about.with_headers(NO_STORE)
        try:
            attempt = partial(self._attempt, about, answerer)
            body: BaseModel | Answer | None = await self._large.attempts(attempt, rows_max=TALLIES_MAX)
        except UnavailableError as error:
            return refusal(Refused("unavailable"))._replace(because=str(error)).with_headers(NO_STORE)
        if body is None:
            body = refusal(Refused("account-too-large"))
        if isinstance(body, Answer):
            return body.with_headers(NO_STORE)
        headers = {"Content-Language": language, "Vary": "Accept-Language", **NO_STORE}
        return Answer(200, body.model_dump_json().encode(), headers=headers)

    async def _attempt(self, about: About, answerer: Answerer, rows_max: int) -> BaseModel | Answer | None:
        """Answer from at most so many tallies of contacts; None when there are more."""
        async with self._parts.database.snapshot() as snapshot:
            taken = await self._taken(about, snapshot, rows_max=rows_max)
            if taken is None or isinstance(taken, Answer):
                return taken
            everything = (await taken.by(EVERYTHING, scope=_scope(about))).get("")
            if everything is None and about.segment is not None:
                return await _unknown_segment(taken)
            if everything is None and about.place is not None:
                fault = {
                    "field": "place",
                    "reason": "nobody was touched there in 60 days; /v1/places lists those known",
                }
                return refusal(Refused("unknown-place"), {"faults": [fault]})
            frame = Frame(taken.of, about.account, about.place, about.segment, everything)
            return await answerer(about, snapshot, taken, frame)

    async def _taken(self, about: About, snapshot: Snapshot, *, rows_max: int) -> Taken | Answer | None:
        if about.account is None:
            census = await snapshot.census.last()
            return refusal(Refused("no-census")) if census is None else Kept(snapshot, census)
        if not await snapshot.accounts.known(about.account):
            fault = {"field": "account", "reason": "no event names it; write it as its contacts' events do"}
            return refusal(Refused("unknown-account"), {"faults": [fault]})
        now = instant_of(self._parts.clock.now_us())
        contacted = await contacts_of(snapshot, about.account, hour=hour_of(now), rows_max=rows_max)
        if contacted is None:
            return None
        catalogue = await self._parts.models.in_use(snapshot)
        return await recount(contacted, self._large, catalogue=catalogue, at=now)

    async def _drivers(self, about: About, _: Snapshot, taken: Taken, frame: Frame) -> BaseModel:
        drivers, controls = [await taken.by(along, scope=_scope(about)) for along in (DRIVER, CONTROL)]
        return drivers_answer(frame, drivers, controls, labels=about.labels)

    async def _touchpoints(self, about: About, snapshot: Snapshot, taken: Taken, frame: Frame) -> BaseModel:
        touchpoints, controls = [await taken.by(along, scope=_scope(about)) for along in (TOUCHPOINT, CONTROL)]
        return touchpoints_answer(
            frame,
            touchpoints,
            controls,
            chosen=about.chosen,
            limit=about.limit,
            catalogue=await self._parts.models.in_use(snapshot),
            labels=about.labels,
        )

    async def _journey(self, about: About, _: Snapshot, taken: Taken, frame: Frame) -> BaseModel:
        cells = await taken.by(CELL, scope=_scope(about))
        return journey_map_answer(frame, cells, stage=about.chosen.stage, labels=about.labels)

    async def _places(self, about: About, _: Snapshot, taken: Taken, frame: Frame) -> BaseModel:
        kind = f"{PLACE}{about.kind}/" if about.kind else PLACE
        scopes = await taken.scopes(beginning=kind, limit=about.limit + 1)
        return places_answer(
            frame, {scope.removeprefix(PLACE): sums for scope, sums in scopes.items()}, limit=about.limit
        )


def _scope(about: About) -> str:
    if about.segment is not None:
        return SEGMENT + about.segment
    return EVERYONE if about.place is None else PLACE + about.place


async def _unknown_segment(taken: Taken) -> Answer:
    scopes = await taken.scopes(beginning=SEGMENT, limit=KNOWN_SHOWN)
    known = ", ".join(scope.removeprefix(SEGMENT) for scope in sorted(scopes)) or "none yet"
    fault = {"field": "segment", "reason": f"the last census knows these: {known}"}
    return refusal(Refused("unknown-segment"), {"faults": [fault]})


def _about(asked: Asked, *, named: Collection[str], labels: Labels) -> About | Answer:
    parameters = parameters_of(asked.query, named=named)
    if isinstance(parameters, Refused):
        return refusal(parameters)
    limit = limit_of(parameters.get("limit"))
    if isinstance(limit, Refused):
        return refusal(limit)
    faults = [{"field": name, "reason": reason} for name, text in parameters.items() if (reason := _fault(name, text))]
    if "segment" in parameters and {"account", "place"} & parameters.keys():
        faults.append({"field": "segment", "reason": "is of everybody everywhere: leave account and place out"})
    if faults:
        return refusal(Refused("bad-parameter"), {"faults": faults})
    chosen = Chosen(*(parameters.get(name) for name in CHOICES))
    account, place, segment = map(parameters.get, ("account", "place", "segment"))
    return About(account, place, segment, parameters.get("kind", ""), chosen, limit, labels)


def _fault(name: str, text: str) -> str | None:
    """Tell what is wrong with a parameter, never repeating it."""
    if name in _FORMS:
        form, reason = _FORMS[name]
        chars_max = ID_CHARS_MAX if name == "account" else PLACE_CHARS_MAX
        return None if form.fullmatch(text) and len(text) <= chars_max else reason
    known = CHOICES.get(name)
    if known is None or text in known:
        return None
    near = nearest(text, known)
    return f"did you mean {near}?" if near else f"must be one of {', '.join(known)}"
