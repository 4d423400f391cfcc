"""Every example under schemas/examples says the truth about the models and about their JSON Schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

import schemas
from schemas.documents.generate import GENERATED, MODELS
from schemas.faults import faults_of

EXAMPLES = Path(schemas.__file__).parent / "examples"
OK = sorted(path.name for path in EXAMPLES.glob("ok-*.json"))
BAD = sorted(path.name for path in EXAMPLES.glob("bad-*.json"))


def example(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((EXAMPLES / name).read_text())
    return read


def schema_accepts(read: dict[str, Any]) -> bool:
    schema = json.loads((GENERATED / f"{read['schema']}.v1.schema.json").read_text())
    return bool(Draft202012Validator(schema).is_valid(read["value"]))


def test_every_file_is_an_example_and_every_schema_has_both_kinds() -> None:
    kinds = {(example(name)["schema"], name.partition("-")[0]) for name in OK + BAD}

    assert {path.name for path in EXAMPLES.iterdir()} == {*OK, *BAD}
    assert kinds == {(schema, kind) for schema in MODELS for kind in ("ok", "bad")}


@pytest.mark.parametrize("name", OK)
def test_a_good_example_is_taken_by_model_and_schema(name: str) -> None:
    read = example(name)

    MODELS[read["schema"]].model_validate(read["value"])

    assert schema_accepts(read)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_example_is_refused_at_the_field_it_names(name: str) -> None:
    read = example(name)

    with pytest.raises(ValidationError) as refused:
        MODELS[read["schema"]].model_validate(read["value"])

    assert read["field"] in {fault.field for fault in faults_of(refused.value)}


@pytest.mark.parametrize("name", BAD)
def test_the_json_schema_refuses_what_json_schema_can_say(name: str) -> None:
    read = example(name)

    assert schema_accepts(read) == read.get("beyond_json_schema", False)
