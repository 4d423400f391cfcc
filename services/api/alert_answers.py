"""Turn stored alerts and incidents into the answers of the read API. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.alert import AlertReason, EventName
from schemas.alertsapi import (
    REASONS_SHOWN,
    AlertAnswer,
    AlertChange,
    AlertsAnswer,
    AlertWork,
    IncidentsAnswer,
    IncidentSummary,
    ListedAlert,
    WorstAlert,
)
from schemas.instant import write_instant
from services.core.alert_work import Work
from services.state.alert_work import AlertChange as StoredChange
from services.state.alert_work import WorkedAlert
from services.state.incidents import AlertName, Fallen, Incident

GONE: Final = AlertName(None, None)


def alerts_answer(page: Sequence[WorkedAlert], *, next_cursor: str | None) -> AlertsAnswer:
    """Show a page of alerts, each with its weightiest reasons."""
    shown = [ListedAlert.model_validate(_told(one, reasons_max=REASONS_SHOWN)) for one in page]
    return AlertsAnswer(alerts=shown, next=next_cursor)


def alert_answer(alert: WorkedAlert, changes: Sequence[StoredChange]) -> AlertAnswer:
    """Show an alert with all its reasons, and what was done about it."""
    tipped = None
    if alert.tipped_source is not None and alert.tipped_event is not None:
        tipped = EventName(source=alert.tipped_source, id=alert.tipped_event)
    told = [AlertChange.model_validate({**one._asdict(), "at": write_instant(one.at)}) for one in changes]
    return AlertAnswer.model_validate(
        {**_told(alert, reasons_max=len(alert.reasons)), "tipped": tipped, "promise": alert.promise, "changes": told}
    )


def work_tag(work: Work) -> str:
    """Write the work's revision as the ETag has it."""
    return f'"{work.revision}"'


def incidents_answer(
    page: Sequence[Incident], names: Mapping[UUID, AlertName], *, next_cursor: str | None
) -> IncidentsAnswer:
    """Show a page of incidents; those among the worst who are gone meanwhile have no name."""
    return IncidentsAnswer(incidents=[_incident(one, names) for one in page], next=next_cursor)


def _told(alert: WorkedAlert, *, reasons_max: int) -> dict[str, object]:
    return {
        "id": str(alert.id),
        "rule": alert.rule,
        "customer": alert.customer,
        "account": alert.account,
        "severity": alert.severity,
        "state": alert.state,
        "opened_at": write_instant(alert.opened_at),
        "changed_at": write_instant(alert.changed_at),
        "closed_at": _instant(alert.closed_at),
        "score_before": alert.score_before,
        "score": alert.score,
        "reasons": [AlertReason.model_validate(reason) for reason in alert.reasons[:reasons_max]],
        "incident": None if alert.incident is None else str(alert.incident),
        "work": _work(alert.work),
    }


def _work(work: Work) -> AlertWork:
    return AlertWork(
        revision=work.revision,
        assigned_to=work.assigned_to,
        due_at=_instant(work.due_at),
        snoozed_until=_instant(work.snoozed_until),
        acknowledged_at=_instant(work.acknowledged_at),
        acknowledged_by=work.acknowledged_by,
        done_at=_instant(work.done_at),
        done_by=work.done_by,
        outcome=work.outcome,
    )


def _incident(one: Incident, names: Mapping[UUID, AlertName]) -> IncidentSummary:
    return IncidentSummary.model_validate(
        {
            **one._asdict(),
            "id": str(one.id),
            "opened_at": write_instant(one.opened_at),
            "changed_at": write_instant(one.changed_at),
            "resolved_at": _instant(one.resolved_at),
            "worst": [_worst(fallen, names.get(fallen.alert, GONE)) for fallen in one.worst],
        }
    )


def _worst(fallen: Fallen, name: AlertName) -> WorstAlert:
    return WorstAlert(
        alert=str(fallen.alert),
        customer=name.customer,
        account=name.account,
        score_before=fallen.score_before,
        score=fallen.score,
        points=fallen.score - fallen.score_before,
    )


def _instant(at: datetime | None) -> str | None:
    return None if at is None else write_instant(at)
