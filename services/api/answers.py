"""Turn what is stored of a person into the answers of the read API. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Self

from pydantic import ValidationError

from schemas.instant import write_instant
from schemas.readapi import (
    LATEST_MAX,
    LEAVES_MAX,
    TEXT_SHOWN_CHARS_MAX,
    VALUES_MAX,
    AlertSummary,
    AlsoTold,
    Changes,
    CustomerAnswer,
    FeltPromise,
    JourneyAnswer,
    JourneyTouchpoint,
    LatestEvent,
    RatingGiven,
    ReceiptAnswer,
    ReceiptLeaf,
    ReceiptOthers,
)
from schemas.readapi import Change as ToldChange
from schemas.score import Cell, Windows, parts_as_told
from services.core.catalogue import Catalogue
from services.core.change import PERIODS, Change, read_changes
from services.core.dimensions import Leaf
from services.core.identity import strength
from services.core.instants import hour_of
from services.core.scoring import (
    WINDOWS,
    Key,
    Reading,
    Receipt,
    read,
    read_dimensions,
    receipt,
)
from services.core.tallies import HOURS_KEPT, MICRO
from services.infra.catalogue.reading import Labels
from services.state.alerts import Alert
from services.state.events import JourneyEvent
from services.state.events import LatestEvent as StoredEvent
from services.state.experience import Experience
from services.state.persons import Person

BEFORE_HOURS: Final = max(PERIODS.values())
"""The longest span over which a change is told."""


class Moment(NamedTuple):
    """The time of a question, and the hour that is read for it."""

    at: datetime

    @property
    def hour(self) -> int:
        """Hours since 1970; the whole hour that the moment falls in counts."""
        return hour_of(self.at)

    @property
    def hours(self) -> dict[str, int]:
        """The hours whose tallies the answer and its changes need."""
        return {"after_hour": self.hour - BEFORE_HOURS - HOURS_KEPT, "until_hour": self.hour}


def customer_answer(
    person: Person,
    experience: Experience,
    alerts: Sequence[Alert],
    *,
    stale: Sequence[str],
    catalogue: Catalogue,
    moment: Moment,
) -> CustomerAnswer:
    """Score a person along everything that can be read from its tallies and facts."""
    overall, *windows = _read(experience, catalogue, hour=moment.hour, windows_h=[None, *WINDOWS.values()])
    changes = read_changes(
        experience.tallies,
        facts=experience.facts,
        leaves=experience.leaves,
        at_hour=moment.hour,
        periods_h=[*PERIODS.values()],
        parameters=catalogue.parameters,
    )
    dimensions = read_dimensions(
        experience.tallies,
        facts=experience.facts,
        leaves=experience.leaves,
        at_hour=moment.hour,
        parameters=catalogue.parameters,
        values_max=VALUES_MAX,
    )
    return CustomerAnswer(
        customer=person.customer,
        identities=sorted(person.identities.values(), key=strength),
        score=overall.score,
        confidence=overall.confidence,
        se=overall.se,
        p_bad=None if catalogue.calibration is None else catalogue.calibration.at(overall.score),
        band=catalogue.bands.name(overall.score, overall.confidence),
        bands=catalogue.bands.begins,
        change=Changes(**dict(zip(PERIODS, map(told_change, changes), strict=True))),
        dimensions={
            name: {value: Cell(score=cell.score, confidence=cell.confidence) for value, cell in cells.items()}
            for name, cells in dimensions.cells.items()
        },
        left_out=dimensions.left_out,
        windows=windows_told(windows),
        alerts=[_alert(alert) for alert in alerts],
        stale=list(stale),
        model_version=catalogue.model_version,
        version=person.version,
        at=write_instant(moment.at),
    )


def told_change(change: Change) -> ToldChange:
    """Write a change so that its rounded parts add up."""
    came, faded, fell_out = parts_as_told(0.0, [change.came, change.faded, change.fell_out])
    return ToldChange(
        points=came + faded + fell_out, came=came, faded=faded, fell_out=fell_out, significant=change.significant
    )


def windows_told(readings: Sequence[Reading[float]]) -> Windows:
    """Tell the windows' readings, which come in their order."""
    return Windows.model_validate(
        {
            name: Cell(score=window.score, confidence=window.confidence)
            for name, window in zip(WINDOWS, readings, strict=True)
        }
    )


class Reasons(NamedTuple):
    """A receipt, and its leaves by their stored numbers."""

    receipt: Receipt
    leaves: Sequence[Leaf]
    stored_leaves: Sequence[int]

    @classmethod
    def of(cls, explained: Receipt, experience: Experience) -> Self:
        """Name the leaves of a receipt that was read from this experience."""
        return cls(
            explained,
            [experience.leaves.triples[line.leaf] for line in explained.leaves],
            [experience.stored_leaves[line.leaf] for line in explained.leaves],
        )


def reasons_of(experience: Experience, *, catalogue: Catalogue, moment: Moment) -> Reasons:
    """Find the leaves that moved a score most."""
    explained = receipt(
        experience.tallies,
        facts=experience.facts,
        leaves=experience.leaves,
        at_hour=moment.hour,
        parameters=catalogue.parameters,
        leaves_max=LEAVES_MAX,
    )
    return Reasons.of(explained, experience)


