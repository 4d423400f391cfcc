"""`tactus explain account:NAME` against the read API as a process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.state.roles import READER
from tests.integration.api.test_explain import _ready, explain
from tests.support.apiprocess import ApiProcess, api_process
from tests.support.companies import Told, store_companies
from tests.support.databases import as_role
from tests.support.readapi import T
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

AT = T.isoformat()


@pytest.fixture
async def api(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    told = [
        Told("e-1", "anna", "delivery.damaged", "2026-03-01T12:00:00Z", "Acme & Co", "champion"),
        Told("e-2", "ben", "order.completed", "2026-03-01T12:00:00Z", "Acme & Co", "decision_maker"),
        *(Told(f"u-{n}", f"u{n}", "web.page_viewed", "2026-03-01T12:00:00Z", "Acme & Co") for n in range(10)),
    ]
    await store_companies(postgres_dsn, told)
    with api_process(as_role(postgres_dsn, READER), tmp_path) as process:
        wait_until(lambda: _ready(process), what="it is ready")
        yield process


def test_an_account_is_explained_with_its_contacts_and_its_reasons_in_two_languages(
    api: ApiProcess, tmp_path: Path
) -> None:
    english, polish = (
        explain(api, tmp_path, "account:Acme & Co", "--at", AT, "--lang", language) for language in ("en", "pl")
    )

    assert (english.returncode, polish.returncode) == (0, 0), english.stderr + polish.stderr
    lines = [" ".join(line.split()) for line in english.stdout.splitlines()]
    assert lines[:2] == ["Acme & Co", "at 2026-03-01 12:00 UTC, 12 contacts"]
    assert any(line.startswith("Worst key contact: customer:anna, Champion: 1") for line in lines)
    assert any("customer:ben Decision maker" in line for line in lines)
    assert any("2 other contacts" in line for line in lines)
    assert any(line.startswith("50.0 − ") and " = " in line for line in lines), "the sum"
    words = " ".join(polish.stdout.split())
    assert "12 kontaktów" in words
    assert "Najmniej zadowolony kluczowy kontakt: customer:anna, Ambasador: 1" in words
    assert "customer:ben Decydent" in words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("account:nobody",), "no account has this name"),
        (("account:",), "account"),
        (("account:nobody", "--change", "week"), "no account has this name"),
        (("account:Acme & Co", "--at", "2126-03-01T12:00:00Z"), "lies in the future"),
    ],
)
def test_an_account_that_cannot_be_explained_says_why(
    api: ApiProcess, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    run = explain(api, tmp_path, *arguments)

    assert run.returncode == 1
    assert said in run.stderr


def test_what_moved_an_account_is_explained_and_what_was_known_of_it_then(api: ApiProcess, tmp_path: Path) -> None:
    moved, then = (
        explain(api, tmp_path, "account:Acme & Co", "--at", AT, *more)
        for more in (("--change", "week"), ("--known-then",))
    )

    assert (moved.returncode, then.returncode) == (0, 0), moved.stderr + then.stderr
    lines = [" ".join(line.split()) for line in moved.stdout.splitlines()]
    assert lines[:2] == ["Acme & Co", "2026-02-22 12:00 UTC → 2026-03-01 12:00 UTC"]
    assert lines[-1].startswith("50.0 ")
    assert " = " in lines[-1], "the sum"
    assert "12 contacts" in then.stdout
