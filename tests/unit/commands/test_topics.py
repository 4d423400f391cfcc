"""`tactus topics accept` works as the doctor and the workers print it."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.client.connection import DEFAULT_DATA, Connection
from services.commands.stack_settings import stack_settings
from services.commands.topics import run
from services.infra.errors import ConfigurationError


def connection(folder: Path) -> Connection:
    return Connection(
        ingest="http://127.0.0.1:1",
        api="http://127.0.0.1:2",
        kafka="127.0.0.1:3",
        postgres="postgresql://tactus@127.0.0.1:4/tactus",
        keys={},
        pids={},
        metrics={},
        data=folder,
    )


def test_the_usual_stack_is_found_without_naming_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    DEFAULT_DATA.mkdir()
    connection(DEFAULT_DATA.absolute()).write()

    settings = stack_settings(None)

    assert settings.kafka.bootstrap == "127.0.0.1:3"
    assert settings.postgres.dsn.get_secret_value() == "postgresql://tactus@127.0.0.1:4/tactus"


def test_where_no_stack_runs_the_settings_name_the_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TACTUS_KAFKA__BOOTSTRAP", "kafka.example:9092")

    assert stack_settings(None).kafka.bootstrap == "kafka.example:9092"


@pytest.mark.parametrize(
    "name", ["cx.touchpoints.v1", "cx.touchpoints.v1/", "cx.touchpoints.v1/²", "cx.scores.v1/0", "3"]
)
def test_a_name_that_is_no_partition_moves_none_of_those_beside_it(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"such as cx\.touchpoints\.v1/3"):
        run(["cx.touchpoints.v1/0", name], data=None)
