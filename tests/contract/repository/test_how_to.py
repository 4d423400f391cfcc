from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from services.core.valence import Scale
from services.infra.catalogue.reading import CATALOGUE_FILE, check, load_catalogue, read_catalogue
from services.infra.errors import ConfigurationError
from services.infra.sources import digest, load_sources, load_sources_with_secrets
from services.ingest.judge import Accepted, arrival
from services.outbound.crm.configuration import load_connectors
from tests.support.senders import SERVER, judge_of_test

ROOT = Path(__file__).parents[3]
HOW_TO = ROOT / "docs" / "how-to"
PAGE = (HOW_TO / "keys-and-sources.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_a_sources_file_copied_from_the_page_opens_nothing_before_it_is_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "sources.toml"
    [example] = EXAMPLES
    path.write_text(example, encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"keys_sha256\[0\]"):
        load_sources(path)
    assert not re.search(r"\b[0-9a-f]{64}\b", PAGE)


def test_a_sources_file_filled_in_as_the_page_says_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "sources.toml"
    [example] = EXAMPLES
    filled = re.sub(r"<digest of ([^>]*)>", lambda match: digest(match.group(1)), example)
    path.write_text(filled, encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "shopify").write_text("what the vendor shows")

    sources = load_sources_with_secrets(path)

    shop, website = sources.source("the shop's key"), sources.source("the website's key")
    assert shop is not None
    assert website is not None
    assert shop.traits == ("plan", "language")
    assert website.serves_pages_of("https://shop.example")
    assert not website.serves_pages_of("https://other.example")
    assert not website.may_send("order.completed")
    assert sources.reader("the CRM's key") is not None
    assert sources.hook("shopify", "web-shop") is not None


def test_the_alias_of_the_page_on_names_is_taken_from_a_server() -> None:
    page = (HOW_TO / "name-people.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)

    judged = judge_of_test().judge(json.loads(example), source=SERVER, received=arrival(1_772_366_400_000_000))

    assert isinstance(judged, Accepted)
    assert json.loads(judged.value)["data"]["alias"] == {"kind": "customer", "value": "guest-1001"}


def test_the_catalogue_of_the_page_on_touchpoints_is_in_order_and_does_what_it_says(tmp_path: Path) -> None:
    page = (HOW_TO / "own-touchpoints.md").read_text(encoding="utf-8")
    [example, _] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "own.yaml"
    path.write_text(example, encoding="utf-8")

    file = read_catalogue(CATALOGUE_FILE, override=path)

    assert ", 1 of them of " in check(path)
    assert file.catalogue.entry("workshop.attended").valence == Scale("stars5")
    assert file.catalogue.entry("workshop.attended").stage == "loyalty"
    assert file.catalogue.entry("pos.queue_waited").weight == 1.2
    assert file.labels["en"].touchpoints["pos.queue_waited"] == "Wait at the counter"
    assert file.catalogue.parameters.half_life_days == 45


def test_the_promise_of_the_page_on_touchpoints_is_in_order_and_does_what_it_says(tmp_path: Path) -> None:
    page = (HOW_TO / "own-touchpoints.md").read_text(encoding="utf-8")
    [_, example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "own.yaml"
    path.write_text(example, encoding="utf-8")

    catalogue = read_catalogue(CATALOGUE_FILE, override=path).catalogue

    fitting = catalogue.promises.kinds["fitting"]
    assert (fitting.key, fitting.due, fitting.missed) == ("order", "fitting_at", "fitting.missed")
    assert fitting.keeps == ("fitting.done",)
    assert catalogue.entry("fitting.done").once == "order"
    assert catalogue.promises.kinds.keys() > load_catalogue().promises.kinds.keys()


def test_the_connectors_file_of_the_page_on_crm_systems_is_in_order(tmp_path: Path) -> None:
    page = (HOW_TO / "crm.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "crm.toml"
    path.write_text(example, encoding="utf-8")

    [table] = load_connectors(path).connector

    assert (table.system, table.key_field) == ("hubspot", "tactus_id")
    assert table.limits.day_calls == 225_000
