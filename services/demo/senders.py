"""How each of the shop's systems sends: its own server, its page, and its carrier; tills have an agent of their own."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import msgspec

from schemas.instant import write_instant
from services.client.events import EventsClient, Outgoing, Reply
from services.client.posting import Poster, open_poster, problem_of
from services.demo.shop import SOURCE
from services.demo.traffic import CARRIED, Message

BROWSER: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
"""What visitors of the simulated shop have."""

ARRIVED: Final = "delivery.delivered"
"""What carriers have a day for."""

_JSON: Final = msgspec.json.Encoder()


def server_event(message: Message) -> Outgoing:
    """What the shop's own system says: a CloudEvent."""
    return Outgoing.of(event_id=message.id, source=SOURCE, occurred_at=message.happening.at, body=message.body)


def page_event(message: Message) -> Outgoing:
    """What the snippet says of it: a page knows no place, and its source is its key's."""
    data = {name: value for name, value in message.body.items() if name != "place"}
    event = {"id": message.id, "time": write_instant(message.happening.at), "data": data}
    return Outgoing(message.id, _JSON.encode(event))


def carrier_news(message: Message) -> bytes:
    """What AfterShip says of it, which knows the customer by an address and a promise by its time."""
    happening, body = message.happening, message.body
    place, numbers = body.get("place"), body.get("properties")
    said: dict[str, object] = {
        "id": message.id,
        "tracking_number": message.id,
        "slug": str(place).removeprefix("carrier/"),
        "tag": CARRIED[str(body["touchpoint"])],
        "emails": [happening.customer.email],
        "order_id": body.get("order"),
    }
    if body["touchpoint"] == ARRIVED and isinstance(numbers, Mapping) and "hours_late" in numbers:
        promised_at = happening.at - timedelta(hours=numbers["hours_late"])
        said["expected_delivery"] = write_instant(promised_at)
    return _JSON.encode({"event": "tracking_update", "msg": said, "ts": int(happening.at.timestamp())})


def open_page(*, url: str, key: str, origin: str) -> EventsClient:
    """A visitor's browser, on a page of this origin that has our snippet."""
    poster = open_poster(url=url, headers={"Origin": origin, "User-Agent": BROWSER}, connections=1)
    path = f"/v1/beacon?key={quote(key)}"
    return EventsClient(poster=poster, compress=False, path=path, content_type="text/plain;charset=UTF-8")


@dataclass(slots=True, kw_only=True)
class Carrier:
    """A carrier's webhooks, each signed."""

    poster: Poster
    path: str
    secret: bytes

    async def send(self, messages: Sequence[Message]) -> list[Reply]:
        """Deliver news, one a request. Raises UnavailableError when the door stays away."""
        return [await self._deliver(message) for message in messages]

    async def _deliver(self, message: Message) -> Reply:
        body = carrier_news(message)
        signature = base64.b64encode(hmac.digest(self.secret, body, hashlib.sha256)).decode()
        headers = {"Content-Type": "application/json", "aftership-hmac-sha256": signature}
        answer = await self.poster.post(self.path, body, headers, events=1)
        taken = answer.status_code == HTTPStatus.OK
        return Reply(message.id, taken, "" if taken else problem_of(answer))


def open_carrier(*, url: str, source: str, secret: bytes) -> Carrier:
    """A carrier that delivers its news to this source."""
    poster = open_poster(url=url, headers={}, connections=1)
    return Carrier(poster=poster, path=f"/hooks/aftership/{source}", secret=secret)
