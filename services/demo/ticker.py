"""What the demo tells of alerts and incidents, as whoever follows their topic hears of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from schemas.alert import AlertRecord
from schemas.incident import IncidentRecord
from schemas.topics import ALERTS
from services.demo.screen import KIND, Screen
from services.infra.kafka import tail
from services.infra.settings import KafkaSettings

SHOWN_MAX: Final = 6
"""Alerts that are told one by one; an outage brings dozens, and what follows is for the count at the end."""

REASONS_SHOWN: Final = 3

RECORD: Final[TypeAdapter[AlertRecord | IncidentRecord]] = TypeAdapter(AlertRecord | IncidentRecord)


@dataclass(slots=True, kw_only=True)
class Ticker:
    """Tells alerts and incidents on a screen, and counts them."""

    screen: Screen
    labels: Mapping[str, str]
    """Of touchpoints."""
    opened: int = 0
    critical: int = 0
    incidents: int = 0
    over: int = 0

    async def run(self, bootstrap: str) -> None:
        """Follow the topic from here on; ends only when cancelled. Raises UnavailableError when it cannot begin."""
        async with tail(KafkaSettings(bootstrap=bootstrap), [ALERTS]) as records:
            async for record in records:
                if record.value is not None:
                    self.take(record.value)

    def take(self, value: bytes) -> None:
        """Take one step of an alert or an incident."""
        match RECORD.validate_json(value):
            case AlertRecord() as alert:
                self._alert(alert)
            case IncidentRecord() as incident:
                self._incident(incident)

    def summary(self) -> str:
        """All of it in a line."""
        return f"Alerts {self.opened}, critical {self.critical}; incidents {self.incidents}, over {self.over}"

    def _alert(self, alert: AlertRecord) -> None:
        worse = alert.state in {"opened", "worsened"}
        self.opened += alert.state == "opened"
        self.critical += worse and alert.severity == "critical"
        if alert.state != "opened" or self.opened > SHOWN_MAX:
            return
        who = (alert.customer or alert.account or "").removeprefix(KIND)
        lowering = [one for one in alert.reasons if one.points < 0]
        reasons = [f"{self._label(one.touchpoint)} {one.points:+.1f}" for one in lowering[:REASONS_SHOWN]]
        moved = f"{alert.score_before:.1f} → {alert.score:.1f}"
        self.screen.say(f"ALERT {alert.severity}: {who} {moved}: {', '.join(reasons)}")

    def _incident(self, incident: IncidentRecord) -> None:
        shared = self._label(incident.value) if incident.along == "touchpoint" else incident.value
        match incident.state:
            case "opened":
                self.incidents += 1
                self.screen.say(f"INCIDENT: {incident.people} customers share the {incident.along} {shared}")
            case "grown":
                self.screen.say(f"INCIDENT grows: {incident.people} customers share the {incident.along} {shared}")
            case "resolved":
                self.over += 1
                self.screen.say(f"INCIDENT over: {shared}, {incident.people} customers")

    def _label(self, touchpoint: str) -> str:
        return self.labels.get(touchpoint, touchpoint)
