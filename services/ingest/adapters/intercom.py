"""Webhooks of Intercom: ratings, first answers, tickets that were settled, and who left the mailing list."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from services.core.instants import parse_instant
from services.ingest.adapter import Adapter, Example
from services.ingest.hooks import Delivery, Happened, event_of, named, webhook
from services.ingest.loose import event_id, instant, members, number, word
from services.ingest.signatures import Scheme

SCHEME: Final = Scheme(header="x-hub-signature", algorithm="hmac-sha1", encoding="hex", prefix="sha1=")

PERSON: Final = "x-intercom"
"""Under which Intercom's own ids of contacts are known."""

PEOPLE: Final = frozenset({"contact", "user", "lead"})
"""Who is a customer; teammates and bots write in conversations too."""

LEAD: Final = "lead"
"""A contact that the shop has not told Intercom about: its external id is Intercom's own invention."""

ANSWERED: Final[Mapping[str, str]] = {"conversation": "chat.first_response", "email": "ticket.first_response"}
"""What a first answer is, by where the customer wrote: whoever writes an e-mail expects none within a minute."""


class Told(NamedTuple):
    """What a notification's item tells: the touchpoint, the thing's id, what it adds, and its time if it has one."""

    touchpoint: str
    thing: str | None
    adds: Mapping[str, object]
    at: object = None


def _rated(item: Mapping[str, Any]) -> Told | None:
    """Tell of a rating; one that is changed is another answer, and a remark that follows changes nothing."""
    rating, conversation = members(item.get("conversation_rating")), event_id(item.get("id"))
    value, remark = number(rating.get("rating")), word(rating.get("remark"))
    if value is None or conversation is None:
        return None
    adds: dict[str, object] = {"case": conversation, "rating": {"scale": "csat5", "value": value}}
    if remark is not None:
        adds["text"] = remark
    return Told("survey.csat", f"{conversation}/{value}", adds, rating.get("created_at"))


def _answered(item: Mapping[str, Any]) -> Told | None:
    """Tell how long a customer waited for the first answer, in the desk's own hours; later ones tell of the same."""
    source, statistics = members(item.get("source")), members(item.get("statistics"))
    touchpoint = ANSWERED.get(word(source.get("type")) or "")
    waited, conversation = number(statistics.get("time_to_admin_reply")), event_id(item.get("id"))
    # Whom the shop wrote to first did not wait.
    if touchpoint is None or waited is None or source.get("delivered_as") != "customer_initiated":
        return None
    adds = {"case": conversation, "properties": {"wait_seconds": waited}}
    return Told(touchpoint, conversation, adds, statistics.get("first_admin_reply_at"))


def _settled(item: Mapping[str, Any]) -> Told | None:
    """Tell of a ticket that customers see; how long it took is told by its own two times."""
    ticket, opened, changed = event_id(item.get("id")), instant(item.get("created_at")), instant(item.get("updated_at"))
    if item.get("category") != "Customer":
        return None
    adds: dict[str, object] = {"case": ticket}
    if opened is not None and changed is not None:
        took_s = (parse_instant(changed) - parse_instant(opened)).total_seconds()
        adds["properties"] = {"wait_seconds": max(0.0, took_s)}
    return Told("case.resolved", ticket, adds, changed)


def _left(item: Mapping[str, Any]) -> Told:
    """Tell who takes no more e-mail; two topics may tell of it."""
    contact = members(item.get("contact")) or item
    return Told("email.unsubscribed", event_id(contact.get("id")) if _is_person(contact) else None, {})


TOPICS: Final[Mapping[str, Callable[[Mapping[str, Any]], Told | None]]] = {
    "conversation.rating.added": _rated,
    "conversation.admin.replied": _answered,
    "ticket.resolved": _settled,
    "contact.unsubscribed": _left,
    "user.unsubscribed": _left,
}
"""What is of use.

Not `conversation.user.created`: to ask is no complaint. Not `conversation.admin.closed` or `.assigned`: that is how the
desk keeps its inbox, and a conversation that was closed need not be settled. Not `contact.deleted`: teammates and
clean-ups delete contacts, and no customer is known to have left.
"""


