"""Keys are made, rotated and revoked in the operator's own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.commands import keys
from services.infra.errors import ConfigurationError
from services.infra.sources import digest, load_sources

TEXT = """# Who may send.
[[source]]
name = "shop"   # ours
kind = "server"
keys_sha256 = ["%b"]

[[reader]]
name = "crm"
keys_sha256 = []
""".replace("%b", digest("the-first-key-of-a-test"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "sources.toml").write_text(TEXT)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.strip()


def test_a_key_that_is_made_opens_its_own_row_and_the_rest_of_the_file_stays(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys.add("site", kind="browser", origins=("https://shop.example",), data=data) == 0

    key = printed(capsys)
    source = load_sources(data / "sources.toml").source(key)
    assert source is not None
    assert (source.name, source.kind, source.origins) == ("site", "browser", ("https://shop.example",))
    written = (data / "sources.toml").read_text().splitlines()
    assert [line for line in written if line in TEXT.splitlines()][-3:] == TEXT.splitlines()[-3:]
    assert written[:6] == TEXT.splitlines()[:6]
    assert key not in (data / "sources.toml").read_text()
    assert (data / "sources.toml").stat().st_mode & 0o777 == 0o600


def test_a_key_is_rotated_and_the_former_one_revoked_afterwards(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = "the-first-key-of-a-test"
    keys.rotate("shop", data=data)
    second = printed(capsys)
    both = load_sources(data / "sources.toml")
    keys.revoke("shop", key=None, data=data)
    after = load_sources(data / "sources.toml")

    assert (both.source(first) is not None, both.source(second) is not None) == (True, True)
    assert (after.source(first), after.source(second) is not None) == (None, True)
    assert "# ours" in (data / "sources.toml").read_text()


def test_one_key_is_revoked_by_itself(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys.rotate("shop", data=data)
    second = printed(capsys)

    keys.revoke("shop", key=second, data=data)

    sources = load_sources(data / "sources.toml")
    assert sources.source(second) is None
    assert sources.source("the-first-key-of-a-test") is not None


def test_a_reader_s_key_reads(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys.add("bi", kind="reader", origins=(), data=data)
    made = printed(capsys)
    keys.rotate("crm", data=data)
    rotated = printed(capsys)

    sources = load_sources(data / "sources.toml")
    assert [sources.reader(key) is not None for key in (made, rotated)] == [True, True]


def test_an_operator_s_keys_may_what_they_are_made_for(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys.add("operator", kind="server", origins=(), rights=("replay",), data=data)
    writes = printed(capsys)
    keys.add("letters", kind="reader", origins=(), scopes=("dead-letters:read", "dead-letters:write"), data=data)
    reads = printed(capsys)

    sources = load_sources(data / "sources.toml")
    source, reader = sources.source(writes), sources.reader(reads)
    assert source is not None
    assert reader is not None
    assert (source.replay, source.backfill) == (True, False)
    assert reader.scopes == ("dead-letters:read", "dead-letters:write")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: keys.add("shop", kind="server", origins=(), data=data), "already"),
        (lambda data: keys.add("A B", kind="server", origins=(), data=data), "write a name"),
        (lambda data: keys.add("new", kind="robot", origins=(), data=data), "server"),
        (lambda data: keys.add("new", kind="server", origins=(), rights=("all",), data=data), "backfill and replay"),
        (lambda data: keys.add("new", kind="till", origins=(), rights=("replay",), data=data), "row of its own"),
        (lambda data: keys.add("new", kind="reader", origins=(), scopes=("all",), data=data), "scores:read"),
        (lambda data: keys.rotate("nobody", data=data), "there are shop, crm"),
        (lambda data: keys.revoke("shop", key=None, data=data), "no key but its newest"),
        (lambda data: keys.revoke("shop", key="another", data=data), "no such key"),
        (lambda data: keys.rotate("shop", data=data / "elsewhere"), "--data"),
    ],
)
def test_what_cannot_be_done_changes_nothing_and_says_what_to_do(data: Path, change: object, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        change(data)  # type: ignore[operator]  # a function

    assert (data / "sources.toml").read_text() == TEXT
    assert sorted(path.name for path in data.iterdir()) == ["sources.toml"]
