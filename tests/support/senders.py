"""Sources, keys and events for tests of the door."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, settings

from services.infra.catalogue.reading import load_catalogue
from services.infra.sources import Source, Sources
from services.ingest.judge import Judge

SERVER_KEY = "server-key-of-a-test"
BROWSER_KEY = "browser-key-of-a-test"
BACKFILL_KEY = "backfill-key-of-a-test"
ANONYMOUS_KEY = "anonymous-key-of-a-test"
OPERATOR_KEY = "operator-key-of-a-test"
REVOKED_KEY = "revoked-key-of-a-test"
SPARE_KEY = "spare-key-of-a-test"
READ_KEY = "read-key-of-a-test"
HASH_KEY = "a secret of a test, long enough for a key"

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A slow machine is no defect of the door."""


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


SERVER = Source(
    name="shop",
    kind="server",
    keys_sha256=(digest(SERVER_KEY), digest(REVOKED_KEY), digest(SPARE_KEY)),
    revoked_sha256=(digest(REVOKED_KEY),),
)
SHOP_PAGE = "https://shop.example"
BROWSER = Source(
    name="site", kind="browser", keys_sha256=(digest(BROWSER_KEY),), identity="claimed", origins=(SHOP_PAGE,)
)
BACKFILL = Source(name="archive", kind="server", keys_sha256=(digest(BACKFILL_KEY),), backfill=True)
OPERATOR = Source(name="operator", kind="server", keys_sha256=(digest(OPERATOR_KEY),), replay=True)
ANONYMOUS = Source(name="kiosk", kind="browser", keys_sha256=(digest(ANONYMOUS_KEY),))


@cache
def judge_of_test() -> Judge:
    """Give the judge with the real catalogue, which takes a while to load."""
    return Judge(catalogue=load_catalogue(), hash_key=HASH_KEY.encode())


SOURCES = Sources(sources=(SERVER, BROWSER, BACKFILL, OPERATOR, ANONYMOUS))


def write_sources(path: Path, *, revoked: tuple[str, ...] = ()) -> None:
    """Write the sources above as the file that an operator would write."""
    lines = []
    for source in (SERVER, BROWSER, BACKFILL, OPERATOR, ANONYMOUS):
        withdrawn = [*source.revoked_sha256, *(digest(key) for key in revoked)]
        lines += [
            "[[source]]",
            f'name = "{source.name}"',
            f'kind = "{source.kind}"',
            f'identity = "{"claimed" if source.believes_claims else "anonymous"}"',
            f"origins = {list(source.origins)}",
            f"backfill = {str(source.backfill).lower()}",
            f"replay = {str(source.replay).lower()}",
            f"keys_sha256 = {list(source.keys_sha256)}",
            f"revoked_sha256 = {[key for key in withdrawn if key in source.keys_sha256]}",
        ]
    lines += ["[[reader]]", 'name = "crm"', f"keys_sha256 = {[digest(READ_KEY)]}"]
    partial = path.with_suffix(".partial")
    partial.write_text("\n".join(lines) + "\n")
    partial.replace(path)


def event(event_id: str = "e1", *, customer: str = "c1", **attributes: object) -> dict[str, object]:
    """Make a good native event."""
    return {
        "id": event_id,
        "data": {
            "touchpoint": "web.page_viewed",
            "channel": "web",
            "identities": [{"kind": "customer", "value": customer}],
        },
        **attributes,
    }


def visit(number: int, *, who: str | None = None, **properties: object) -> dict[str, object]:
    """Make a page's event, of a visitor of its own unless somebody is named."""
    return {
        "id": f"visit-{number}",
        "data": {
            "touchpoint": "web.page_viewed",
            "channel": "web",
            "identities": [{"kind": "anonymous", "value": who or f"v-{number}"}],
            "properties": properties,
        },
    }


def data(**fields: object) -> dict[str, object]:
    """Make the data of a good event, with these fields; None leaves one out."""
    whole: dict[str, object] = {
        "touchpoint": "web.page_viewed",
        "channel": "web",
        "identities": [{"kind": "customer", "value": "c1"}],
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}
