"""What `tactus sources list` and `watch` say."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from schemas import dead_letter
from schemas.topics import DLQ, EVENTS
from services.commands.sources import Facts, clock_words, meant, remarks, span, table_of
from services.commands.watching import Seen, chosen, seen_in, told
from services.core.rhythm import Health
from services.infra.errors import ConfigurationError
from services.infra.kafka import TailRecord
from services.infra.sources import Source
from services.state.source_health import Day, SourceHealth, UnknownName, unheard

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT_MS = int(NOW.timestamp()) * 1000
DECLARED = {"order.completed", "survey.csat", "web.page_viewed"}
WEB = Source(name="web", kind="browser", keys_sha256=("0" * 64,))
SHOP = Source(name="shop", kind="server", keys_sha256=("1" * 64,))
CONFIGURED = {"web": WEB, "shop": SHOP}


def heard(source: str, health: Health, *, ago: timedelta = timedelta(minutes=3), **day: int) -> SourceHealth:
    counts = Day(0, 0, 0, 0, 0, None)._replace(**day)
    return SourceHealth(source, NOW - timedelta(days=40), NOW - ago, counts, 1234.4, health)


def rows(*health: SourceHealth, names: tuple[UnknownName, ...] = ()) -> list[list[str]]:
    stream = io.StringIO()
    console = Console(file=stream, width=160, highlight=False, markup=False)
    console.print(table_of(Facts(CONFIGURED, health, names), now=NOW))
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in stream.getvalue().splitlines()[1:]]


def test_the_table_shows_what_came_against_what_usually_comes() -> None:
    names = tuple(UnknownName("web", f"x.n{n}", 1, NOW) for n in range(2))
    web = heard("web", Health.OK, live=1200, late=30, rejected=5, timed=100, ahead=2, clock_ms=-999_000)
    shop = heard("shop", Health.SILENT, ago=timedelta(hours=5), live=7, clock_ms=-312_000)

    assert rows(web, shop, unheard("store"), names=names) == [
        ["web", "browser", "ok", "2026-04-22", "3 min ago", "1,200 + 30 late", "1,234", "<1 %", "2", "2 % ahead"],
        ["shop", "server", "silent", "2026-04-22", "5 h ago", "7", "1,234", "0 %", "–", "5 min ahead"],
        ["store", "–", "never", "–", "–", "0", "–", "–", "–", "–"],
    ]


def test_what_is_wrong_is_followed_by_what_to_do() -> None:
    health = [heard("web", Health.QUIET), heard("shop", Health.SILENT), heard("former", Health.OK)]
    names = [UnknownName("web", "x.ordr_completed", 1200, NOW), *[UnknownName("web", "x.zzz", 1, NOW)] * 14]

    lines = list(remarks(Facts(CONFIGURED, health, names), declared=DECLARED, now=NOW))

    assert lines[:4] == [
        "web: sends much less than it usually does: see docs/runbooks/SourceSilent.md",
        "shop: silent for 3 min: see docs/runbooks/SourceSilent.md",
        "former: is in the sources file no more",
        "web: x.ordr_completed came 1,200 times: did you mean order.completed?",
    ]
    assert lines[4] == "web: x.zzz came once"
    assert lines[-1] == "and 5 more names are not in the catalogue"


@pytest.mark.parametrize(
    ("clock_ms", "words"),
    [(-312_000, "5 min ahead"), (-400, "0 s ahead"), (0, "right"), (59_000, "right"), (7_300_000, "2 h late")],
)
def test_a_clock_is_ahead_right_or_behind_unless_everything_was_sent_late(clock_ms: int, words: str) -> None:
    assert clock_words(clock_ms) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_a_span_is_written_in_its_largest_unit(seconds: int, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words


def test_a_name_that_nothing_looks_like_is_left_alone() -> None:
    assert meant("x.zzzzz", DECLARED) == ""


def taken(topic: str, value: bytes | None, headers: dict[str, str] | None = None) -> TailRecord:
    pairs = [(name, word.encode()) for name, word in (headers or {}).items()]
    return TailRecord(topic, AT_MS, value, pairs)


def record(touchpoint: str, subject: str, **data: object) -> TailRecord:
    event = {"source": "web/snippet", "subject": subject, "data": {"touchpoint": touchpoint, **data}}
    return taken(EVENTS, json.dumps(event).encode())


@pytest.mark.parametrize(
    ("record_", "words"),
    [
        (record("survey.csat", "customer:c-1"), "survey.csat, of a customer known by customer: accepted"),
        (record("survey.csat", "email_hash:abc"), "survey.csat, of a customer known by email_hash: accepted"),
        (
            record("survey.csat", "anonymous:v", **{"class": "bot"}),
            "survey.csat, of a customer known by anonymous: accepted, scores nothing: bot",
        ),
        (
            record("survey.cast", "anonymous:v"),
            "survey.cast (not in the catalogue: did you mean survey.csat?), of a customer known by anonymous: accepted",
        ),
        (
            taken(
                DLQ,
                b"secret@example.com",
                {
                    dead_letter.SOURCE: "web",
                    dead_letter.REASON: "not-allowed",
                    dead_letter.DETAIL: "data.place: this key may not set it",
                    dead_letter.CHANNEL: "native",
                },
            ),
            "rejected by native: not-allowed: data.place: this key may not set it",
        ),
    ],
    ids=["customer", "e-mail", "bot", "unknown", "rejected"],
)
def test_what_comes_is_told_without_who_it_is(record_: TailRecord, words: str) -> None:
    assert seen_in(record_, declared=DECLARED) == Seen("web", words)


@pytest.mark.parametrize("value", [None, b"", b"[]", b"\xff", b"{}", b"[" * 5000])
def test_what_is_no_event_of_ours_is_passed_over(value: bytes | None) -> None:
    assert seen_in(taken(EVENTS, value), declared=DECLARED) is None
    assert seen_in(taken(DLQ, value), declared=DECLARED) is None


@given(st.text(max_size=400), st.text(max_size=50))
def test_nothing_that_a_stranger_wrote_moves_the_cursor_or_fills_the_screen(name: str, kind: str) -> None:
    headers = {dead_letter.SOURCE: "web", dead_letter.DETAIL: name.encode("utf-8", "replace").decode()}
    for one in (record(name or "x", f"{kind}:v"), taken(DLQ, b"", headers)):
        seen = seen_in(one, declared=DECLARED)
        if seen is not None:
            line = told(seen, AT_MS, first=False)
            assert line.rstrip("\n").isprintable()
            assert len(line) < 240


def test_the_first_event_is_told_apart() -> None:
    assert told(Seen("web", "x"), AT_MS, first=True) == "12:00:00  first event of web received: x\n"
    assert told(Seen("web", "x"), AT_MS, first=False) == "12:00:00  web: x\n"


def test_a_source_is_watched_by_its_name_and_another_name_is_refused_with_what_to_do() -> None:
    assert chosen(CONFIGURED, None) == ["web", "shop"]
    assert chosen(CONFIGURED, "web") == ["web"]
    with pytest.raises(ConfigurationError, match=r"did you mean shop\?"):
        chosen(CONFIGURED, "shopp")
    with pytest.raises(ConfigurationError, match="tactus keys add warehouse"):
        chosen(CONFIGURED, "warehouse")
