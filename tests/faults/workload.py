"""Seeded touchpoint events with every hardship that the promises speak of, as plain CloudEvents."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

SOURCE: Final = "storm"
CUSTOMERS: Final = 400
"""Few enough that the busiest are in every chunk, and enough that each partition has some."""
ALIASED_SHARE: Final = 0.005
"""Of events that join two customers: as many as leave some apart until late, among the busiest and the others."""
IN_TIME: Final = timedelta(hours=20)
"""Oldest event of the live lane: far enough from 24 h that a retry stays in the same lane."""
LATE: Final = (timedelta(hours=26), timedelta(days=60))
AHEAD: Final = timedelta(days=2)
"""Events of the future: so far ahead that a retry minutes later is clamped as well."""

Json = dict[str, Any]


class Planned(NamedTuple):
    """One event to send, and what makes it itself."""

    event: Json
    variant: int
    good: bool = True

    @property
    def name(self) -> Json:
        """What the ledger calls it."""
        return {
            "id": self.event["id"],
            "source": self.event["source"],
            "time": self.event.get("time"),
            "variant": self.variant,
        }


Shape = Callable[[random.Random, datetime], Json]
"""Makes the data of one event that happened at a moment."""


def _const(touchpoint: str, channel: str) -> Shape:
    return lambda _dice, _at: {"touchpoint": touchpoint, "channel": channel}


def _rated(touchpoint: str, channel: str, values: range) -> Shape:
    return lambda dice, _at: {"touchpoint": touchpoint, "channel": channel, "rating": {"value": dice.choice(values)}}


def _waited(dice: random.Random, _at: datetime) -> Json:
    wait = round(dice.expovariate(1 / 90), 3)
    return {"touchpoint": "call.answered", "channel": "contact_centre", "properties": {"wait_seconds": wait}}


def _order(dice: random.Random, at: datetime) -> str:
    """One of a few orders of this second: several people say something of each."""
    return f"o-{int(at.timestamp())}-{dice.randrange(3)}"


def _ordered(dice: random.Random, at: datetime) -> Json:
    promised = at - timedelta(minutes=dice.randint(-3000, 6000))
    said = {"promised_at": stamp(promised)} | ({"parcel": f"p-{dice.randrange(2)}"} if dice.random() < 0.2 else {})
    return {"touchpoint": "order.completed", "channel": "web", "order": _order(dice, at), "properties": said}


def _cancelled(dice: random.Random, at: datetime) -> Json:
    return {"touchpoint": "order.cancelled_by_shop", "channel": "back_office", "order": _order(dice, at)}


def _delivered(dice: random.Random, at: datetime) -> Json:
    promised = at - timedelta(minutes=dice.randint(-3000, 6000))
    shaped: Json = {
        "touchpoint": "delivery.delivered",
        "channel": "delivery",
        "place": f"carrier/{dice.choice(['blue', 'green'])}",
        "properties": {"promised_at": stamp(promised)} if dice.random() < 0.7 else {},
    }
    return shaped | ({"order": _order(dice, at)} if dice.random() < 0.6 else {})


def _felt(dice: random.Random, _at: datetime) -> Json:
    felt = {"sentiment": round(dice.uniform(-1, 1), 4), "confidence": round(dice.random(), 4)}
    return {"touchpoint": "conversation.sentiment", "channel": "chat", "properties": felt}


def _unknown(dice: random.Random, _at: datetime) -> Json:
    shaped: Json = {"touchpoint": f"x.thing_{dice.randint(1, 5)}", "channel": "kiosk"}
    return shaped | ({"valence": round(dice.uniform(-1, 1), 4)} if dice.random() < 0.7 else {})


def _scanned(_dice: random.Random, _at: datetime) -> Json:
    return {"touchpoint": "email.opened", "channel": "email", "properties": {"machine_made": True}}


def _rehearsed(dice: random.Random, _at: datetime) -> Json:
    return {"touchpoint": "pos.sale_completed", "channel": "pos", "class": dice.choice(["training", "void", "test"])}


def _staked(dice: random.Random, _at: datetime) -> Json:
    shaped = {"touchpoint": "case.opened", "channel": "chat", "stake": round(dice.uniform(0, 2), 5)}
    return shaped | {"properties": {"n": dice.random()}}


SHAPES: Final[tuple[tuple[int, Shape], ...]] = (
    (30, _const("web.page_viewed", "web")),
    (10, _const("web.product_viewed", "web")),
    (4, _const("order.completed", "web")),
    (4, _ordered),
    (6, _const("pos.sale_completed", "pos")),
    (4, _const("payment.failed", "web")),
    (3, _const("order.cancelled_by_shop", "back_office")),
    (1, _cancelled),
    (6, _rated("survey.csat", "survey", range(1, 6))),
    (4, _rated("survey.nps", "survey", range(11))),
    (8, _waited),
    (8, _delivered),
    (4, _felt),
    (4, _unknown),
    (2, _scanned),
    (2, _rehearsed),
    (2, _staked),
)


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Workload:
    """An endless seeded stream of events; the clock is the caller's."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.seed = seed
        self.made = 0
        self.customers = [f"c-{number}" for number in range(CUSTOMERS)]
        self.popularity = [1 / (rank + 1) for rank in range(CUSTOMERS)]

    def fresh(self, now: datetime) -> Planned:
        """A new event; one in a hundred is one that ingest must refuse."""
        self.made += 1
        event: Json = {
            "specversion": "1.0",
            "id": f"e-{self.seed}-{self.made}",
            "source": SOURCE,
            "type": "tactus.touchpoint.v1",
        }
        at, time = self._moment(now)
        shape = self.dice.choices([shape for _, shape in SHAPES], [weight for weight, _ in SHAPES])[0]
        data = shape(self.dice, at) | {"identities": self._identities()}
        event |= {"data": self._aliased(data) if self.dice.random() < ALIASED_SHARE else data}
        if time is not None:
            event["time"] = time
        if self.dice.random() < 0.01:
            event["data"]["identities"] = []
            return Planned(event, 0, good=False)
        return Planned(event, 0)

    def _aliased(self, data: Json) -> Json:
        """Say of three customers in a row that they are one, two of them at a time."""
        first = 3 * self.dice.randrange(CUSTOMERS // 3) + self.dice.randrange(2)
        one, other = self.dice.sample(self.customers[first : first + 2], k=2)
        who = {"kind": "customer", "value": one}
        return {
            "touchpoint": "identity.linked",
            "channel": "web",
            "identities": [who],
            "alias": {"kind": "customer", "value": other},
            "properties": {"instead_of": data["touchpoint"]},
        }

    def conflicting(self, planned: Planned) -> Planned:
        """The same event with another body."""
        data = planned.event["data"]
        variant = planned.variant + 1
        properties = data.get("properties", {}) | {"variant": variant}
        return Planned(planned.event | {"data": data | {"properties": properties}}, variant)

    def namesake(self, planned: Planned, now: datetime) -> Planned | None:
        """The same event with another time, which changes nothing. None when it has no time of its own in the log."""
        time = planned.event.get("time")
        if time is None or datetime.fromisoformat(time) > now:
            return None
        other = datetime.fromisoformat(time) - timedelta(seconds=self.dice.randint(1, 1000))
        return Planned(planned.event | {"time": stamp(other)}, planned.variant)

    def _moment(self, now: datetime) -> tuple[datetime, str | None]:
        kind = self.dice.random()
        if kind < 0.08:
            return now, None
        if kind < 0.11:
            ahead = now + AHEAD + timedelta(seconds=self.dice.randint(0, 3600))
            return now, stamp(ahead)
        if kind < 0.19:
            at = now - timedelta(seconds=self.dice.uniform(*(limit.total_seconds() for limit in LATE)))
            return at, stamp(at)
        at = now - timedelta(seconds=self.dice.random() ** 3 * IN_TIME.total_seconds())
        return at, stamp(at)

    def _identities(self) -> list[Json]:
        customer = self.dice.choices(self.customers, self.popularity)[0]
        kind = self.dice.random()
        if kind < 0.1:
            device = {"kind": "anonymous", "value": f"a-{customer}-{self.dice.randint(0, 3)}"}
            return [{"kind": "customer", "value": customer}, device]
        if kind < 0.15:
            return [{"kind": "customer", "value": customer}, {"kind": "email", "value": f"{customer}@example.com"}]
        if kind < 0.3:
            return [{"kind": "anonymous", "value": f"a-{customer}-{self.dice.randint(0, 3)}"}]
        return [{"kind": "customer", "value": customer}]
