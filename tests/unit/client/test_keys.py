"""The generated secrets: made once, their operator's from then on, and never replaced without a copy."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from services.client.keys import FILE, HASH_KEY, SOURCES, Keys, ensure_keys, read_keys
from services.commands import keys as command
from services.infra.errors import ConfigurationError
from services.infra.sources import digest, load_sources

OWN = f'\n[[source]]\nname = "crm"\nkeys_sha256 = ["{"ab" * 32}"]\nkind = "server"\n'


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def add_a_source(folder: Path) -> None:
    path = folder / SOURCES
    path.write_text(path.read_text() + OWN)


def revoke(folder: Path, key: str) -> None:
    path = folder / SOURCES
    known = f'keys_sha256 = ["{digest(key)}"]'
    assert known in path.read_text()
    path.write_text(path.read_text().replace(known, f'{known}\nrevoked_sha256 = ["{digest(key)}"]'))


def as_before_the_hash_key_had_a_file(folder: Path) -> Keys:
    made = ensure_keys(folder)
    (folder / FILE).write_text(json.dumps({**made.public, "hash_key": made.hash_key}))
    (folder / HASH_KEY).unlink()
    return made


def test_secrets_are_made_once_private_and_known_to_the_sources_file(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path)
    made = texts(tmp_path)

    again = ensure_keys(tmp_path)
    sources = load_sources(tmp_path / SOURCES)

    assert again == keys
    assert (keys.remarks, texts(tmp_path)) == ((), made)
    assert set(made) == {FILE, SOURCES, HASH_KEY}
    kinds = {name: found.kind for name, key in keys.public.items() if (found := sources.source(key))}
    assert kinds == {
        "server": "server",
        "browser": "browser",
        "till": "till",
        "backfill": "server",
        "operator": "server",
    }
    browser = load_sources(tmp_path / "sources.toml").source(keys.public["browser"])
    assert browser is not None
    assert not browser.believes_claims
    backfill, server = (sources.source(keys.public[name]) for name in ("backfill", "server"))
    assert backfill is not None
    assert server is not None
    assert (backfill.backfill, server.backfill) == (True, False)
    operator, letters = sources.source(keys.public["operator"]), sources.reader(keys.public["letters"])
    assert operator is not None
    assert letters is not None
    assert (operator.replay, server.replay, backfill.replay) == (True, False, False)
    assert letters.scopes == ("dead-letters:read", "dead-letters:write")
    assert sources.reader(keys.public["read"]) is not None
    assert sources.reader(keys.public["server"]) is None
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert not any(key in made[SOURCES] for key in keys.public.values())
    assert keys.hash_key not in made[FILE]


def test_a_revoked_key_stays_revoked_and_an_added_source_stays(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path)
    revoke(tmp_path, keys.public["server"])
    add_a_source(tmp_path)
    before = texts(tmp_path)

    again = ensure_keys(tmp_path)

    assert texts(tmp_path) == before
    assert "server" not in again.public
    assert again.public["read"] == keys.public["read"]


def test_a_key_that_was_taken_out_of_its_file_does_not_come_back(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path)
    kept = {name: key for name, key in keys.public.items() if name != "browser"}
    (tmp_path / FILE).write_text(json.dumps(kept))

    assert ensure_keys(tmp_path).public == kept


def test_other_keys_take_the_place_of_the_former_and_nothing_else_is_lost(tmp_path: Path) -> None:
    former = ensure_keys(tmp_path)
    add_a_source(tmp_path)
    before = texts(tmp_path)
    (tmp_path / FILE).unlink()

    keys = ensure_keys(tmp_path)

    sources = load_sources(tmp_path / SOURCES)
    assert keys.hash_key == former.hash_key
    assert keys.public.keys() == former.public.keys()
    assert sources.source(keys.public["server"]) is not None
    assert sources.reader(keys.public["read"]) is not None
    assert sources.source(former.public["server"]) is None
    assert texts(tmp_path)[SOURCES].endswith(OWN)
    assert texts(tmp_path)["sources.toml.1"] == before[SOURCES]
    [remark] = keys.remarks
    assert "the former ones open nothing any more" in remark
    assert "sources.toml.1" in remark
    assert stat.S_IMODE((tmp_path / "sources.toml.1").stat().st_mode) == 0o600


def test_who_uses_only_sources_of_their_own_gets_no_keys(tmp_path: Path) -> None:
    ensure_keys(tmp_path)
    (tmp_path / FILE).unlink()
    (tmp_path / SOURCES).write_text(OWN)
    before = texts(tmp_path)

    assert ensure_keys(tmp_path).public == {}
    assert texts(tmp_path) == before


def test_a_hash_key_among_the_keys_moves_to_a_file_of_its_own(tmp_path: Path) -> None:
    made = as_before_the_hash_key_had_a_file(tmp_path)
    before = texts(tmp_path)

    keys = ensure_keys(tmp_path)

    assert keys == made
    assert texts(tmp_path)[HASH_KEY] == made.hash_key
    assert made.hash_key not in texts(tmp_path)[FILE]
    assert texts(tmp_path)["keys.json.1"] == before[FILE]
    assert ensure_keys(tmp_path) == made


def test_a_lost_hash_key_is_not_replaced_in_silence(tmp_path: Path) -> None:
    as_before_the_hash_key_had_a_file(tmp_path)
    (tmp_path / FILE).unlink()
    before = texts(tmp_path)

    with pytest.raises(ConfigurationError, match="put it back"):
        ensure_keys(tmp_path)

    assert texts(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (FILE, "{", "restore it, or remove it to get other keys"),
        (FILE, '{"server": 1}', "restore it, or remove it to get other keys"),
        (HASH_KEY, "short", "holds fewer than 32 characters"),
        (SOURCES, "[[source]", "is not TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_left(tmp_path: Path, name: str, text: str, says: str) -> None:
    keys = ensure_keys(tmp_path)
    (tmp_path / name).write_text(text)
    before = texts(tmp_path)

    with pytest.raises(ConfigurationError, match=says) as raised:
        ensure_keys(tmp_path)

    assert texts(tmp_path) == before
    assert not any(secret in str(raised.value) for secret in (*keys.public.values(), keys.hash_key))


def test_lost_keys_change_nothing_beside_a_sources_file_that_cannot_be_used(tmp_path: Path) -> None:
    ensure_keys(tmp_path)
    (tmp_path / FILE).unlink()
    (tmp_path / SOURCES).write_text((tmp_path / SOURCES).read_text() + "[[source]")
    before = texts(tmp_path)

    with pytest.raises(ConfigurationError, match="is not TOML"):
        ensure_keys(tmp_path)

    assert texts(tmp_path) == before


def test_the_command_prints_the_keys_that_open_something_and_never_the_hash_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ensure_keys(tmp_path)
    revoke(tmp_path, keys.public["till"])

    assert command.run(None, data=tmp_path) == 0
    listed = capsys.readouterr().out
    assert command.run("read", data=tmp_path) == 0
    alone = capsys.readouterr().out

    assert [line.split()[:2] for line in listed.splitlines()] == [
        [name, key] for name, key in keys.public.items() if name != "till"
    ]
    assert alone == f"{keys.public['read']}\n"
    assert keys.hash_key not in listed
    with pytest.raises(ConfigurationError, match="no till key opens anything here"):
        command.run("till", data=tmp_path)


def test_the_command_shows_no_hash_key_that_stands_among_the_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = as_before_the_hash_key_had_a_file(tmp_path)

    command.run(None, data=tmp_path)

    assert made.hash_key not in capsys.readouterr().out
    with pytest.raises(ConfigurationError, match="no hash_key key"):
        command.run("hash_key", data=tmp_path)


def test_the_command_finds_the_keys_beside_the_sources_file_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ensure_keys(tmp_path)
    monkeypatch.setenv("TACTUS_SOURCES", str(tmp_path / SOURCES))

    command.run("server", data=None)

    assert capsys.readouterr().out == f"{keys.public['server']}\n"


def test_where_no_keys_were_made_the_command_says_where_it_looked(tmp_path: Path) -> None:
    assert read_keys(tmp_path) is None
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        command.run(None, data=tmp_path)
