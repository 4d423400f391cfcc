from __future__ import annotations

from pathlib import Path

import pytest

from services.client.connection import Connection
from services.client.endpoints import Endpoint, find_api, find_ingest
from services.client.keys import SOURCES, ensure_keys
from services.infra.errors import ConfigurationError

KEYS = {"server": "s", "backfill": "b", "read": "r"}


def stack_in(folder: Path, *, keys: dict[str, str]) -> Path:
    Connection(
        ingest="http://127.0.0.1:1",
        api="http://127.0.0.1:2",
        kafka="127.0.0.1:3",
        postgres="postgresql://tactus@127.0.0.1:4/tactus",
        keys=keys,
        pids={},
        metrics={},
        data=folder,
    ).write()
    return folder


def test_a_stacks_own_keys_open_its_doors(tmp_path: Path) -> None:
    data = stack_in(tmp_path, keys=KEYS)

    assert find_ingest(data, key="backfill") == Endpoint("http://127.0.0.1:1", "b", data)
    assert find_api(data) == Endpoint("http://127.0.0.1:2", "r", data)


def test_without_a_data_directory_the_settings_name_the_doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "TACTUS_WRITE_KEY": "own-write",
        "TACTUS_READ_KEY": "own-read",
        "TACTUS_INGEST__HOST": "0.0.0.0",
        "TACTUS_INGEST__PORT": "18080",
        "TACTUS_API__PORT": "18081",
    }.items():
        monkeypatch.setenv(name, value)

    ingest, api = find_ingest(None, key="server"), find_api(None)

    assert ingest[:2] == ("http://127.0.0.1:18080", "own-write")
    assert api[:2] == ("http://127.0.0.1:18081", "own-read")
    assert ingest.data == tmp_path / ".tactus"


def test_where_a_stack_tells_no_keys_the_settings_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = stack_in(tmp_path, keys={})
    monkeypatch.setenv("TACTUS_WRITE_KEY", "own-write")
    monkeypatch.setenv("TACTUS_READ_KEY", "own-read")

    assert find_ingest(data, key="server").key == "own-write"
    assert find_api(data).key == "own-read"


def test_a_stack_without_keys_is_said_with_the_setting_to_use(tmp_path: Path) -> None:
    data = stack_in(tmp_path, keys={})

    with pytest.raises(ConfigurationError, match="set TACTUS_WRITE_KEY"):
        find_ingest(data, key="server")
    with pytest.raises(ConfigurationError, match="set TACTUS_READ_KEY"):
        find_api(data)


def test_without_a_stack_and_a_key_both_ways_out_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError, match=r"tactus up.*TACTUS_WRITE_KEY"):
        find_ingest(None, key="server")


def test_in_a_container_the_keys_beside_the_sources_file_open_the_doors_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ensure_keys(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TACTUS_SOURCES", str(tmp_path / SOURCES))
    monkeypatch.setenv("TACTUS_INGEST__HOST", "0.0.0.0")

    ingest, api = find_ingest(None, key="server"), find_api(None)

    assert ingest[:2] == ("http://127.0.0.1:8080", keys.public["server"])
    assert api[:2] == ("http://127.0.0.1:8081", keys.public["read"])


def test_a_running_stack_is_found_before_the_keys_beside_the_sources_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".tactus").mkdir()
    stack_in(tmp_path / ".tactus", keys=KEYS)
    ensure_keys(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TACTUS_SOURCES", str(tmp_path / SOURCES))

    assert find_api(None).url == "http://127.0.0.1:2"
