"""What the simulated shop's systems may do, beside the generated keys: its pages name who logs in, its carrier signs."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final, NamedTuple

from services.client.keys import SOURCES, ensure_keys, new_key
from services.demo.shop import SOURCE
from services.infra.files import write_private
from services.infra.sources import digest

ORIGIN: Final = "https://shop.example"
"""Of the shop's pages."""

PAGE: Final = "page"
CARRIER: Final = "parcels"
KEPT_IN: Final = "aftership.secret"

TILLS: Final = "store"
OWN: Final = frozenset({f"shop/{SOURCE}", PAGE, CARRIER})
"""The stored sources of the shop's own system, its page and its carrier; a till's begins with that of all tills."""

_ROWS: Final = """
[[source]]
name = "{page}"
keys_sha256 = ["{digest}"]
kind = "browser"
identity = "claimed"
origins = ["{origin}"]

[[source]]
name = "{carrier}"
keys_sha256 = []
kind = "server"
hook = {{provider = "aftership", secret_files = ["{secret_file}"]}}
"""


def is_own(stored: str) -> bool:
    """Tell whether events of this stored source are the shop's."""
    return stored in OWN or stored.startswith(f"{TILLS}/")


class ShopKeys(NamedTuple):
    """What the shop's page and its carrier show that they are who they say."""

    page: str
    carrier: bytes


def open_shop_sources(data: Path) -> ShopKeys:
    """Give a new data directory its keys, with the shop's own beside them."""
    ensure_keys(data)
    keys = ShopKeys(new_key("page"), secrets.token_urlsafe(32).encode())
    write_private(data / KEPT_IN, keys.carrier.decode())
    rows = _ROWS.format(page=PAGE, digest=digest(keys.page), origin=ORIGIN, carrier=CARRIER, secret_file=KEPT_IN)
    sources = data / SOURCES
    write_private(sources, sources.read_text(encoding="utf-8") + rows)
    return keys
