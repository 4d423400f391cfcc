from __future__ import annotations

import pytest

from services.infra.errors import ConfigurationError
from services.infra.settings import read_settings


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
