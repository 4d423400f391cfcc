"""What a person reads of a score: rounded, in their language, and with reasons that add up to it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from schemas.changeapi import ChangeAnswer, ChangeEnd, ChangeLeaf, ChangeOthers
from schemas.readapi import (
    AlsoTold,
    Change,
    Changes,
    CustomerAnswer,
    FeltPromise,
    LatestEvent,
    RatingGiven,
    ReceiptAnswer,
    ReceiptLeaf,
    ReceiptOthers,
)
from schemas.score import Cell, Windows
from services.commands.explain_change import ChangeExplanation
from services.commands.explain_words import WORDS, Forms, in_english, in_polish
from services.commands.explanation import FULL, SHORT, Detail, Explained, Explanation, add_up
from services.core.bands import BANDS
from services.infra.catalogue.reading import LANGUAGES

AT = "2026-03-01T12:00:00Z"
CELL = Cell(score=50.0, confidence=0.0)
STAGES = {"support": Cell(score=21.04, confidence=0.6), "awareness": Cell(score=71.26, confidence=0.04)}
EN = Explanation.in_language("en", override=None, detail=FULL)


RATED = RatingGiven(value=2, scale="csat5")
COMMENT = "Still waiting,\nand nobody answers. " + "x" * 200
CHANGE = Change(points=-3.25, came=-3.5, faded=0.25, fell_out=0.0, significant=True)
STILL = Change(points=0.0, came=0.0, faded=0.0, fell_out=0.0, significant=False)
NONE = ReceiptOthers(leaves=0, points=0.0, events=0)


def explained(  # noqa: PLR0913 -- each is part of an answer that some test varies
    points: list[float],
    *,
    customer: str = "customer:c1",
    events: int = 1,
    others: ReceiptOthers = NONE,
    text: str | None = COMMENT,
    promises: Sequence[str] = (),
    also_told: Sequence[str] = (),
) -> Explained:
    total = 50 + sum(points) + others.points
    leaves = [
        ReceiptLeaf(
            touchpoint="delivery.delivered",
            label="Parcel delivered",
            channel="delivery",
            place=f"carrier/{n}",
            points=each,
            events=events,
            latest=[
                LatestEvent(
                    source="shop/orders",
                    id=f"event-{n}-{k}",
                    occurred_at=AT,
                    valence=-1.0,
                    stake=1.0,
                    rating=RATED if k == 0 else None,
                    text=text if k == 0 else None,
                )
                for k in range(min(events, 10))
            ],
            promises=[FeltPromise(kind="order", about=f"order/{n}", part=part) for part in promises],
            also_told=[AlsoTold(about=f"order/{n}", source="till/1", id=one) for one in also_told],
        )
        for n, each in enumerate(points)
    ]
    score = CustomerAnswer(
        customer=customer,
        identities=[customer, "device:d1"],
        score=total,
        confidence=0.5,
        se=12.5,
        p_bad=None,
        band="fair",
        bands=BANDS.begins,
        change=Changes(day=STILL, week=CHANGE, month=STILL),
        dimensions={"stage": STAGES, "channel": {}},
        left_out={},
        windows=Windows(hours_24=CELL, days_7=CELL, days_30=CELL, days_90=CELL),
        alerts=[],
        stale=[],
        model_version="m1",
        version=7,
        at=AT,
    )
    receipt = ReceiptAnswer(
        customer=customer,
        score=total,
        prior=50.0,
        leaves=leaves,
        others=others,
        model_version="m1",
        version=7,
        at=AT,
    )
    return Explained(score, receipt)


def printed(what: Explained, *, width: int = 80, language: str = "en", detail: Detail = FULL) -> list[str]:
    stream = io.StringIO()
    explanation = Explanation.in_language(language, override=None, detail=detail)
    explanation.show(Console(file=stream, width=width, highlight=False, markup=False, emoji=False), what)
    return stream.getvalue().splitlines()


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=FULL.leaves + 1))
def test_rounded_points_add_up_to_the_rounded_score(points: list[float]) -> None:
    total = 50 + sum(points)

    tenths = add_up(points, start=50, total=total)

    assert (500 + sum(tenths)) / 10 == pytest.approx(float(f"{total:.1f}"), abs=1e-9)
    assert all(abs(each - 10 * exact) <= 1.01 for each, exact in zip(tenths, points, strict=True))


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "Stale: store, web sent nothing for unusually long"), ("pl", "Nieaktualny: store, web milczy")],
)
def test_a_score_that_lacks_what_a_silent_source_would_tell_says_so(language: str, said: str) -> None:
    known = explained([1.0])
    missed = known._replace(score=known.score.model_copy(update={"stale": ["store", "web"]}))

    assert any(line.startswith(said) for line in printed(missed, language=language, width=120))
    assert not any(said.partition(":")[0] in line for line in printed(known, language=language))


def test_the_sum_is_written_out() -> None:
    assert EN.sum_line(50, [13, -137, 0, 5], 38.12) == "50.0 + 1.3 − 13.7 + 0.5 = 38.1"
    assert [EN.signed(each) for each in (1.05, -2, 0.01, -0.04, 0)] == ["+1.1", "−2.0", "0.0", "0.0", "0.0"]


@pytest.mark.parametrize(
    ("number", "written"), [(2.25, "2.2"), (-1.66, "−1.7"), (-0.04, "0.0"), (0.0, "0.0"), (50.0, "50.0")]
)
def test_a_number_below_zero_has_the_minus_of_print_and_nothing_has_none(number: float, written: str) -> None:
    assert EN.figure(number) == written


def test_an_explanation_names_score_windows_stages_reasons_and_the_events_behind() -> None:
    lines = printed(explained([-12.5, 4.25], events=5))

    text = "\n".join(lines)
    assert "Score 41.8 fair, give or take 12, confidence 50 %" in text
    assert "Change in 7 days −3.2 (new −3.5, faded +0.3), significant" in text
    assert "also device:d1" in text
    assert "last 24 hours   50.0  confidence 0 %" in text
    assert "−12.5" in text
    assert "2026-03-01 12:00 UTC  shop/orders event-0-0" in text
    assert f"and {5 - FULL.events} more events" in text
    assert lines[-1] == "50.0 − 12.5 + 4.3 = 41.8"


def test_what_the_receipt_itself_left_out_is_part_of_the_sum() -> None:
    lines = printed(explained([1.0] * (FULL.leaves + 2), others=ReceiptOthers(leaves=40, points=-7.5, events=90)))

    (others,) = [line.split() for line in lines if "42 other reasons" in line]
    assert others[:2] == ["−5.5", "92"]
    assert "".join(lines[-2:]).endswith("− 5.5 = 56.5")


def test_the_stages_stand_in_the_order_of_the_journey_with_their_bands() -> None:
    lines = [line.split() for line in printed(explained([-1.0]))]

    start = next(number for number, line in enumerate(lines) if line[:2] == ["By", "stage"])
    assert lines[start + 1 : start + 3] == [
        ["Awareness", "71.3", "unknown", "4", "%"],
        ["Support", "21.0", "critical", "60", "%"],
    ]


def test_an_explanation_in_polish_has_polish_words_and_commas() -> None:
    text = "\n".join(printed(explained([-12.5, 4.25] + [1.0] * FULL.leaves, events=5), language="pl"))

    assert "Wynik 53,8 przeciętny, plus minus 12, pewność 50 %" in text
    assert "Zmiana w ciągu 7 dni −3,2 (nowe −3,5; wygasłe +0,3), istotna" in text
    assert "Obsługa posprzedażowa" in text
    assert "krytyczny" in text
    assert "Doręczenie przesyłki" in text
    assert "i jeszcze 2 zdarzenia" in text
    assert "2 inne powody" in text
    assert "50,0 − 12,5 + 4,3" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_of_the_labels_has_words_and_a_word_for_every_band(language: str) -> None:
    words = WORDS[language]

    assert set(words.bands) == set(BANDS.names)
    assert len(set(words.bands.values())) == len(BANDS.names)
    assert list(words.windows) == ["24h", "7d", "30d", "90d"]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_nothing_is_wider_than_the_screen(width: int) -> None:
    lines = printed(explained([-1.0] * 20, customer=f"customer:{'a' * 250}"), width=width)

    assert max(map(len, lines)) <= width


def test_reasons_beyond_a_screenful_are_one_line() -> None:
    lines = printed(explained([-1.0] * (FULL.leaves + 8)))

    assert any("8 other reasons" in line and "−8.0" in line for line in lines)
    assert " ".join(" ".join(lines).split()).endswith("− 8.0 = 30.0")


def test_a_short_explanation_has_fewer_reasons_and_no_events() -> None:
    lines = printed(explained([-1.0] * 8, events=5), detail=SHORT)

    assert any("3 other reasons" in line and "−3.0" in line for line in lines)
    assert not any("event-" in line or "more" in line for line in lines)
    assert lines[-1].endswith("− 3.0 = 42.0")


def test_a_customer_of_whom_nothing_is_seen_is_said_so() -> None:
    assert "Nothing was seen" in printed(explained([]))[-1]


def test_ids_are_printed_as_they_are() -> None:
    assert "customer:[red]:smile:[/red]" in printed(explained([1.0], customer="customer:[red]:smile:[/red]"))


def test_an_event_is_shown_with_what_the_customer_answered_and_wrote() -> None:
    english, polish = (
        " ".join(" ".join(printed(explained([-10.0]), width=200, language=language)).split())
        for language in ("en", "pl")
    )

    assert "rated 2 (csat5): “Still waiting, and nobody answers." in english
    assert "ocena 2 (csat5): „Still waiting, and nobody answers." in polish
    assert "x" * 100 not in english
    assert "…" in english


@pytest.mark.parametrize(
    ("numbers", "polish"),
    [
        ([1], "zdarzenie"),
        ([2, 3, 4, 22, 34, 102, 1003], "zdarzenia"),
        ([0, 5, 11, 12, 13, 14, 15, 20, 21, 25, 101, 112, 1000, 1014], "zdarzeń"),
    ],
)
def test_so_many_things_are_counted_as_the_language_counts(numbers: list[int], polish: str) -> None:
    forms = Forms("zdarzenie", "zdarzenia", "zdarzeń")

    assert {in_polish(number, forms) for number in numbers} == {polish}
    assert {in_english(number, Forms("one", "few", "many")) for number in numbers} == (
        {"one"} if numbers == [1] else {"many"}
    )


@pytest.mark.parametrize(
    ("events", "english", "polish"),
    [
        (4, "and 1 more event", "i jeszcze 1 zdarzenie"),
        (5, "and 2 more events", "i jeszcze 2 zdarzenia"),
        (8, "and 5 more events", "i jeszcze 5 zdarzeń"),
        (1237, "and 1,234 more events", "i jeszcze 1234 zdarzenia"),
        (12_348, "and 12,345 more events", "i jeszcze 12\u00a0345 zdarzeń"),
    ],
)
def test_older_events_are_counted_in_words_that_fit_their_number(events: int, english: str, polish: str) -> None:
    assert any(line.rstrip(" ").endswith(english) for line in printed(explained([-1.0], events=events)))
    assert any(line.rstrip(" ").endswith(polish) for line in printed(explained([-1.0], events=events), language="pl"))


def test_a_reason_names_its_promises_and_who_told_the_same_again() -> None:
    told = explained([-3.0], promises=["", "parcel/\x1b[31mP"], also_told=["e-9"])

    english, polish = (printed(told, language=language) for language in ("en", "pl"))

    lines = [line.strip() for line in english]
    for line in ("promised: order/0", "promised: order/0 · parcel/ [31mP", "also told by till/1 e-9"):
        assert line in lines
    assert {"obiecane: order/0", "to samo mówi till/1 e-9"} <= {line.strip() for line in polish}


def test_a_strangers_words_do_nothing_to_the_screen() -> None:
    text = "one\ntwo\x1b[31m red\x07\u202e turned\u200b [bold]markup[/bold]\r\t end"

    lines = printed(explained([-1.0], text=text), width=200)

    (line,) = (line for line in lines if "one" in line)
    assert line.rstrip(" ").endswith("“one two [31m red turned [bold]markup[/bold] end”")
    assert all(sign.isprintable() for sign in line)


def test_a_comment_of_blanks_leaves_no_empty_quotes() -> None:
    assert not any("“" in line for line in printed(explained([-1.0], text=" \n\u200b ")))


def moved(points: list[tuple[float, float, float]], *, hidden: int = 0) -> ChangeAnswer:
    """An answer of leaves that came, faded and fell out so far, after a score of 60."""
    columns = [sum(column) for column in zip(*points, strict=True)] or [0.0, 0.0, 0.0]
    nothing = {"before": 0.0, "after": 0.0, "diluted": 0.0, "events": 1, "events_before": 3}
    event = LatestEvent(source="shop", id="e1", occurred_at=AT, valence=-1.0, stake=1.0, rating=None, text=None)
    leaves = [
        ChangeLeaf(
            touchpoint="delivery.delivered",
            label="Parcel delivered",
            channel="delivery",
            place=f"carrier/{n}",
            came=came,
            faded=faded,
            fell_out=fell_out,
            latest=[event],
            promises=[FeltPromise(kind="order", about="order/7", part="")],
            **nothing,  # type: ignore[arg-type]
        )
        for n, (came, faded, fell_out) in enumerate(points)
    ]
    zeros = dict.fromkeys(("before", "after", "came", "faded", "fell_out", "diluted"), 0.0)
    return ChangeAnswer(
        customer="customer:c1",
        over="week",
        before=ChangeEnd(score=60.0, confidence=0.5, band="good", at="2026-02-22T12:00:00Z"),
        after=ChangeEnd(score=60.0 + sum(columns), confidence=0.5, band="fair", at=AT),
        change=Change(
            points=sum(columns), came=columns[0], faded=columns[1], fell_out=columns[2], significant=bool(points)
        ),
        leaves=leaves,
        others=ChangeOthers(leaves=hidden, events=0, events_before=0, **zeros),
        model_version="m1",
        version=7,
    )


def printed_change(what: ChangeAnswer, *, language: str = "en") -> list[str]:
    stream = io.StringIO()
    explanation = ChangeExplanation(Explanation.in_language(language, override=None, detail=FULL))
    explanation.show(Console(file=stream, width=100, highlight=False, markup=False, emoji=False), what)
    return stream.getvalue().splitlines()


def test_what_moved_a_score_is_told_leaf_by_leaf_and_adds_up() -> None:
    lines = printed_change(moved([(-15.04, 0.0, 0.0), (0.0, 2.5, 0.3)], hidden=3))

    assert lines[:5] == [
        "customer:c1",
        "2026-02-22 12:00 UTC → 2026-03-01 12:00 UTC, version 7",
        "",
        "Score 60.0 good → 47.8 fair",
        "−12.2 in 7 days (new −15.0, faded +2.5, too old +0.3), significant",
    ]
    first, second, others = [line.split() for line in lines if "carrier/" in line or "other reasons" in line]
    assert first[:4] == ["−15.0", "−15.0", "0.0", "1"]
    assert second[:4] == ["+2.8", "0.0", "+2.8", "1"]
    assert others[:5] == ["0.0", "0.0", "0.0", "0", "3"]
    assert "2026-03-01 12:00 UTC  shop e1" in "\n".join(lines)
    assert sum("and 3 more events" in line for line in lines) == 2
    assert sum("order/7" in line for line in lines) == 2
    assert lines[-1] == "60.0 − 15.0 + 2.8 = 47.8"


def test_what_moved_a_score_is_told_in_polish() -> None:
    lines = printed_change(moved([(-15.0, 2.5, 0.0)]), language="pl")

    assert "Wynik 60,0 dobry → 47,5 przeciętny" in lines
    assert "−12,5 w ciągu 7 dni (nowe −15,0; wygasłe +2,5), istotna" in lines
    assert lines[-1] == "60,0 − 12,5 = 47,5"


def test_a_score_that_nothing_moved_says_so() -> None:
    assert printed_change(moved([]))[-1] == "Nothing that counts then or now."
