"""`tactus notify`: a file is checked without sending, a route is tried for real, and what was told is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.commands import notify
from tests.support.alerted import Alerts
from tests.support.notifying import Notifying
from tests.support.sinkservers import Answer, PagerDutyServer, SlackServer, served

pytestmark = pytest.mark.integration


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with served(SlackServer()) as server:
        assert isinstance(server, SlackServer)
        yield server


@pytest.fixture
def file(tmp_path: Path, slack: SlackServer) -> Path:
    (tmp_path / "token").write_text(slack.token)
    path = tmp_path / "routes.toml"
    row = f'[[route]]\nname = "desk"\nsink = "slack"\nsecret = {{file = "token"}}\nchannel = "C0123456789"\napi = "{slack.url}/api"\n'
    path.write_text(row)
    return path


def test_a_file_is_checked_without_sending(file: Path, slack: SlackServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert notify.check(file) == 0
    assert capsys.readouterr().out.strip() == f"{file}: 1 routes (1 by slack): in order"

    file.write_text(file.read_text().replace('"slack"', '"slak"'))

    assert notify.check(file) == 1
    assert "line 3: route[0].sink is missing or not known" in capsys.readouterr().err
    assert slack.asked == []


def test_a_route_is_tried_with_a_marked_alert_that_is_ended(
    file: Path, slack: SlackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code = notify.test("desk", routes=file, data=None)

    assert code == 0
    assert capsys.readouterr().out.splitlines() == ["desk (slack), opened: taken", "desk (slack), closed: taken"]
    assert [body["text"][:5] for body in slack.taken] == ["TEST:", "TEST:"]
    assert len(slack.messages) == 1


def test_a_try_shows_what_the_sink_answered(file: Path, slack: SlackServer, capsys: pytest.CaptureFixture[str]) -> None:
    slack.next = [Answer(200, '{"ok": false, "error": "not_in_channel"}')]

    code = notify.test("desk", routes=file, data=None)

    assert code == 1
    assert "refused for good: not_in_channel; mend" in capsys.readouterr().out
    assert notify.test("dsk", routes=file, data=None) == 1
    assert "there is no route dsk: name one of desk" in capsys.readouterr().err


async def test_the_status_shows_what_waits_and_why_a_route_is_off(
    alerts: Alerts,
    notifying: Notifying,
    postgres_dsn: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with served(PagerDutyServer()) as pager:
        row = f'[[route]]\nname = "pager"\nsink = "pagerduty"\nsecret = {{file = "key"}}\nurl = "{pager.url}/v2/enqueue"\n'
        notifying.write(row, key="of-nobody")
        await alerts.step()
        await notifying.round()
    monkeypatch.setenv("TACTUS_POSTGRES__DSN", postgres_dsn)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    code = await asyncio.to_thread(notify.status, routes=tmp_path / "routes.toml", data=None)

    assert code == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("pager")]
    assert line.split()[:6] == ["pager", "pagerduty", "1", "0", "0", "0"]
    assert line.endswith("off: it does not know the integration key (routing_key)")


async def test_a_route_that_was_tried_with_success_is_on_again(
    alerts: Alerts, notifying: Notifying, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with served(PagerDutyServer()) as pager:
        assert isinstance(pager, PagerDutyServer)
        row = f'[[route]]\nname = "pager"\nsink = "pagerduty"\nsecret = {{file = "key"}}\nurl = "{pager.url}/v2/enqueue"\n'
        notifying.write(row, key=pager.routing_key)
        pager.next = [Answer(403, "")]
        await alerts.step()
        await notifying.round()
        await notifying.round()
        off = len(pager.asked)
        monkeypatch.setenv("TACTUS_POSTGRES__DSN", postgres_dsn)
        monkeypatch.chdir(tmp_path)

        code = await asyncio.to_thread(notify.test, "pager", routes=tmp_path / "routes.toml", data=None)
        await notifying.round()

    assert (off, code) == (1, 0)
    assert [event["event_action"] for event in pager.taken] == ["trigger", "resolve", "trigger"]
