from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.infra.errors import ConfigurationError
from services.infra.sources import digest, load_sources

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "keys-and-sources.md").read_text(encoding="utf-8")
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

    sources = load_sources(path)

    shop, website = sources.source("the shop's key"), sources.source("the website's key")
    assert shop is not None
    assert website is not None
    assert website.serves_pages_of("https://shop.example")
    assert not website.serves_pages_of("https://other.example")
    assert not website.may_send("order.completed")
    assert sources.reader("the CRM's key") is not None
