"""What the door takes as an event, and the words in which it refuses the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from schemas.documents.generate import json_schema
from schemas.faults import Fault, fault_of, faults_of
from schemas.freeform import PROPERTIES_MAX, PROPERTY_DEPTH_MAX, PROPERTY_VALUES_MAX
from schemas.touchpoint import (
    MEANING,
    TouchpointData,
    TouchpointEvent,
    TouchpointRecord,
    identity_of_subject,
    without_extensions,
)

EVENT_SCHEMA = Draft202012Validator(json_schema("touchpoint-event"))


def event(**data: object) -> dict[str, Any]:
    return {
        "id": "e1",
        "data": {
            "touchpoint": "order.completed",
            "channel": "web",
            "identities": [{"kind": "customer", "value": "c1"}],
            **data,
        },
    }


def fault(value: object) -> Fault:
    with pytest.raises(ValidationError) as refused:
        TouchpointEvent.model_validate(value)
    return fault_of(refused.value)


def with_properties(properties: object) -> dict[str, Any]:
    return event(properties=properties)


@pytest.mark.parametrize("value", [None, 1, "event", [], True, [event()]])
def test_what_is_no_object_is_no_event(value: object) -> None:
    assert fault(value) == Fault("event", "must be an object")


@pytest.mark.parametrize(
    ("given_value", "reason"),
    [
        ("1", "must be a number"),
        (True, "must be a number"),
        ([1], "must be a number"),
        (float("nan"), "must be a finite number"),
        (float("-inf"), "must be a finite number"),
    ],
)
def test_nothing_is_converted_into_a_number(given_value: object, reason: str) -> None:
    assert fault(event(valence=given_value)) == Fault("data.valence", reason)
    assert fault(event(rating={"value": given_value})) == Fault("data.rating.value", reason)


@pytest.mark.parametrize("valence", [-7, 7.5, 2**64])
def test_a_valence_beyond_its_range_is_taken_because_the_score_clamps_it(valence: float) -> None:
    assert TouchpointEvent.model_validate(event(valence=valence)).data.valence == valence


def test_properties_are_kept_as_they_come() -> None:
    properties = {"a": None, "b": {"c": [1, 2.5, "x", True, {}]}, "": -(2**63)}

    taken = TouchpointEvent.model_validate(with_properties(properties))

    assert taken.data.properties == properties
    assert taken.model_dump(exclude_none=True)["data"]["properties"] == properties


def nested(depth: int, *, innermost: object) -> object:
    return nested(depth - 1, innermost=[innermost]) if depth else innermost


@pytest.mark.parametrize(
    "properties",
    [
        {str(n): n for n in range(PROPERTIES_MAX + 1)},
        {"a": [0] * PROPERTY_VALUES_MAX},
        {"a": nested(PROPERTY_DEPTH_MAX + 1, innermost=0)},
        {"a": [{"b": nested(PROPERTY_DEPTH_MAX - 1, innermost=[])}]},
        {"a": 2**63},
        {"a": [-(2**63) - 1]},
        {"a": 1e999},
        {"a": ["x\0"]},
        {"a\0": 1},
        {"a": {"b\0": 1}},
        {"a": "\ud800"},
        {"\udfff": 1},
        {"a": [{"b": "\udc00"}]},
    ],
)
def test_properties_have_limits(properties: object) -> None:
    assert fault(with_properties(properties)).field == "data.properties"


def test_properties_up_to_the_limits_are_taken() -> None:
    many = {str(n): 2**63 - 1 for n in range(PROPERTIES_MAX)}
    wide = {"a": [0] * (PROPERTY_VALUES_MAX - 1)}
    deep = {"a": nested(PROPERTY_DEPTH_MAX, innermost=0)}

    for properties in (many, wide, deep):
        TouchpointEvent.model_validate(with_properties(properties))


@pytest.mark.parametrize(
    ("subject", "identity"),
    [
        ("c1", ("customer", "c1")),
        ("customer:c1", ("customer", "c1")),
        ("email:a:b@c", ("email", "a:b@c")),
        ("x-crm:7", ("x-crm", "7")),
        ("urn:uuid:1", ("customer", "urn:uuid:1")),
        ("email_hash:00", ("email_hash", "00")),
        (":c1", ("customer", ":c1")),
    ],
)
def test_a_subject_is_kind_and_value_or_a_customer(subject: str, identity: tuple[str, str]) -> None:
    assert identity_of_subject(subject) == identity


def test_only_extension_attributes_are_taken_off_an_event() -> None:
    sent = {**event(), "partitionkey": "p", "traceparent": "00-1", "Time": "x", "extra": {"a": 1}, "a-b": 1}

    assert set(without_extensions(sent)) == {"id", "data", "Time", "extra", "a-b"}


def test_a_refusal_never_repeats_what_was_sent() -> None:
    mark = "zebra4711"
    sent = [
        {**event(), mark: mark},
        event(**{mark: mark}),
        {**event(), "id": mark * 100},
        {**event(), "type": mark},
        {**event(), "time": mark},
        {**event(), "subject": f"email_hash:{mark}"},
        event(touchpoint=f"{mark} {mark}"),
        event(identities=[{"kind": mark, "value": mark, mark: mark}]),
        event(rating={"scale": mark, "value": mark}),
        event(rating={"scale": {"lo": mark, mark: 1}, "value": 1}),
        event(properties={mark: {mark: 1e999}}),
        event(properties={mark: {mark: f"{mark}\0"}}),
    ]

    for value in sent:
        with pytest.raises(ValidationError) as refused:
            TouchpointEvent.model_validate(value)
        for each in faults_of(refused.value):
            assert mark not in each.field + each.reason


def patterns(model: type[BaseModel]) -> set[str]:
    found: set[str] = set()

    def walk(tree: object) -> None:
        if isinstance(tree, dict):
            # A `not` is ours to explain, and is.
            found.update([tree["pattern"]] if isinstance(tree.get("pattern"), str) else [])
            for name, below in tree.items():
                if name != "not":
                    walk(below)
        elif isinstance(tree, list):
            for below in tree:
                walk(below)

    walk(model.model_json_schema())
    return found


@pytest.mark.parametrize("model", [TouchpointEvent, TouchpointRecord])
def test_every_pattern_has_its_meaning_in_words(model: type[BaseModel]) -> None:
    assert patterns(model) <= MEANING.keys()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*TouchpointData.model_fields, "id", "time", "subject", "source", "type", "specversion"])


@given(field=FIELDS, value=JSON)
def test_whatever_is_sent_is_taken_or_refused_with_a_field_and_a_reason(field: str, value: object) -> None:
    sent = event(**{field: value}) if field in TouchpointData.model_fields else {**event(), field: value}

    try:
        TouchpointEvent.model_validate(sent)
    except ValidationError as error:
        found = fault_of(error)
        assert found.field.startswith(("data", "id", "time", "subject", "source", "type", "specversion"))
        assert found.reason


@given(field=FIELDS, value=JSON)
def test_what_the_model_takes_its_json_schema_takes(field: str, value: object) -> None:
    sent = event(**{field: value}) if field in TouchpointData.model_fields else {**event(), field: value}

    try:
        TouchpointEvent.model_validate(sent)
    except ValidationError:
        return
    EVENT_SCHEMA.validate(json.loads(json.dumps(sent)))
