"""The operations of the read API that answer about everybody."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from schemas.censusapi import (
    CHOICES,
    PLACE_KIND_PATTERN,
    SEGMENT_PATTERN,
    DriversAnswer,
    JourneyMapAnswer,
    PlacesAnswer,
    TouchpointsAnswer,
)
from schemas.documents.openapi import Json, json_answer, problem_answers
from schemas.readapi import PAGE_DEFAULT, PAGE_MAX
from schemas.touchpoint import ID_PATTERN, PLACE_CHARS_MAX, PLACE_PATTERN

CENSUS_ANSWERS: Final = (DriversAnswer, TouchpointsAnswer, JourneyMapAnswer, PlacesAnswer)

_REFUSALS: Final = (
    "bad-parameter",
    "unauthorized",
    "forbidden",
    "unknown-account",
    "no-census",
    "method-not-allowed",
    "not-acceptable",
    "account-too-large",
    "too-many-requests",
    "internal",
    "unavailable",
)

_ACCOUNT: Final[Json] = {
    "name": "account",
    "in": "query",
    "description": "Only the contacts of this account, as events name it; counted as it is asked, not from the census.",
    "schema": {"type": "string", "pattern": ID_PATTERN},
    "example": "acme",
}

_PLACE: Final[Json] = {
    "name": "place",
    "in": "query",
    "description": "Only what happened at this place, kind/value.",
    "schema": {"type": "string", "pattern": PLACE_PATTERN, "maxLength": PLACE_CHARS_MAX},
    "example": "store/2",
}

_SEGMENT: Final[Json] = {
    "name": "segment",
    "in": "query",
    "description": (
        "Only people of whom events of 60 days said this property last: property:value, as TACTUS_AGGREGATOR__SEGMENTS "
        "declares them. With neither account nor place."
    ),
    "schema": {"type": "string", "pattern": SEGMENT_PATTERN},
    "example": "plan:gold",
}

_LIMIT: Final[Json] = {
    "name": "limit",
    "in": "query",
    "description": "How many to show.",
    "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
}

_KIND: Final[Json] = {
    "name": "kind",
    "in": "query",
    "description": "Only places of this kind: what stands before the slash.",
    "schema": {"type": "string", "pattern": PLACE_KIND_PATTERN},
    "example": "store",
}


def census_paths(*, accept_language: Json) -> Json:
    """Return the paths."""
    by = {name: _word(name, known) for name, known in CHOICES.items()}
    of_place = (*_REFUSALS, "unknown-place", "unknown-segment")
    operations = (
        (
            "drivers",
            "readDrivers",
            "What people weigh, those that lost most points first",
            DriversAnswer,
            [_PLACE, _SEGMENT],
        ),
        (
            "touchpoints",
            "readTouchpoints",
            "The touchpoints that lost most points in 30 days, with their trend",
            TouchpointsAnswer,
            [_PLACE, _SEGMENT, *by.values(), _LIMIT],
        ),
        (
            "journey",
            "readJourneyMap",
            "Stages of the journey by channels",
            JourneyMapAnswer,
            [_PLACE, _SEGMENT, by["stage"]],
        ),
        ("places", "readPlaces", "The places that lost most points", PlacesAnswer, [_KIND, _LIMIT]),
    )
    return {
        f"/v1/{path}": _operation(
            name,
            summary,
            answer,
            parameters=[_ACCOUNT, *parameters, accept_language],
            refusals=of_place if _PLACE in parameters else _REFUSALS,
        )
        for path, name, summary, answer, parameters in operations
    }


def _word(name: str, known: tuple[str, ...]) -> Json:
    return {
        "name": name,
        "in": "query",
        "description": f"Only touchpoints of this {name}; unknown: of those that nobody declared.",
        "schema": {"enum": [*known]},
    }


def _operation(
    name: str, summary: str, answer: type[BaseModel], *, parameters: list[Json], refusals: tuple[str, ...]
) -> Json:
    headers: Json = {
        "Content-Language": {
            "description": "The language of the labels.",
            "schema": {"enum": ["en", "pl"]},
            "required": True,
        }
    }
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": json_answer("The sums of the last census.", answer, headers),
                **problem_answers(refusals),
            },
        }
    }
