"""`tactus crm …` over what an engine left, and a system that answers over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from services.commands import crm
from services.infra.errors import ConfigurationError
from tests.support.crm import Played, connector_table, people, store_people
from tests.support.vendor import served_vendor

pytestmark = pytest.mark.integration

KEY = "the-key-of-the-shop"
FILE = """\
[[connector]]
name = "shop"
system = "http"
url = "{url}"
key_field = "number"
secret_file = "secret"
fields = {{score = "t_score", band = "t_band"}}
http = {{path = "/people/{{key}}"}}
budget = {{day_calls = 1000}}
"""


class Shop:
    """A system with one record an address."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, object]] = {"c0000": {}, "c0001": {}}
        self.key = KEY

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] != f"Bearer {self.key}":
            return httpx.Response(401, text="who are you?")
        person = self.people.get(request.url.path.removeprefix("/people/"))
        if person is None:
            return httpx.Response(404)
        if request.method == "PATCH":
            person |= json.loads(request.content)
        return httpx.Response(200, json=person)


@pytest.fixture
def shop() -> Iterator[tuple[Shop, str]]:
    system = Shop()
    with served_vendor(system) as url:
        yield system, url


@pytest.fixture
def written(shop: tuple[Shop, str], postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Two people who were told and one who is not there, and the settings of whoever asks."""
    system, url = shop
    (tmp_path / "secret").write_text(KEY)
    (tmp_path / "crm.toml").write_text(FILE.format(url=url))
    monkeypatch.setenv("TACTUS_OUTBOUND__CRM", str(tmp_path / "crm.toml"))
    monkeypatch.setenv("TACTUS_POSTGRES__DSN", postgres_dsn)
    monkeypatch.setenv("TACTUS_HASH_KEY", "0123456789abcdef0123456789abcdef")
    monkeypatch.chdir(tmp_path)
    return system


async def tell(written: Shop, dsn: str, tmp_path: Path) -> Played:
    url = (tmp_path / "crm.toml").read_text().split('url = "')[1].split('"')[0]
    table = connector_table(
        name="shop",
        system="http",
        url=url,
        secret_file=tmp_path / "secret",
        fields={"score": "t_score", "band": "t_band"},
        http={"path": "/people/{key}"},
    )
    await store_people(dsn, people(3))
    async with httpx.AsyncClient() as client:
        played = Played(dsn, table=table)
        played.speak(client)
        await played.settle()
        await played.close()
    assert written.people["c0000"]["t_band"]
    return played


async def said(capsys: pytest.CaptureFixture[str], command: Callable[[], int]) -> tuple[int, str]:
    """Run a command in a thread of its own: it has a loop of its own."""
    capsys.readouterr()
    code = await asyncio.to_thread(command)
    return code, capsys.readouterr().out


def check() -> int:
    return crm.check(None)


def status(state: str | None = None) -> int:
    return crm.status(None, state=state, key=None, limit=10, data=None)


def diff() -> int:
    return crm.diff("shop", sample=10, data=None)


async def test_check_asks_each_system_whether_it_lets_us_in(written: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    well = await said(capsys, check)
    written.key = "another"
    ill = await said(capsys, check)

    assert well == (0, "shop (http): lets us in\n")
    assert ill == (1, "shop (http): unauthorised: who are you?\n")


async def test_status_shows_what_is_left_and_the_system_s_own_words(
    written: Shop, postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await tell(written, postgres_dsn, tmp_path)

    code, text = await said(capsys, status)
    absent = await said(capsys, partial(status, "absent"))

    assert code == 0
    assert "records: 1 absent, 2 sent; 0 to be told" in text
    assert "calls left today: " in text
    assert "of 1000" in text
    assert "c0000 sent 2026-03-01T12:00:00Z: status 200" in text
    assert "c0002 absent" in absent[1]
    assert "c0000" not in absent[1]


async def test_diff_names_what_somebody_changed_over_there(
    written: Shop, postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await tell(written, postgres_dsn, tmp_path)

    same = await said(capsys, diff)
    written.people["c0000"]["t_band"] = "great"
    del written.people["c0001"]
    other = await said(capsys, diff)

    assert same == (0, "shop: 2 read back, 0 differ\n")
    assert other[0] == 1
    assert "shop c0000: t_band is 'great' and was told 'unknown'" in other[1]
    assert "shop c0001: is not there any more" in other[1]
    assert "shop: 2 read back, 2 differ" in other[1]


async def test_redrive_lets_records_be_told_again(
    written: Shop, postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played = await tell(written, postgres_dsn, tmp_path)

    code, text = await said(capsys, partial(crm.redrive, "shop", state="absent", key=None, data=None))

    assert (code, text) == (0, "shop: 1 to be told again\n")
    row = await played.row("c0002")
    assert row is not None
    assert row["due_at"] is not None


@pytest.mark.usefixtures("written")
def test_a_state_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigurationError, match="absent, failed, sent, waiting"):
        crm.status(None, state="lost", key=None, limit=1, data=None)


@pytest.mark.parametrize(
    ("sent", "there", "lines"),
    [
        ({"a": 49.0, "b": None}, {"a": "49", "b": ""}, []),
        ({"a": None}, {"a": False}, []),
        ({"a": "low"}, {"a": "fair"}, ["a is 'fair' and was told 'low'"]),
        ({"a": 1}, None, ["is not there any more"]),
    ],
)
def test_values_are_compared_whatever_form_a_system_keeps_them_in(
    sent: dict[str, object], there: dict[str, object] | None, lines: list[str]
) -> None:
    assert crm.differences(sent, there) == lines