def receipt_answer(
    person: Person,
    reasons: Reasons,
    latest: Mapping[int, Sequence[StoredEvent]],
    *,
    catalogue: Catalogue,
    labels: Labels,
    moment: Moment,
) -> ReceiptAnswer:
    """Explain a person's score leaf by leaf, with the newest events behind each."""
    leaves, others = receipt_leaves(reasons, latest, labels=labels)
    return ReceiptAnswer(
        customer=person.customer,
        score=reasons.receipt.score,
        prior=reasons.receipt.prior,
        leaves=leaves,
        others=others,
        model_version=catalogue.model_version,
        version=person.version,
        at=write_instant(moment.at),
    )


def promises_told(about: Sequence[Key]) -> list[FeltPromise]:
    """Name promises, some of them when there are many."""
    return [FeltPromise(kind=kind, about=key, part=part) for kind, key, part in about[:LATEST_MAX]]


def receipt_leaves(
    reasons: Reasons, latest: Mapping[int, Sequence[StoredEvent]], *, labels: Labels
) -> tuple[list[ReceiptLeaf], ReceiptOthers]:
    """Tell a receipt's leaves, with the newest events behind each, and the others: rounded, they still add up."""
    explained = reasons.receipt
    *points, others = parts_as_told(
        explained.prior, [*(line.points for line in explained.leaves), explained.others.points]
    )
    leaves = [
        ReceiptLeaf(
            touchpoint=leaf.touchpoint,
            label=labels.touchpoints.get(leaf.touchpoint, leaf.touchpoint),
            channel=leaf.channel,
            place=leaf.place,
            points=told,
            events=line.events,
            latest=[latest_event(event) for event in latest.get(number, ())],
            promises=promises_told(line.about),
            also_told=[
                AlsoTold(about=key, source=source, id=event_id)
                for key, source, event_id in line.told_again[:LATEST_MAX]
            ],
        )
        for line, told, leaf, number in zip(
            explained.leaves, points, reasons.leaves, reasons.stored_leaves, strict=True
        )
    ]
    # Equal ones may differ in the last digit that is told.
    return sorted(leaves, key=lambda leaf: -abs(leaf.points)), ReceiptOthers(
        leaves=explained.others.leaves, points=others, events=explained.others.events
    )


def journey_answer(
    person: Person, events: Sequence[JourneyEvent], *, catalogue: Catalogue, labels: Labels, next_cursor: str | None
) -> JourneyAnswer:
    """Show a page of events, which come the newest first, in the order of time."""
    return JourneyAnswer(
        customer=person.customer,
        touchpoints=[
            touchpoint_told(event, identity=person.identities[event.identity], catalogue=catalogue, labels=labels)
            for event in reversed(events)
        ],
        next=next_cursor,
        version=person.version,
    )


def _read(
    experience: Experience, catalogue: Catalogue, *, hour: int, windows_h: Sequence[int | None]
) -> list[Reading[float]]:
    readings = read(
        experience.tallies,
        facts=experience.facts,
        owners=1,
        leaves=experience.leaves,
        at_hour=hour,
        parameters=catalogue.parameters,
        windows_h=windows_h,
    )
    return [Reading(*(float(column[0]) for column in reading)) for reading in readings]


def touchpoint_told(event: JourneyEvent, *, identity: str, catalogue: Catalogue, labels: Labels) -> JourneyTouchpoint:
    """Tell one event, and the identity that it came under."""
    entry = catalogue.entry(event.touchpoint)
    return JourneyTouchpoint(
        id=event.event_id,
        source=event.source,
        identity=identity,
        touchpoint=event.touchpoint,
        label=labels.touchpoints.get(event.touchpoint, event.touchpoint),
        channel=event.channel,
        place=event.place,
        stage=entry.stage,
        stage_label=labels.stages.get(entry.stage, entry.stage),
        category=entry.category,
        occurred_at=write_instant(event.occurred_at),
        received_at=write_instant(event.received_at),
        valence=event.v / MICRO,
        stake=event.q / MICRO,
        rating=_rating(event.rating),
        text=_text(event.text),
    )


def latest_event(event: StoredEvent) -> LatestEvent:
    """Show an event behind a leaf."""
    return LatestEvent(
        source=event.source,
        id=event.event_id,
        occurred_at=write_instant(event.occurred_at),
        valence=event.v / MICRO,
        stake=event.q / MICRO,
        rating=_rating(event.rating),
        text=_text(event.text),
    )


def _rating(stored: str | None) -> RatingGiven | None:
    """What an event says of its answer; whatever another producer wrote there is shown or passed over."""
    try:
        return None if stored is None else RatingGiven.model_validate_json(stored)
    except ValidationError:
        return None


def _text(stored: str | None) -> str | None:
    """What the customer wrote, up to a length that keeps answers of a size."""
    if stored is None or len(stored) <= TEXT_SHOWN_CHARS_MAX:
        return stored
    return stored[: TEXT_SHOWN_CHARS_MAX - 1] + "…"


def _alert(alert: Alert) -> AlertSummary:
    return AlertSummary.model_validate(
        {
            "id": str(alert.id),
            "rule": alert.rule,
            "severity": alert.severity,
            "state": alert.state,
            "opened_at": write_instant(alert.opened_at),
            "changed_at": write_instant(alert.changed_at),
            "closed_at": None if alert.closed_at is None else write_instant(alert.closed_at),
            "snoozed_until": None if alert.snoozed_until is None else write_instant(alert.snoozed_until),
            "score_before": alert.score_before,
            "score": alert.score,
        }
    )
