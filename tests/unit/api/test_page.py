"""The page at the API's address is plain, complete and harmless."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

from services.api.page import HEADERS, LINKS, Link, page

CONTRACT = Path(__file__).parents[3] / "schemas" / "generated" / "openapi-read.json"


class Read(HTMLParser):
    """What stands in a page: its tags that are open at the end, its links, its style and all that it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.style = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in {"src", "style"} or name.startswith("on")]
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            self.style += data


def test_the_page_is_well_formed_and_loads_and_runs_nothing() -> None:
    read = Read(page(LINKS))

    assert (read.open, read.loads) == ([], [])
    assert "script" not in page(LINKS)
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]


def test_the_policy_lets_the_pages_own_style_through() -> None:
    digest = base64.b64encode(hashlib.sha256(Read(page(LINKS)).style.encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}'" in HEADERS["Content-Security-Policy"]


def test_every_operation_of_the_contract_is_named_and_what_can_be_followed_is_a_relative_link() -> None:
    operations = {re.sub(r"\{identity\}", "{kind}:{value}", path) for path in json.loads(CONTRACT.read_text())["paths"]}

    assert operations - {"/livez"} <= {link.path for link in LINKS}
    assert Read(page(LINKS)).links == ["v1/openapi.json", "readyz"]


def test_words_and_addresses_are_escaped() -> None:
    shown = page([Link('/a"b', "<b>bold</b> & more")])

    assert "<b>" not in shown
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; more" in shown
    assert 'href="a&quot;b"' in shown
