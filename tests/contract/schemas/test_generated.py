"""The generated documents are fresh, valid, and agree with the services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from schemas.documents.generate import GENERATED, documents
from schemas.documents.openapi_ingest import openapi_ingest
from schemas.problem import PROBLEMS
from schemas.topics import ALERTS, DLQ, EVENTS, GROUP, LATE, SCORES
from services.infra.kafka.specs import TOPIC_SPECS

ASYNCAPI: dict[str, Any] = yaml.safe_load((GENERATED / "asyncapi.yaml").read_text())


def parts(tree: object) -> Iterator[dict[str, Any]]:
    """Walk every object of a document."""
    if isinstance(tree, dict):
        yield tree
        for below in tree.values():
            yield from parts(below)
    elif isinstance(tree, list):
        for below in tree:
            yield from parts(below)


def resolve(document: dict[str, Any], pointer: str) -> object:
    found: Any = document
    for step in pointer.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_the_generated_files_are_what_the_models_say_now() -> None:
    on_disk = {path.name: path.read_text() for path in GENERATED.iterdir()}

    assert on_disk == documents(), "run `python -m schemas.documents.generate`"


@pytest.mark.parametrize("name", ["openapi-read.json", "openapi-ingest.json"])
def test_openapi_documents_are_valid(name: str) -> None:
    validate(json.loads((GENERATED / name).read_text()))


@pytest.mark.parametrize("name", sorted(path.name for path in GENERATED.glob("*.schema.json")))
def test_json_schemas_are_valid_and_refer_to_nothing_outside(name: str) -> None:
    schema = json.loads((GENERATED / name).read_text())

    Draft202012Validator.check_schema(schema)
    references = [part["$ref"] for part in parts(schema) if "$ref" in part]

    assert all(resolve(schema, reference) is not None for reference in references)


def test_every_closed_object_stays_closed() -> None:
    # An open object could never gain a typed field: old readers would have let anything through there.
    for path in GENERATED.glob("*.schema.json"):
        schema = json.loads(path.read_text())
        for part in parts(schema):
            if part.get("type") == "object" and "properties" in part:
                assert part["additionalProperties"] is False


def test_asyncapi_has_what_the_specification_requires() -> None:
    assert ASYNCAPI["asyncapi"] == "3.1.0"
    assert {"title", "version"} <= ASYNCAPI["info"].keys()
    for server in ASYNCAPI["servers"].values():
        assert {"host", "protocol"} <= server.keys()
    for channel in ASYNCAPI["channels"].values():
        assert channel["address"] == channel["bindings"]["kafka"]["topic"]
        assert channel["messages"]
    for operation in ASYNCAPI["operations"].values():
        assert operation["action"] in {"send", "receive"}
    for message in ASYNCAPI["components"]["messages"].values():
        assert {"payload", "contentType", "bindings"} <= message.keys()


def test_every_reference_of_asyncapi_resolves() -> None:
    references = [part["$ref"] for part in parts(ASYNCAPI) if "$ref" in part]

    assert references
    for reference in references:
        resolve(ASYNCAPI, reference)


def test_every_operation_of_asyncapi_uses_a_message_of_its_channel() -> None:
    used = set()
    for operation in ASYNCAPI["operations"].values():
        channel = operation["channel"]["$ref"]
        used.add(channel)
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")

    assert used == {f"#/channels/{name}" for name in ASYNCAPI["channels"]}


def test_payload_schemas_of_asyncapi_are_valid() -> None:
    for schema in ASYNCAPI["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for message in ASYNCAPI["components"]["messages"].values():
        Draft202012Validator.check_schema(message["bindings"]["kafka"]["key"])
        Draft202012Validator.check_schema(message.get("headers", {}))


@pytest.mark.parametrize(
    ("message", "example"),
    [
        ("TouchpointRecord", "ok-record"),
        ("ScoreRecord", "ok-score"),
        ("ScoreRecord", "ok-score-merged"),
        ("AlertRecord", "ok-alert"),
        ("IncidentRecord", "ok-incident"),
    ],
)
def test_payloads_of_asyncapi_take_the_examples(message: str, example: str) -> None:
    value = json.loads((GENERATED.parent / "examples" / f"{example}.json").read_text())["value"]
    described = ASYNCAPI["components"]["messages"][message]
    key = value.get("subject") or value.get("customer") or f"incident/{value['along']}/{value['value']}"

    Draft202012Validator({**described["payload"], "components": ASYNCAPI["components"]}).validate(value)
    Draft202012Validator(described["bindings"]["kafka"]["key"]).validate(key)


def test_asyncapi_describes_the_five_topics_as_they_are_created() -> None:
    described = {
        channel["address"]: channel["bindings"]["kafka"]["topicConfiguration"]
        for channel in ASYNCAPI["channels"].values()
    }

    assert set(described) == {EVENTS, LATE, SCORES, ALERTS, DLQ}
    for spec in TOPIC_SPECS:
        for name, value in described[spec.name].items():
            written = ",".join(value) if isinstance(value, list) else str(value)
            assert spec.configs[name] == written


def test_asyncapi_names_the_group_that_reads() -> None:
    groups = {
        operation["bindings"]["kafka"]["groupId"]["const"]
        for operation in ASYNCAPI["operations"].values()
        if operation["action"] == "receive"
    }

    assert groups == {GROUP}


def test_every_problem_that_a_document_shows_stands_in_the_one_table() -> None:
    for name in ("openapi-read.json", "openapi-ingest.json"):
        document = json.loads((GENERATED / name).read_text())
        for path in document["paths"].values():
            for operation in path.values():
                for status, response in operation.get("responses", {}).items() if isinstance(operation, dict) else ():
                    shown = response.get("content", {}).get("application/problem+json", {})
                    for slug, each in shown.get("examples", {}).items():
                        assert PROBLEMS[slug].status == int(status)
                        assert each["value"]["type"] == PROBLEMS[slug].uri


def test_problem_types_are_unique_and_say_what_to_do() -> None:
    assert len({kind.uri for kind in PROBLEMS.values()}) == len(PROBLEMS)
    for kind in PROBLEMS.values():
        assert 400 <= kind.status < 600
        assert kind.remedy.endswith(".")


def test_generating_twice_gives_the_same_bytes() -> None:
    assert documents() == documents()
    assert openapi_ingest() == openapi_ingest()
