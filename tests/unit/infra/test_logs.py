from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.infra.logs import configure_logs, get_logger, scrub
from tests.support.growth import LINEAR_MAX, growth


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_when_nobody_watches() -> None:
    stream = io.StringIO()
    configure_logs("info", stream=stream)

    get_logger("tactus.test").info("batch_stored", tallies=3, took_ms=1.5)

    [line] = lines(stream)
    assert line["event"] == "batch_stored"
    assert line["level"] == "info"
    assert line["logger"] == "tactus.test"
    assert (line["tallies"], line["took_ms"]) == (3, 1.5)
    assert line["timestamp"].endswith("Z")


def test_a_line_at_a_terminal_is_for_people() -> None:
    stream = Terminal()
    configure_logs("info", stream=stream)

    try:
        1 / 0  # noqa: B018 - a real exception with a traceback
    except ZeroDivisionError:
        get_logger("tactus.test").exception("chunk_failed")

    assert "chunk_failed" in stream.getvalue()
    assert "ZeroDivisionError" in stream.getvalue()


def test_libraries_log_through_the_same_stream_but_only_their_warnings() -> None:
    stream = io.StringIO()
    configure_logs("debug", stream=stream)

    logging.getLogger("aiokafka.consumer").info("chatter")
    logging.getLogger("aiokafka.consumer").warning("broker %s is away", 1)

    [line] = lines(stream)
    assert (line["event"], line["level"]) == ("broker 1 is away", "warning")


def test_faust_says_nothing_of_itself_under_our_names_but_its_warnings() -> None:
    stream = io.StringIO()
    configure_logs("info", stream=stream)
    ours = logging.getLogger("services.aggregator.stream.app")

    ours.info("[^%sApp]: Starting...", "-")
    ours.warning("[^%sApp]: Crashed", "-")
    get_logger("services.aggregator.stream.app").info("partitions_owned", partitions=3)

    assert [line["event"] for line in lines(stream)] == ["[^-App]: Crashed", "partitions_owned"]


def test_below_the_level_nothing_is_written() -> None:
    stream = io.StringIO()
    configure_logs("warning", stream=stream)

    get_logger("tactus.test").info("batch_stored")

    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"customer": "c-4711"},
        {"body": b"c-4711"},
        {"words": "no row for customer:c-4711 here"},
        {"words": "cannot reach postgresql://tactus:c-4711@127.0.0.1/tactus"},
        {"words": "mail of c-4711@example.com bounced"},
        {"words": "duplicate key\nDETAIL:  Key (value)=(c-4711) already exists."},
        {"several": ["email:c-4711"]},
    ],
    ids=["field", "bytes", "identity", "dsn", "mail", "detail", "list"],
)
def test_a_person_or_a_secret_never_reaches_a_line(fields: dict[str, Any]) -> None:
    stream = io.StringIO()
    configure_logs("info", stream=stream)

    get_logger("tactus.test").warning("something_happened", **fields)

    assert "c-4711" not in stream.getvalue()
    assert "[removed]" in stream.getvalue()


def test_a_person_in_an_exception_never_reaches_a_line() -> None:
    stream = io.StringIO()
    configure_logs("info", stream=stream)

    try:
        int("customer:c-4711 ")
    except ValueError:
        logging.getLogger("library").exception("it failed")

    [line] = lines(stream)
    assert "c-4711" not in stream.getvalue()
    assert "ValueError: invalid literal" in line["exception"]


@pytest.mark.parametrize("piece", ["x", "\n", "x-", "a://", "customer", "@", "x@y ", "DETAIL:"])
def test_the_work_on_a_line_grows_as_its_words_do(piece: str) -> None:
    def write(text: bytes) -> None:
        scrub(None, "info", {"words": text.decode()})

    assert growth(write, piece.encode(), size=500) < LINEAR_MAX


def test_of_long_words_the_beginning_is_kept_without_an_address_across_the_cut() -> None:
    stream = io.StringIO()
    configure_logs("info", stream=stream)

    get_logger("tactus.test").warning("something_happened", words="x " * 4090 + "c-4711@example.com " + "y" * 9000)

    [line] = lines(stream)
    assert len(line["words"]) < 8300
    assert "c-4711" not in line["words"]


def test_ordinary_words_stay_as_they_are() -> None:
    stream = io.StringIO()
    configure_logs("info", stream=stream)

    get_logger("t").info("listening", address="http://127.0.0.1:8080/livez", port=8080)

    [line] = lines(stream)
    assert line["address"] == "http://127.0.0.1:8080/livez"
    assert line["port"] == 8080
