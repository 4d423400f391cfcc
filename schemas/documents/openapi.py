"""The parts that both OpenAPI documents are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from schemas.problem import MEDIA_TYPE, PROBLEMS, Problem

Json = dict[str, Any]
"""A JSON document under construction."""

VERSION: Final = "1.0.0"
"""Of the contract; the first number is the v1 of paths, topics and event types."""

LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}

REF: Final = "#/components/schemas/{model}"


class Plain(GenerateJsonSchema):
    """JSON Schema without what says nothing: titles that repeat a field's name, and nulls as defaults."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's signature
        """Never: the name is enough."""
        return False

    def default_schema(self, schema: Any) -> Json:  # noqa: ANN401 - pydantic's signature
        """Leave out `default: null`."""
        made = super().default_schema(schema)
        if made.get("default", ...) is None:
            del made["default"]
        return made


def schemas_of(models: Sequence[tuple[type[BaseModel], JsonSchemaMode]]) -> Json:
    """Return the models and all they refer to, by name, for `components.schemas`."""
    _, document = models_json_schema(models, ref_template=REF, schema_generator=Plain)
    definitions: Json = document["$defs"]
    return dict(sorted(definitions.items()))


def ref(model: type[BaseModel]) -> Json:
    """Refer to a model in `components.schemas`."""
    return {"$ref": REF.format(model=model.__name__)}


def json_answer(description: str, model: type[BaseModel], headers: Mapping[str, Json] | None = None) -> Json:
    """Return the response object of an answer in JSON."""
    answer: Json = {"description": description}
    if headers:
        answer["headers"] = dict(headers)
    answer["content"] = {"application/json": {"schema": ref(model)}}
    return answer


def problem_answers(slugs: Sequence[str], *, model: type[BaseModel] = Problem) -> dict[str, Json]:
    """Return the response objects of the problems an operation may answer, by status."""
    rows = sorted((PROBLEMS[slug] for slug in slugs), key=lambda row: row.status)
    answers: dict[str, Json] = {}
    for status, found in groupby(rows, key=lambda row: row.status):
        kinds = list(found)
        answers[str(status)] = {
            "description": " ".join(f"{kind.title}: {kind.remedy}" for kind in kinds),
            "headers": dict(_HEADERS.get(status, {})),
            "content": {
                MEDIA_TYPE: {
                    "schema": ref(model),
                    "examples": {
                        kind.slug: {
                            "value": {
                                "type": kind.uri,
                                "title": kind.title,
                                "status": kind.status,
                                "detail": kind.remedy,
                            }
                        }
                        for kind in kinds
                    },
                }
            },
        }
    return answers


_HEADERS: Final[Mapping[int, Json]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}},
    HTTPStatus.METHOD_NOT_ALLOWED: {"Allow": {"schema": {"type": "string"}, "required": True}},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": {"schema": {"type": "integer"}, "required": True}},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": {"schema": {"type": "integer"}, "required": True}},
}
"""What a status always comes with."""

OWN_PATHS: Final[Json] = {
    "/v1/openapi.json": {
        "get": {
            "operationId": "readOpenapi",
            "summary": "This document",
            "security": [],
            "responses": {
                "200": {
                    "description": "OpenAPI 3.1.",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                }
            },
        }
    },
    "/livez": {
        "get": {
            "operationId": "livez",
            "summary": "The process runs",
            "security": [],
            "responses": {
                "200": {"description": "It does.", "content": {"text/plain": {"schema": {"type": "string"}}}}
            },
        }
    },
    "/readyz": {
        "get": {
            "operationId": "readyz",
            "summary": "The process can answer requests",
            "security": [],
            "responses": {
                "200": {"description": "It can.", "content": {"text/plain": {"schema": {"type": "string"}}}},
                "503": {
                    "description": "It cannot; the text says why.",
                    "content": {"text/plain": {"schema": {"type": "string"}}},
                },
            },
        }
    },
}
"""What every door says of itself."""
