"""Real clients of other makers, unmodified: programs in tests/clients that send a known few messages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.missing import lacks

FOLDER = Path(__file__).parents[1] / "clients"

NODE_MODULES = FOLDER / "node_modules"

SENT_S = 180.0
"""A client waits and tries again by itself; on two idle cores it is done within five seconds."""

INSTALL = "run scripts/clients.sh"


def by_python(url: str, key: str, prefix: str) -> list[str]:
    """Send by segment-analytics-python; return the messages' ids."""
    return _said((sys.executable, str(FOLDER / "by_python.py"), url, key, prefix)).split()


def by_node(url: str, key: str, prefix: str) -> list[str]:
    """Send by @segment/analytics-node; return the messages' ids."""
    return _said((node(), str(FOLDER / "by_node.mjs"), url, key, prefix)).split()


@contextmanager
def by_browser(url: str, key: str, prefix: str, *, delivery: str) -> Iterator[list[str]]:
    """Send by @segment/analytics-next in Chromium; the page stays open, and tries again, for the length of the block."""
    _browser()
    command = (node(), str(FOLDER / "by_browser.mjs"), url, key, prefix, delivery)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdin is not None
        assert page.stdout is not None
        try:
            ids = [page.stdout.readline().strip() for _ in range(5)]
            assert all(ids), "the page did not send"
            yield ids
        finally:
            page.stdin.close()
            page.wait(SENT_S)


def snippet_visits(url: str, key: str, prefix: str) -> dict[str, Any]:
    """Visit pages that bear our own snippet; return what their browser saw."""
    _browser()
    seen: dict[str, Any] = json.loads(_said((node(), str(FOLDER / "snippet.mjs"), url, key, prefix)))
    return seen


def page_clicked(html: str) -> str:
    """Open a page and click its button; return its visitor once all is acknowledged."""
    _browser()
    return _said((node(), str(FOLDER / "page.mjs")), told=html).strip()


def _browser() -> None:
    if shutil.which("chromium") is None:
        lacks(f"Chromium is missing: {INSTALL}")


def webhook_verified(secret: str, headers: dict[str, str], body: str) -> str:
    """Verify a webhook by the spec's JavaScript library; return its type."""
    return _said(
        (node(), str(FOLDER / "webhook.cjs")), told=json.dumps({"secret": secret, "headers": headers, "body": body})
    )


def node() -> str:
    """The program that runs JavaScript, where its packages are installed."""
    found = shutil.which("node")
    if found is None or not NODE_MODULES.is_dir():
        lacks(f"Node.js or its packages are missing: {INSTALL}")
    return found


def _said(command: tuple[str, ...], *, told: str = "") -> str:
    done = subprocess.run(command, input=told, capture_output=True, text=True, timeout=SENT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
