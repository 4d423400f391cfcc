"""`tactus import`: what a file holds is stored once, however often and however brokenly it is imported."""

from __future__ import annotations

import csv
import gzip
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from services.client.connection import Connection
from tests.support.settled import settled, stored
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

MAP = """\
id: {field: receipt}
time: {field: at, zone: Europe/Warsaw}
identities:
  - {kind: customer, value: {field: guest}}
place: {field: house, slug: true, before: store/}
when: "kind != 'internal'"
type: {field: kind}
types:
  sale: {touchpoint: pos.sale_completed, properties: {total: {field: total, number: true}}}
  back: {touchpoint: product.returned}
otherwise: {touchpoint: {field: kind, slug: true, before: x.}}
"""
WINTER = (datetime.now(UTC) - timedelta(days=75)).year
FIRST = datetime(WINTER, 1, 31, 8, 0, tzinfo=UTC)
"""The latest 31 January some weeks ago: no row is still to come, and none is as old as what is removed, 431 days."""
KINDS = ("sale", "sale", "back", "internal", "Wizyta")


def sales(count: int) -> list[dict[str, str]]:
    """Rows a minute apart, of which every hundredth names nobody."""
    return [
        {
            "receipt": f"R-{number}",
            "at": (FIRST + timedelta(minutes=number)).strftime("%Y-%m-%d %H:%M:%S"),
            "guest": "" if number % 100 == 99 else f"g-{number % 37}",
            "house": "Łódź",
            "kind": KINDS[number % len(KINDS)],
            "total": "12.50",
        }
        for number in range(count)
    ]


def written_csv(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return path


def wanted(rows: Sequence[dict[str, str]]) -> dict[str, str]:
    """The customer of each receipt that is an event."""
    return {row["receipt"]: f"customer:{row['guest']}" for row in rows if row["kind"] != "internal" and row["guest"]}


def command(file: Path, connection: Connection, *options: str) -> tuple[str, ...]:
    tactus = str(Path(sys.executable).with_name("tactus"))
    map_file = file.with_name("map.yaml")
    map_file.write_text(MAP, encoding="utf-8")
    return (tactus, "import", str(file), "--map", str(map_file), "--data", str(connection.data), *options)


def imported(file: Path, connection: Connection, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(file, connection, *options), capture_output=True, text=True, timeout=300, check=False)


def settled_rows(connection: Connection, file: Path) -> int:
    """How far the import of this file says that it is."""
    kept = [json.loads(one.read_text()) for one in (connection.data / "import").glob("*.json")]
    return max((int(one["rows"]) for one in kept if one["stamp"][0] == file.stat().st_size), default=0)


def killed(file: Path, connection: Connection, *, after: int) -> int:
    """Import and kill once more rows than so many are settled; returns how many are."""
    with subprocess.Popen(command(file, connection), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: settled_rows(connection, file) > after, what="some more rows are settled", timeout_s=120)
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    return settled_rows(connection, file)


def rejected(file: Path) -> list[dict[str, Any]]:
    """What an import rejected."""
    return [json.loads(line) for line in Path(f"{file}.rejected.ndjson").read_text().splitlines()]


async def identities(connection: Connection, source: str) -> dict[str, str]:
    return {row["event_id"]: row["identity"] for row in await stored(connection, source)}


async def test_an_import_that_is_killed_again_and_again_stores_each_row_once(stack: Connection, tmp_path: Path) -> None:
    rows = sales(20_000)
    file = written_csv(tmp_path / "killed.csv", rows)
    events = wanted(rows)
    nobody = [row["receipt"] for row in rows if row["kind"] != "internal" and not row["guest"]]

    reached = 0
    for _ in range(3):
        reached = killed(file, stack, after=reached)
    last = imported(file, stack)
    again = imported(file, stack)

    assert f"going on after {reached} rows" in last.stderr
    counted = f"rows 20000, accepted {len(events)}, left out 4000, rejected {len(nobody)}, rejected rows in {file}"
    for done in (last, again):
        assert done.returncode == 1, done.stderr
        assert done.stdout.splitlines()[-1] == f"{counted}.rejected.ndjson"
    assert [one["row"]["receipt"] for one in rejected(file)] == nobody
    assert {one["reason"] for one in rejected(file)} == {"names nobody: it has no guest"}
    await settled(stack)
    found = await identities(stack, "backfill/import/killed")
    assert found == events
    assert Counter(found.values()) == Counter(events.values())


@pytest.mark.parametrize("form", ["parquet", "ndjson.gz"])
async def test_the_same_rows_in_another_form_are_the_same_events(stack: Connection, tmp_path: Path, form: str) -> None:
    rows = [row for row in sales(700) if row["guest"]]
    file = tmp_path / f"twice.{form}"
    if form == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), file)
    else:
        file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    table = written_csv(tmp_path / "twice.csv", rows)

    first, second = imported(file, stack), imported(table, stack)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    await settled(stack)
    assert await identities(stack, "backfill/import/twice") == wanted(rows)


async def test_a_file_that_has_grown_is_begun_anew_and_counts_once(stack: Connection, tmp_path: Path) -> None:
    rows = [row for row in sales(60) if row["guest"]]
    file = written_csv(tmp_path / "grown.csv", rows[:40])

    first = imported(file, stack)
    written_csv(file, rows)
    second = imported(file, stack)

    assert (first.returncode, second.returncode) == (0, 0)
    assert "rows 40," in first.stdout
    assert f"rows {len(rows)}," in second.stdout
    await settled(stack)
    assert await identities(stack, "backfill/import/grown") == wanted(rows)


def test_what_the_door_rejects_is_in_the_file_with_its_reason(stack: Connection, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [*sales(2), {**sales(3)[2], "at": "1960-01-01T00:00:00"}]
    file = written_csv(tmp_path / "refused.csv", rows)

    done = imported(file, stack, "--rejected", str(tmp_path / "bad.ndjson"))

    assert done.returncode == 1
    assert "rejected 1: too-old: time: is before 1970" in done.stdout
    (bad,) = [json.loads(line) for line in (tmp_path / "bad.ndjson").read_text().splitlines()]
    assert (bad["line"], bad["row"]["receipt"]) == (4, "R-2")
    assert bad["reason"].startswith("too-old: time: is before 1970")
