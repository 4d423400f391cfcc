"""Records of cx.alerts.v1, as the schema's own examples have them, are read as steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import schemas
from schemas.alert import AlertRecord
from services.outbound.notify.steps import is_of_incident, read_alert

EXAMPLES = sorted((Path(schemas.__file__).parent / "examples").glob("ok-alert*.json"))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in EXAMPLES])
def test_an_example_of_the_schema_is_read(path: Path) -> None:
    record = AlertRecord.model_validate_json(json.dumps(json.loads(path.read_text())["value"]))

    step = read_alert(record.model_dump_json().encode())

    assert str(step.alert) == record.alert
    assert step.whose == (record.customer or f"account:{record.account}")
    assert step.state == record.state
    assert step.changed_at.utcoffset() is not None
    assert len(step.reasons) == len(record.reasons)


def test_a_record_of_an_incident_is_told_from_an_alert_s() -> None:
    assert is_of_incident(json.dumps({"kind": "incident"}).encode())
    assert not is_of_incident(b"{}")
    assert not is_of_incident(b"no JSON")
