from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.infra.errors import ConfigurationError
from services.infra.followed_file import FollowedFile
from services.outbound.crm.configuration import load_connectors

GOOD = """\
[[connector]]
name = "sales"
system = "hubspot"
url = "https://api.vendor.example"
object = "contacts"
key_field = "tactus_id"
secret_file = "secrets/sales"
link = "https://tactus.example/customers/{customer}"

[connector.fields]
score = "tactus_score"
band = "tactus_band"

[connector.budget]
day_calls = 1000

[[connector]]
name = "shop"
system = "http"
url = "https://shop.example/api"
key_field = "number"
key_kind = "loyalty"
secret_file = "/run/secrets/shop"
fields = {score = "cx"}
http = {path = "/people/{key}", body = {properties = "{fields}"}}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "crm.toml"
    path.write_text(text)
    return path


def test_a_file_says_all_that_differs_from_system_to_system(tmp_path: Path) -> None:
    sales, shop = load_connectors(written(tmp_path, GOOD)).connector

    assert sales.secret_file == tmp_path / "secrets" / "sales"
    assert sales.limits == (90, 10.0, 1000)
    assert sales.link_to("customer:a b") == "https://tactus.example/customers/customer:a%20b"
    assert shop.key_kind == "loyalty"


@pytest.mark.parametrize(
    ("was", "becomes", "line", "words"),
    [
        ('"hubspot"', '"hubspott"', 3, "write one of 'hubspot', 'salesforce'"),
        ('key_field = "tactus_id"', 'key_field = "email"', 6, "name a field that holds your own id"),
        ('key_kind = "loyalty"', 'key_kind = "email"', 17, "no stable key"),
        ('name = "sales"\n', "", 1, "name: is missing"),
        ('score = "tactus_score"', 'skore = "tactus_score"', 11, "write one of 'score', 'confidence'"),
        ("day_calls = 1000", "day_calls = 0", 15, "greater than or equal to 1"),
        ("day_calls = 1000", "days = 1", 15, "is not known"),
        ('secret_file = "secrets/sales"\n', "", 1, "needs a secret"),
        ('name = "shop"', 'name = "sales"', 1, "the same name"),
        ('band = "tactus_band"', 'band = "tactus_score"', 1, "a name of its own"),
        ('[[connector]]\nname = "sales"', '[[connector]\nname = "sales"', 1, "not TOML"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_to_write(
    tmp_path: Path, was: str, becomes: str, line: int, words: str
) -> None:
    assert was in GOOD

    with pytest.raises(ConfigurationError) as raised:
        load_connectors(written(tmp_path, GOOD.replace(was, becomes)))

    assert f"line {line}: " in str(raised.value)
    assert words in str(raised.value)


def test_a_broken_file_leaves_the_one_that_worked(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    file = FollowedFile(path, load=lambda: load_connectors(path), name="crm")

    path.write_text(GOOD.replace('"hubspot"', '"hubspott"'))
    with capture_logs() as logs:
        file.reload()

    assert [one.name for one in file.current.connector] == ["sales", "shop"]
    assert "line 3" in logs[-1]["reason"]
