"""Machine-made requests, good and bad, over the whole contract of the read API: none finds a fault."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from services.infra.catalogue.reading import load_catalogue
from services.state.roles import READER
from tests.support.alerts import Raised, raise_alerts
from tests.support.apiprocess import ApiProcess, api_process
from tests.support.censuses import take_census
from tests.support.customers import Lived, store_person
from tests.support.databases import as_role
from tests.support.letters import a_letter, letters_in
from tests.support.openapi import GENERATED
from tests.support.readapi import KEY, T
from tests.support.scored import score
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

CASES_MAX = 40
"""For each operation; the phases with fixed cases come on top."""


@pytest.fixture
async def api(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    # The document's own example of a customer exists, so that answers of every kind are seen.
    events = [Lived("customer:c1", "call.answered", T, -0.5), Lived("device:d1", "survey.nps", T, 1.0)]
    await store_person(postgres_dsn, events, customer="customer:c1", version=1)
    await take_census(postgres_dsn, load_catalogue(), at=T)
    async with letters_in(postgres_dsn) as table:
        await table.add(("cx.touchpoints.dlq.v1", 0), [a_letter(offset) for offset in range(3)], origin="ingest")
    # And so does that of an alert.
    await raise_alerts(postgres_dsn, [Raised(1)])
    with api_process(as_role(postgres_dsn, READER), tmp_path) as process, busy(postgres_dsn):
        wait_until(lambda: _ready(process), what="it is ready")
        yield process


@contextmanager
def busy(dsn: str) -> Iterator[None]:
    """Let a score change again and again meanwhile, so that nobody waits long for a change."""

    async def go_on() -> None:
        connection = await asyncpg.connect(dsn)
        person = await connection.fetchval("SELECT min(id) FROM person")
        while not ended.is_set():
            await score(connection, person)
            await asyncio.to_thread(ended.wait, 0.2)
        await connection.close()

    ended = threading.Event()
    working = threading.Thread(target=asyncio.run, args=(go_on(),))
    working.start()
    yield
    ended.set()
    working.join()


CONFIG = """
[[operations]]
# Two moments may each be one and yet lie the wrong way around, or too far apart.
include-operation-id-regex = "^read(Account)?History$"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "5xx"]

[[operations]]
# A moment may be one and lie in the future.
include-operation-id-regex = "^read(Customer|Receipt|Change|Account|AccountReceipt|AccountChange)$"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "5xx"]

[[operations]]
# A word may be none of the bands that the model names.
include-operation-id = "listAccounts"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "5xx"]

[[operations]]
# The same, and a cursor that has the form of one may be of no place in this database.
include-operation-id-regex = "^(listCustomers|followScores)$"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "410", "5xx"]

[[operations]]
# A moment may be one and lie in the future.
include-operation-id = "askWhatIf"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429", "5xx"]

[[operations]]
# The value behind the colon may be none of its kind.
include-operation-id = "listAlerts"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "5xx"]

[[operations]]
# A revision, a time and a key may each be one, and be passed meanwhile, too far off or used before.
include-operation-id-regex = "^(acknowledge|snooze|assign|set|note|close|reopen)Alert"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422", "429", "5xx"]
missing_required_header.expected-statuses = ["400", "401", "428", "429"]

[[operations]]
# A URL may be one and lead where none may go.
include-operation-id-regex = "^(make|change)Webhook$"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "5xx"]

[[operations]]
include-operation-id-regex = "^(readDrivers|readTouchpoints|readJourneyMap)$"
[operations.checks]
# A segment and a place may each be one, and there are no sums of both.
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "5xx"]
"""


def _ready(api: ApiProcess) -> bool:
    return httpx.get(f"{api.url}/readyz").status_code == 200


SOMEBODY = "^/v1/(customers|accounts)/"
ALERTS = "^/v1/(alerts|incidents)"
WEBHOOKS = "^/v1/webhooks"
LETTERS = "^/v1/dead-letters"
PARTS = {
    "about somebody": SOMEBODY,
    "about alerts": ALERTS,
    "about webhooks": WEBHOOKS,
    "about letters": LETTERS,
    "about everybody and itself": f"(?!{SOMEBODY})(?!{ALERTS})(?!{WEBHOOKS})(?!{LETTERS})^/",
}
"""Each part has a process of its own: whoever comes so often without a key is told to wait. Each operation with a key is
asked three times without, and thirty times are let be, so that a part has ten such operations at most."""


def fuzz(api: ApiProcess, document: Path, folder: Path, *, paths: str = SOMEBODY) -> subprocess.CompletedProcess[str]:
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", str(document)),
        *("--include-path-regex", paths, "--url", api.url, "--header", f"Authorization: Bearer {KEY}"),
        *("--checks", "all", "--mode", "all", "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", str(CASES_MAX), "--continue-on-failure", "--seed", "1"),
        *("--suppress-health-check", "all", "--request-timeout", "10"),
        *("--generation-database", "none", "--no-color"),
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("part", PARTS)
def test_no_machine_made_request_breaks_the_contract(part: str, api: ApiProcess, tmp_path: Path) -> None:
    run = fuzz(api, GENERATED / "openapi-read.json", tmp_path, paths=PARTS[part])

    assert run.returncode == 0, run.stdout + run.stderr
    assert api.stop() == 0


def test_a_contract_that_promises_too_much_is_found_out(api: ApiProcess, tmp_path: Path) -> None:
    document = json.loads((GENERATED / "openapi-read.json").read_text())
    answer = document["components"]["schemas"]["CustomerAnswer"]
    # Scores change meanwhile, and the version rises; this far it does not get.
    answer["properties"]["version"]["minimum"] = 1_000_000
    doctored = tmp_path / "openapi.json"
    doctored.write_text(json.dumps(document))

    run = fuzz(api, doctored, tmp_path)

    assert run.returncode == 1
    assert "minimum" in run.stdout, run.stdout + run.stderr
