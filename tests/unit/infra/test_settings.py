from __future__ import annotations

import pytest

from services.infra.errors import ConfigurationError
from services.infra.settings import Settings, read_settings
from services.infra.unknown_settings import refuse_unknown


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TACTUS_INGEST__PORT", "abc", "TACTUS_INGEST__PORT: "),
        ("TACTUS_INGEST__PORT", "70000", "less than or equal to 65535"),
        ("TACTUS_KAFKA__BOOTSTRAP", "127.0.0.1:abc", "TACTUS_KAFKA__BOOTSTRAP: "),
        ("TACTUS_KAFKA__BOOTSTRAP", "broker", "TACTUS_KAFKA__BOOTSTRAP: "),
        ("TACTUS_KAFKA__BOOTSTRAP", "a:1,,b:2", "TACTUS_KAFKA__BOOTSTRAP: "),
        ("TACTUS_POSTGRES__DSN", "mysql://u:hidden@h/d", "postgresql://user"),
        ("TACTUS_POSTGRES__DSN", "postgresql://u:hidden@h:port/d", "postgresql://user"),
        ("TACTUS_POSTGRES__DSN", "", "postgresql://user"),
        ("TACTUS_KAFKA", "127.0.0.1:9092", "TACTUS_KAFKA__BOOTSTRAP"),
        ("TACTUS_LOG_LEVEL", "loud", "TACTUS_LOG_LEVEL: "),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_must_be_and_without_its_value(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as raised:
        read_settings()

    assert says in str(raised.value)
    assert "hidden" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("TACTUS_KAFKA__BOOTSTRP", "TACTUS_KAFKA__BOOTSTRP is no setting: did you mean TACTUS_KAFKA__BOOTSTRAP?"),
        ("TACTUS_INGEST_PORT", "did you mean TACTUS_INGEST__PORT?"),
        ("tactus_sorces", "TACTUS_SORCES is no setting: did you mean TACTUS_SOURCES?"),
        ("TACTUS_QQQQ", "docs/reference/settings.md has them all"),
    ],
)
def test_a_setting_that_nobody_reads_is_refused_with_what_was_meant(
    name: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "hidden")

    with pytest.raises(ConfigurationError) as raised:
        read_settings()

    assert says in str(raised.value)
    assert "hidden" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_kubernetes_tells_of_services_is_no_setting() -> None:
    told = ["TACTUS_API_SERVICE_HOST", "TACTUS_API_SERVICE_PORT_HTTP", "TACTUS_API_PORT", "TACTUS_API_PORT_8081_TCP"]

    refuse_unknown(told, settings=Settings)

    with pytest.raises(ConfigurationError, match="TACTUS_API_PORT is no setting: did you mean TACTUS_API__PORT"):
        refuse_unknown(["TACTUS_API_PORT"], settings=Settings)


def test_a_setting_in_small_letters_and_a_whole_section_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("tactus_log_level", "debug")
    monkeypatch.setenv("TACTUS_API", '{"port": 1}')
    monkeypatch.setenv("TACTUSES", "of somebody else")

    settings = read_settings()

    assert (settings.log_level, settings.api.port) == ("debug", 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TACTUS_KAFKA__BOOTSTRAP", "kafka-1.example:9092,kafka-2.example:9092"),
        ("TACTUS_KAFKA__BOOTSTRAP", "[::1]:9092"),
        ("TACTUS_POSTGRES__DSN", "postgresql://tactus@127.0.0.1:5432/tactus"),
        ("TACTUS_POSTGRES__DSN", "postgres://u:p%40ss@h1:1,h2:2/d?sslmode=require"),
        ("TACTUS_POSTGRES__DSN", "postgresql://u@/d?host=/run/postgresql"),
        ("TACTUS_POSTGRES__DSN", "postgresql://u:p@[::1]:5432/d"),
        ("TACTUS_POSTGRES__DSN", "postgresql:///d"),
        ("TACTUS_POSTGRES__DSN", "postgresql://h"),
    ],
)
def test_every_usual_way_to_write_an_address_is_taken(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)

    settings = read_settings()

    assert value in {settings.kafka.bootstrap, settings.postgres.dsn.get_secret_value()}
