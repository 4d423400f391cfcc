"""Each guide begins with what its reader has, and ends with the score that moved: followed on a running product."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from services.client.connection import Connection
from tests.support.guides import ROOT, checkout_of, follow, open_shell
from tests.support.missing import lacks

pytestmark = pytest.mark.e2e

TOOLS = ("bash", "curl", "openssl", "base64", "date")


@pytest.mark.parametrize(
    "guide",
    [
        "website",
        "till",
        "shop-system",
        "mail-and-support",
        "anything-else",
        "watch-sources",
        "bots-staff-and-tests",
        "tune-the-score",
        "accounts",
        "rebuild",
        "look-back",
        "drivers",
        "promises",
        "follow-scores",
        "alerts",
        "crm",
        "sql",
        "work-on-alerts",
        "webhooks",
    ],
)
def test_a_guide_leads_to_the_score_that_moved(guide: str, stack: Connection, tmp_path: Path) -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        lacks(f"{', '.join(missing)} is missing: install it")
    folders = [tmp_path / name for name in ("checkout", "scripts")]
    for folder in folders:
        folder.mkdir()

    with open_shell(checkout_of(stack, folders[0]), folders[1]) as shell:
        follow(ROOT / "docs" / "how-to" / f"{guide}.md", shell, stack)
