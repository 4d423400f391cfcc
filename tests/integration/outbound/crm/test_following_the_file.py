"""The connectors that run are those of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.outbound.crm.configuration import ConnectorTable
from services.outbound.crm.sync import Sync
from services.outbound.crm_systems import CrmSystems
from tests.support.crm import Played

pytestmark = pytest.mark.integration

TABLE = """\
[[connector]]
name = "{name}"
system = "tryton"
url = "https://crm.test"
key_field = "t_id"
secret_file = "/nowhere"
fields = {{score = "{field}"}}
"""


async def test_a_connector_that_is_added_starts_and_one_that_is_taken_out_stops(played: Played, tmp_path: Path) -> None:
    path = tmp_path / "crm.toml"
    path.write_text(TABLE.format(name="one", field="a"))
    started: list[tuple[str, str]] = []

    def make(table: ConnectorTable) -> Sync:
        started.append((table.name, table.fields["score"]))
        played.table = table
        return played.process(table.name)

    systems = CrmSystems(path, make)
    for text in (
        TABLE.format(name="one", field="a"),
        TABLE.format(name="one", field="a") + TABLE.format(name="two", field="a"),
        "broken",
        TABLE.format(name="two", field="b"),
    ):
        path.write_text(text)
        systems.file.reload()
        await systems.adopt()
    await systems.stop()

    assert started == [("one", "a"), ("two", "a"), ("two", "b")]
