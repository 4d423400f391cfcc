from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from services.infra.settings import Settings

ROOT = Path(__file__).parents[3]


def validator() -> jsonschema.protocols.Validator:
    package = find_spec("check_jsonschema")
    assert package is not None
    assert package.origin is not None
    vendored = Path(package.origin).parent / "builtin_schemas" / "vendor"
    schema = json.loads((vendored / "compose-spec.json").read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


def findings(compose: dict[str, Any]) -> list[str]:
    """Name every reference that leads nowhere; the schema does not look at them."""
    return [
        f"{name}: {finding}"
        for name, service in compose["services"].items()
        for finding in (
            *dependencies(compose, service),
            *mounts(compose, service),
            *attachments(compose, service),
            *settings(service),
        )
    ]


def dependencies(compose: dict[str, Any], service: dict[str, Any]) -> Iterator[str]:
    for name, wanted in service.get("depends_on", {}).items():
        other = compose["services"].get(name)
        if other is None:
            yield f"depends on {name}, which is not a service"
            continue
        match wanted["condition"]:
            case "service_completed_successfully" if other.get("restart") != "no":
                yield f"waits for the end of {name}, which restarts"
            case "service_healthy" if not has_healthcheck(other):
                yield f"waits for the health of {name}, which has no check"


def has_healthcheck(service: dict[str, Any]) -> bool:
    check = service.get("healthcheck", {"test": ["of", "the", "image"]})
    ours = "build" in service or "healthcheck" in service
    return ours and not check.get("disable", False)


def mounts(compose: dict[str, Any], service: dict[str, Any]) -> Iterator[str]:
    for mount in service.get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith("."):
            if not (ROOT / source).exists():
                yield f"mounts {source}, which does not exist"
        elif source not in (compose.get("volumes") or {}):
            yield f"mounts {source}, which is not a volume"


def attachments(compose: dict[str, Any], service: dict[str, Any]) -> Iterator[str]:
    for kind in ("networks", "configs", "secrets"):
        for attached in service.get(kind, []):
            name = attached if isinstance(attached, str) else attached["source"]
            if name not in (compose.get(kind) or {}):
                yield f"uses {name}, which is not among the {kind}"


def settings(service: dict[str, Any]) -> Iterator[str]:
    for variable in service.get("environment", {}):
        if variable.startswith("TACTUS_") and not is_setting(variable):
            yield f"sets {variable}, which no setting reads"


def is_setting(variable: str) -> bool:
    model: type[BaseModel] = Settings
    *sections, last = variable.removeprefix("TACTUS_").lower().split("__")
    for section in sections:
        nested = annotation_of(model, section)
        if not (isinstance(nested, type) and issubclass(nested, BaseModel)):
            return False
        model = nested
    leaf = annotation_of(model, last)
    is_section = isinstance(leaf, type) and issubclass(leaf, BaseModel)
    return leaf is not None and not is_section


def annotation_of(model: type[BaseModel], name: str) -> object:
    field = model.model_fields.get(name)
    return None if field is None else field.annotation


def test_the_file_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    assert [error.message for error in validator().iter_errors(compose)] == []


def test_a_misspelt_key_is_noticed(compose: dict[str, Any]) -> None:
    broken = copy.deepcopy(compose)
    broken["services"]["api"]["dependson"] = ["kafka"]

    assert list(validator().iter_errors(broken)) != []


def test_every_reference_leads_somewhere(compose: dict[str, Any]) -> None:
    assert findings(compose) == []


@pytest.mark.parametrize(
    ("part", "value", "finding"),
    [
        ("depends_on", {"kafkaX": {"condition": "service_started"}}, "api: depends on kafkaX, which is not a service"),
        (
            "depends_on",
            {"ingest": {"condition": "service_completed_successfully"}},
            "api: waits for the end of ingest, which restarts",
        ),
        (
            "depends_on",
            {"prometheus": {"condition": "service_healthy"}},
            "api: waits for the health of prometheus, which has no check",
        ),
        ("volumes", ["postgers:/var/lib/postgresql"], "api: mounts postgers, which is not a volume"),
        ("volumes", ["./deploy/nowhere:/etc"], "api: mounts ./deploy/nowhere, which does not exist"),
        ("networks", ["back"], "api: uses back, which is not among the networks"),
        ("secrets", ["key"], "api: uses key, which is not among the secrets"),
        ("configs", ["conf"], "api: uses conf, which is not among the configs"),
        (
            "environment",
            {"TACTUS_KAFKA__BOOTSTRAPS": "x"},
            "api: sets TACTUS_KAFKA__BOOTSTRAPS, which no setting reads",
        ),
        ("environment", {"TACTUS_KAFKA": "x"}, "api: sets TACTUS_KAFKA, which no setting reads"),
    ],
    ids=lambda value: None if isinstance(value, dict | list) else str(value)[:40],
)
def test_a_reference_that_leads_nowhere_is_noticed(
    compose: dict[str, Any], part: str, value: object, finding: str
) -> None:
    broken = copy.deepcopy(compose)
    broken["services"]["api"][part] = value

    assert findings(broken) == [finding]


def test_the_settings_are_accepted_by_the_process_that_reads_them(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in compose["services"].values():
        for variable, value in service.get("environment", {}).items():
            if variable.startswith("TACTUS_"):
                assert isinstance(value, str), f"{variable} must be quoted"
                monkeypatch.setenv(variable, value)
        Settings()


def test_no_port_is_open_to_the_network(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_every_process_is_checked_at_the_port_it_listens_on(compose: dict[str, Any]) -> None:
    defaults = Settings()
    checked = {
        name: compose["services"][name]["environment"]["HEALTH_PORT"] for name in ("ingest", "aggregator", "api")
    }

    assert checked == {name: str(getattr(defaults, name).metrics_port) for name in checked}


def test_no_container_can_take_the_machines_memory_or_processes(compose: dict[str, Any]) -> None:
    unlimited = [
        name for name, service in compose["services"].items() if not {"mem_limit", "pids_limit"} <= service.keys()
    ]

    assert unlimited == []


def test_each_process_logs_in_as_its_own_role_and_sees_no_others_password(compose: dict[str, Any]) -> None:
    role_of = {
        "aggregator": "tactus_worker",
        "api": "tactus_reader",
        "outbound": "tactus_outbound",
        "migrate": "tactus",
        "operator": "tactus",
    }
    logs_in, sees = {}, {}
    for name, service in compose["services"].items():
        if dsn := service.get("environment", {}).get("TACTUS_POSTGRES__DSN"):
            logs_in[name] = dsn.partition("://")[2].partition("@")[0]
        mounted = {mount.split(":")[0] for mount in service.get("volumes", [])}
        sees[name] = mounted & {"owner", "worker", "reader", "outbound"}

    assert logs_in == role_of
    assert {name for name, seen in sees.items() if "owner" in seen} == {"setup", "postgres", "migrate", "operator"}
    assert (sees["aggregator"], sees["api"], sees["ingest"], sees["outbound"]) == (
        {"worker"},
        {"reader"},
        set(),
        {"outbound"},
    )


def test_every_image_has_an_exact_tag(compose: dict[str, Any]) -> None:
    tags = {service["image"].partition(":")[2] for service in compose["services"].values()}

    assert not tags & {"", "latest"}


def test_postgres_keeps_its_data_where_version_18_wants_it(compose: dict[str, Any]) -> None:
    postgres = compose["services"]["postgres"]

    assert postgres["image"].startswith("postgres:18.")
    assert "postgres:/var/lib/postgresql" in postgres["volumes"]


def test_kafka_keeps_its_data_on_its_volume(compose: dict[str, Any]) -> None:
    kafka = compose["services"]["kafka"]

    assert f"kafka:{kafka['environment']['KAFKA_LOG_DIRS']}" in kafka["volumes"]
