"""The AsyncAPI document of the five topics."""

from __future__ import annotations

from typing import Final, NamedTuple

from pydantic import BaseModel

from schemas import dead_letter, topics
from schemas.alert import AlertRecord
from schemas.documents.openapi import LICENSE, VERSION, Json, ref, schemas_of
from schemas.incident import IncidentRecord
from schemas.score import ScoreRecord
from schemas.touchpoint import IDENTITY_CHARS_MAX, RECORD_SUBJECT_PATTERN, TouchpointRecord

KAFKA_BINDING: Final = "0.5.0"
"""Version of the AsyncAPI bindings for Kafka."""

_INCIDENT_KEY: Final[Json] = {
    "type": "string",
    "pattern": "^incident/(place|touchpoint|channel)/.+$",
    "description": "What the people of an incident share.",
}

_CUSTOMER_KEY: Final[Json] = {
    "type": "string",
    "pattern": RECORD_SUBJECT_PATTERN,
    "description": "The customer, kind:value.",
}


def _key_binding(key: Json) -> Json:
    return {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}}


_DEAD_LETTER: Final[Json] = {
    "title": "An event that was rejected, or a body that holds none",
    "contentType": "application/octet-stream",
    "headers": {
        "type": "object",
        "required": [dead_letter.REASON, dead_letter.DETAIL, dead_letter.SOURCE, dead_letter.RECEIVED_AT],
        "properties": {
            dead_letter.REASON: {"type": "string", "description": "A word."},
            dead_letter.DETAIL: {"type": "string", "description": "What to mend."},
            dead_letter.SOURCE: {"type": "string", "description": "The key's source."},
            dead_letter.RECEIVED_AT: {"type": "string", "format": "date-time"},
            dead_letter.CHANNEL: {"type": "string", "description": "The channel that read it."},
            dead_letter.PATH: {"type": "string", "description": "Where it was sent, without its query."},
            dead_letter.ORIGIN: {"type": "string", "description": "The origin of the page that it came of."},
            dead_letter.TRUNCATED: {
                "type": "string",
                "pattern": "^[0-9]+$",
                "description": "The whole size in bytes, when only its beginning is kept.",
            },
        },
    },
    "payload": {"type": "string", "description": "Any bytes."},
    "bindings": _key_binding(
        {
            "type": ["string", "null"],
            "maxLength": IDENTITY_CHARS_MAX + 64,
            "description": "The subject as it was sent.",
        }
    ),
}


class _Topic(NamedTuple):
    """One topic: how it is called, what it carries, how long."""

    channel: str
    address: str
    messages: tuple[str, ...]
    description: str
    action: str
    policy: Json


_TOPICS: Final = (
    _Topic(
        "touchpoints",
        topics.EVENTS,
        ("TouchpointRecord",),
        "Every accepted event that was at most 24 hours old on arrival.",
        "receive",
        {"cleanup.policy": ["delete"], "retention.ms": topics.RETENTION_MS},
    ),
    _Topic(
        "lateTouchpoints",
        topics.LATE,
        ("TouchpointRecord",),
        "Accepted events older than that: scored all the same, and never by themselves the cause of an alert.",
        "receive",
        {"cleanup.policy": ["delete"], "retention.ms": topics.RETENTION_MS},
    ),
    _Topic(
        "scores",
        topics.SCORES,
        ("ScoreRecord",),
        "The newest state of every customer; take a record only when its version is above the one held.",
        "send",
        {"cleanup.policy": ["compact"], "delete.retention.ms": topics.TOMBSTONE_MS},
    ),
    _Topic(
        "alerts",
        topics.ALERTS,
        ("AlertRecord", "IncidentRecord"),
        "Alerts opened, worsened, closed or withdrawn, and incidents opened, grown or resolved, which have a `kind`.",
        "send",
        {"cleanup.policy": ["delete"], "retention.ms": topics.RETENTION_MS},
    ),
    _Topic(
        "deadLetters",
        topics.DLQ,
        ("DeadLetter",),
        "Rejected events and bodies that hold none, without e-mail addresses and phone numbers, the reason in headers.",
        "receive",
        {"cleanup.policy": ["delete"], "retention.ms": topics.DEAD_RETENTION_MS},
    ),
)


def asyncapi() -> Json:
    """Return the document."""
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Tactus topics",
            "version": VERSION,
            "description": (
                "Touchpoint events go in, scores and alerts come out. Records of one customer keep their order: the "
                "key decides the partition (murmur2)."
            ),
            "license": {"name": LICENSE["name"]},
        },
        "defaultContentType": "application/json",
        "servers": {
            "log": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092"}},
            }
        },
        "channels": {topic.channel: _channel(topic) for topic in _TOPICS},
        "operations": {
            f"{topic.action}{topic.channel[0].upper()}{topic.channel[1:]}": _operation(topic) for topic in _TOPICS
        },
        "components": {
            "messages": _messages(),
            "schemas": schemas_of(
                [
                    (TouchpointRecord, "validation"),
                    (ScoreRecord, "validation"),
                    (AlertRecord, "validation"),
                    (IncidentRecord, "validation"),
                ]
            ),
        },
    }


def _channel(topic: _Topic) -> Json:
    return {
        "address": topic.address,
        "description": topic.description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in topic.messages},
        "bindings": {
            "kafka": {"topic": topic.address, "topicConfiguration": topic.policy, "bindingVersion": KAFKA_BINDING}
        },
    }


def _operation(topic: _Topic) -> Json:
    operation: Json = {
        "action": topic.action,
        "channel": {"$ref": f"#/channels/{topic.channel}"},
        "messages": [{"$ref": f"#/channels/{topic.channel}/messages/{message}"} for message in topic.messages],
    }
    if topic.action == "receive":
        group: Json = {"type": "string", "const": topics.GROUP}
        operation["bindings"] = {"kafka": {"groupId": group, "bindingVersion": KAFKA_BINDING}}
    return operation


def _messages() -> Json:
    return {
        "TouchpointRecord": {
            **_message(
                TouchpointRecord,
                "An event as it stands in the log",
                key={
                    "type": "string",
                    "pattern": RECORD_SUBJECT_PATTERN,
                    "description": "The event's subject: its strongest identity.",
                },
            ),
            "contentType": "application/cloudevents+json; charset=UTF-8",
            "headers": _headers({"content-type": "application/cloudevents+json; charset=UTF-8"}),
        },
        "ScoreRecord": _message(
            ScoreRecord,
            "A customer's state; a record without a value means that the customer was erased",
            key=_CUSTOMER_KEY,
        ),
        "AlertRecord": _message(AlertRecord, "A step in the life of an alert", key=_CUSTOMER_KEY),
        "IncidentRecord": _message(IncidentRecord, "A step in the life of an incident", key=_INCIDENT_KEY),
        "DeadLetter": _DEAD_LETTER,
    }


def _message(model: type[BaseModel], title: str, *, key: Json) -> Json:
    return {"title": title, "contentType": "application/json", "payload": ref(model), "bindings": _key_binding(key)}


def _headers(constants: Json) -> Json:
    return {
        "type": "object",
        "required": [*constants],
        "properties": {name: {"type": "string", "const": value} for name, value in constants.items()},
    }