def happened(delivery: Delivery) -> Iterator[Happened]:
    """Tell what a notification is about.

    Ids are made of Intercom's for the conversation, the ticket or the contact, and not for the notification.
    """
    said = members(delivery.body)
    item = members(members(said.get("data")).get("item"))
    read = TOPICS.get(word(said.get("topic")) or "")
    told, identities = None if read is None else read(item), _identities(item)
    if told is None or told.thing is None or not identities:
        return
    time = instant(told.at) or instant(said.get("created_at"))
    yield event_of(told.touchpoint, told.thing, at=time, data={"identities": identities, **told.adds})


def _identities(item: Mapping[str, Any]) -> list[dict[str, str]]:
    """Say whom it is about: whoever rated or wrote, or the only one who takes part."""
    contacts = members(item.get("contacts")).get("contacts")
    listed = [one for one in map(members, contacts) if _is_person(one)] if isinstance(contacts, list) else []
    rating, source = members(item.get("conversation_rating")), members(item.get("source"))
    mentioned = [
        item,
        *map(members, (item.get("contact"), rating.get("contact"), source.get("author"), item.get("user"))),
    ]
    people = [one for one in mentioned if _is_person(one)] or (listed if len(listed) == 1 else [])
    if not people:
        return []
    own = word(people[0].get("id"))
    same = [one for one in (*people, *listed) if word(one.get("id")) == own]
    is_lead = any(one.get("type") == LEAD or one.get("role") == LEAD for one in same)
    return named(
        ("customer", None if is_lead else _first(same, "external_id", "user_id")),
        (PERSON, own),
        ("email", _first(same, "email")),
        ("phone", _first(same, "phone")),
    )


def _is_person(one: Mapping[str, Any]) -> bool:
    return word(one.get("type")) in PEOPLE and word(one.get("id")) is not None


def _first(same: list[dict[str, Any]], *names: str) -> str | None:
    found = (word(one.get(name)) for one in same for name in names)
    return next((text for text in found if text is not None), None)


def _example(topic: str, item: Mapping[str, object]) -> bytes:
    told = {
        "type": "notification_event",
        "id": "notif_7d1f",
        "topic": topic,
        "created_at": 1_772_362_740,
        "delivery_attempts": 1,
        "data": {"type": "notification_event_data", "item": item},
    }
    return json.dumps(told).encode()


_CONVERSATION: Final = {
    "type": "conversation",
    "id": "9041",
    "created_at": 1_772_362_600,
    "source": {
        "type": "conversation",
        "delivered_as": "customer_initiated",
        "author": {"type": "user", "id": "65f0c1", "email": "ana@example.com"},
    },
    "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": "65f0c1", "external_id": "c-1001"}]},
}
_RATED: Final = {"rating": 5, "remark": "Solved at once.", "created_at": 1_772_362_740}
_REPLIED: Final = {"time_to_admin_reply": 25, "first_admin_reply_at": 1_772_362_625}
_CONTACT: Final = {"type": "contact", "id": "65f0c1", "role": "user", "external_id": "c-1001", "phone": "+48600100200"}
_JSON: Final = {"content-type": "application/json"}

ADAPTER: Final[Adapter] = webhook(
    "intercom",
    scheme=SCHEME,
    happened=happened,
    signature_stands="A signature in `X-Hub-Signature`",
    examples=(
        Example(
            "A conversation that was rated",
            "/hooks/intercom/our-intercom",
            _example("conversation.rating.added", {**_CONVERSATION, "conversation_rating": _RATED}),
            _JSON,
            touchpoints=("survey.csat",),
        ),
        Example(
            "A first answer in the chat",
            "/hooks/intercom/our-intercom",
            _example("conversation.admin.replied", {**_CONVERSATION, "statistics": _REPLIED}),
            _JSON,
            touchpoints=("chat.first_response",),
        ),
        Example(
            "A contact who takes no more e-mail",
            "/hooks/intercom/our-intercom",
            _example("contact.unsubscribed", {"type": "contact_unsubscribe", "contact": _CONTACT}),
            _JSON,
            touchpoints=("email.unsubscribed",),
        ),
        Example(
            "A ping",
            "/hooks/intercom/our-intercom",
            _example("ping", {"type": "ping", "message": "Good morning."}),
            _JSON,
        ),
    ),
)
