"""Our snippet in a real browser: what a page does is kept once, and nothing is stored or sent before its visitor agrees."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from typing import Any

import pytest

from schemas.topics import EVENTS
from tests.support.clients import snippet_visits
from tests.support.independent_log import read_log
from tests.support.ingestprocess import IngestProcess
from tests.support.senders import ANONYMOUS_KEY
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

EXPECTED = {
    "view": ["web.page_viewed"],
    "view/next": ["web.page_viewed", "x.lamp_dimmed"],
    "frustrated": ["web.error_shown", "web.error_shown", "web.frustration", "web.page_viewed"],
    "offline": ["web.page_viewed", "web.page_viewed", "x.while_offline"],
    "leaving": ["web.page_viewed", "x.at_last"],
    "waits": ["web.page_viewed", "x.before_consent"],
    "cookie": ["web.page_viewed"],
    "slow": ["web.page_slow", "web.page_viewed"],
}
"""By the path of a page, what its events are."""


def kept(bootstrap: str, prefix: str) -> dict[str, list[dict[str, Any]]]:
    """The events of a run, each once, by the page that they happened on."""
    pages: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for record in read_log(bootstrap, EVENTS):
        event = json.loads(record.value or b"{}")
        path = event["data"].get("properties", {}).get("path", "")
        if path.startswith(f"/{prefix}/"):
            pages[path.removeprefix(f"/{prefix}/")][event["id"]] = event
    return {page: list(events.values()) for page, events in pages.items()}


def touchpoints(pages: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    return {page: sorted(event["data"]["touchpoint"] for event in events) for page, events in pages.items()}


def test_what_a_page_does_is_kept_once_and_nothing_before_consent(ingest: IngestProcess, topics_bootstrap: str) -> None:
    prefix = f"p{uuid.uuid4().hex[:8]}"

    seen = snippet_visits(ingest.url, ANONYMOUS_KEY, prefix)

    pages = wait_until(
        lambda: found if touchpoints(found := kept(topics_bootstrap, prefix)) == EXPECTED else None,
        what=f"all is kept; there is {touchpoints(kept(topics_bootstrap, prefix))}",
        timeout_s=20,
    )
    assert set(seen["methods"]) == {"POST"}, "a preflight was needed"
    assert seen["cookies"] == 0
    assert seen["beforeConsent"] == [[], seen["beforeConsent"][1], 0]
    assert seen["refused"] == 0
    assert seen["cookie"] == ["tactus"]
    assert {event.get("classed") for events in pages.values() for event in events} == {"bot"}, (
        "a driven browser is a bot's"
    )
    visitors = {event["subject"] for event in pages["offline"]}
    assert len(visitors) == 1, "a reload is another visitor"
    (slow,) = [event for event in pages["slow"] if event["data"]["touchpoint"] == "web.page_slow"]
    assert slow["data"]["properties"]["wait_seconds"] >= 2.5
