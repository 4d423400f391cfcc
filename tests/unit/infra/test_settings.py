from __future__ import annotations

import os
from collections.abc import Mapping

import pytest
from pydantic import SecretStr

from services.infra.errors import ConfigurationError
from services.infra.settings import KafkaSettings, Settings, read_settings
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


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "needs TACTUS_KAFKA__SASL_USERNAME and TACTUS_KAFKA__SASL_PASSWORD"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "u"}, "needs TACTUS_KAFKA__SASL_USERNAME and"),
        ({"SASL_USERNAME": "u", "SASL_PASSWORD": "hidden"}, "need TACTUS_KAFKA__SECURITY_PROTOCOL=SASL_SSL"),
        ({"SSL_CA": "/ca.pem"}, "need TACTUS_KAFKA__SECURITY_PROTOCOL=SSL or SASL_SSL"),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_CERT": "/c.pem"}, "SSL_CERT and TACTUS_KAFKA__SSL_KEY belong together"),
        ({"SECURITY_PROTOCOL": "TLS"}, "TACTUS_KAFKA__SECURITY_PROTOCOL: "),
        ({"SASL_MECHANISM": "GSSAPI"}, "TACTUS_KAFKA__SASL_MECHANISM: "),
    ],
)
def test_half_of_what_a_guarded_broker_needs_is_refused(
    told: Mapping[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in told.items():
        monkeypatch.setenv(f"TACTUS_KAFKA__{name}", value)

    with pytest.raises(ConfigurationError) as raised:
        read_settings()

    assert says in str(raised.value)
    assert "hidden" not in str(raised.value)


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


def test_a_password_is_not_shown() -> None:
    settings = KafkaSettings(security_protocol="SASL_SSL", sasl_username="u", sasl_password=SecretStr("hidden"))

    assert "hidden" not in f"{settings!r} {settings}"


def test_a_broker_of_our_own_is_reached_without_what_guards_the_others() -> None:
    guarded = KafkaSettings(
        security_protocol="SASL_SSL", sasl_username="u", sasl_password=SecretStr("hidden"), partitions=48, min_insync=2
    )

    own = guarded.embedded_at("127.0.0.1:1")

    assert own == KafkaSettings(bootstrap="127.0.0.1:1", partitions=48, min_insync=2)


def test_what_the_shell_says_of_other_databases_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSSLMODE", "PGTARGETSESSIONATTRS", "PGSSLCERT", "PGGSSLIB", "PGHOST", "PGPASSWORD", "PGPASSFILE"):
        monkeypatch.setenv(name, "told")

    read_settings()

    assert {name for name in os.environ if name.startswith("PG")} == {"PGPASSWORD", "PGPASSFILE"}


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
