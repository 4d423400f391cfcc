"""Webhooks of Typeform: the answers of a form whose fields are named after surveys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from schemas.freeform import TEXT_CHARS_MAX
from services.ingest.adapter import Adapter, Example
from services.ingest.hooks import Delivery, Happened, event_of, named, webhook
from services.ingest.loose import event_id, members, number, word
from services.ingest.signatures import Scheme

SCHEME: Final = Scheme(header="typeform-signature", prefix="sha256=")

SURVEYS: Final[Mapping[str, tuple[str, str]]] = {
    "nps": ("survey.nps", "nps"),
    "csat": ("survey.csat", "csat5"),
    "ces": ("survey.ces", "ces7"),
    # Stars in a form are no review that others read, and a form does not say whom or what they are for.
    "stars": ("survey.csat", "stars5"),
}
"""What a field asks for, and on which scale, by how its reference begins: `nps`, `csat_2026`, `ces-returns`.

Who names a field so asks on that scale; how many steps it has is not delivered, and what lies outside is rejected.
"""

COMMENT: Final = "comment"
_NAMED: Final = re.compile(rf"({'|'.join((*SURVEYS, COMMENT))})(?![a-z])", re.IGNORECASE)

HIDDEN: Final = (("customer", "customer_id"), ("email", "email"), ("phone", "phone"), ("anonymous", "anonymous_id"))
"""Kinds of identities, and the hidden fields of a form that hold them."""

UNFILLED: Final = frozenset({"xxxxx", "hidden_value"})
"""What stands in the links that Typeform shows and in what it sends as a test: nobody, and the same for everybody."""


def happened(delivery: Delivery) -> Iterator[Happened]:
    """Tell of every answer that rates something, each an event.

    Ids are made of the response's token and the field's reference. A response is final: whoever thinks otherwise later
    gives another one.
    """
    said = members(delivery.body)
    response = members(said.get("form_response"))
    token, identities = event_id(response.get("token")), _identities(members(response.get("hidden")))
    if said.get("event_type") != "form_response" or token is None or not identities:
        return
    answers = list(_answers(response.get("answers")))
    more: dict[str, object] = _comment(answers)
    for name, reference, answer in answers:
        value = None if name == COMMENT else number(answer.get("number"))
        if value is not None:
            touchpoint, scale = SURVEYS[name]
            data = {"identities": identities, "rating": {"scale": scale, "value": value}, **more}
            yield event_of(touchpoint, f"{token}/{reference}", at=response.get("submitted_at"), data=data)
            # What was written is said once, with the first rating.
            more = {}


def _identities(hidden: Mapping[str, Any]) -> list[dict[str, str]]:
    ways = ((kind, word(hidden.get(field))) for kind, field in HIDDEN)
    return named(*((kind, text) for kind, text in ways if text not in UNFILLED))


def _answers(answers: object) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give the answers of the fields that are named after something: after what, by which reference, and the answer."""
    for answer in map(members, answers if isinstance(answers, list) else ()):
        reference = event_id(members(answer.get("field")).get("ref"))
        found = None if reference is None else _NAMED.match(reference)
        if reference is not None and found is not None:
            yield found[1].lower(), reference, answer


def _comment(answers: list[tuple[str, str, dict[str, Any]]]) -> dict[str, object]:
    """Give what was written in the first field for it, cut to what an event may hold."""
    texts = (word(answer.get("text")) for name, _, answer in answers if name == COMMENT)
    text = next((one for one in texts if one is not None), None)
    return {} if text is None else {"text": text[:TEXT_CHARS_MAX]}


_RESPONSE: Final = {
    "event_id": "01J9D0",
    "event_type": "form_response",
    "form_response": {
        "form_id": "aF0rm",
        "token": "p7x2k9",
        "submitted_at": "2026-03-01T11:59:00Z",
        "hidden": {"customer_id": "c-1001"},
        "answers": [
            {"type": "number", "number": 9, "field": {"id": "f1", "ref": "nps", "type": "opinion_scale"}},
            {"type": "number", "number": 4, "field": {"id": "f2", "ref": "csat_2026", "type": "rating"}},
            {
                "type": "text",
                "text": "The parcel came early.",
                "field": {"id": "f3", "ref": "comment", "type": "long_text"},
            },
        ],
    },
}

ADAPTER: Final[Adapter] = webhook(
    "typeform",
    scheme=SCHEME,
    happened=happened,
    signature_stands="A signature in `Typeform-Signature`",
    examples=(
        Example(
            "Two ratings and a comment",
            "/hooks/typeform/our-typeform",
            json.dumps(_RESPONSE).encode(),
            {"content-type": "application/json"},
            touchpoints=("survey.nps", "survey.csat"),
        ),
    ),
)
