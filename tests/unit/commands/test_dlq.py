"""What `tactus dlq` prints, and how fast it goes."""

from __future__ import annotations

import httpx
import pytest

from services.client.dead_letters import LettersClient, Whole
from services.client.endpoints import Endpoint
from services.commands import dlq
from services.commands.dlq import Meant, Pace
from services.infra.errors import ConfigurationError
from tests.support.clocks import StandingSeconds

LETTER = {
    "id": 7, "state": "open", "at": "2026-03-01T12:00:00Z", "origin": "ingest", "reason": "invalid-event",
    "detail": "data: is required", "source": "shop", "channel": "native", "event_id": None, "size": 20,
}  # fmt: skip
WHOLE = {
    **LETTER, "path": "/v1/events", "received_at": "2026-03-01T11:59:59Z", "topic": "cx.touchpoints.dlq.v1", "part": 3,
    "offset": 12, "value": '{"id": "[removed]"}', "masked": True, "truncated": False,
    "changes": [{"at": "2026-03-01T13:00:00Z", "by": "anna", "outcome": "rejected", "detail": "data: is required"}],
}  # fmt: skip


class Api:
    """Answers what a test tells it to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.outcomes: list[tuple[str, str]] = []
        self.whole = WHOLE
        self.waited: list[float] = []

    async def wait(self, seconds: float) -> None:
        self.waited.append(seconds)

    def respond(self, request: httpx.Request) -> httpx.Response:
        parameters = dict(request.url.params)
        self.asked.append((request.method, request.url.path, parameters))
        if request.url.path.endswith("/7"):
            return httpx.Response(200, json=self.whole)
        if request.url.path == "/v1/dead-letters":
            return httpx.Response(200, json={"letters": [LETTER], "next": None})
        limit, first = int(parameters.get("limit", "100")), int(parameters.get("cursor", "0-0").partition("-")[0])
        page = self.outcomes[first : first + limit]
        told = [
            {"id": first + place, "outcome": outcome, "reason": "r" if detail else "", "detail": detail}
            for place, (outcome, detail) in enumerate(page, 1)
        ]
        last = first + len(page)
        more = f"{last}-{len(self.outcomes)}" if last < len(self.outcomes) else None
        return httpx.Response(200, json={"outcomes": told, "next": more, "retry_after_s": 0})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    made = Api()

    def opened(*, url: str, key: str) -> LettersClient:
        assert (url, key) == ("http://api", "k")
        http = httpx.AsyncClient(transport=httpx.MockTransport(made.respond), base_url=url)
        return LettersClient(http=http, pause=made.wait)

    monkeypatch.setattr(dlq, "open_letters", opened)
    monkeypatch.setattr(dlq, "find_letters", lambda data: Endpoint("http://api", "k", data))
    return made


def test_a_list_shows_a_line_a_letter_and_how_many_of_each_reason(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    code = dlq.list_letters(Meant(state="open", reason="invalid-event", words="is required"), limit=100, data=None)

    told = capsys.readouterr()
    assert code == 0
    assert told.out == "7  open  2026-03-01T12:00:00Z  shop/native  invalid-event: data: is required\n"
    assert told.err == "1 invalid-event\n"
    assert api.asked == [
        (
            "GET",
            "/v1/dead-letters",
            {"state": "open", "reason": "invalid-event", "words": "is required", "limit": "100"},
        )
    ]


def test_a_letter_shows_what_was_removed_what_was_done_and_what_a_replay_would_do(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.outcomes = [("rejected", "have its sender send it again")]

    code = dlq.show(7, data=None)

    told = capsys.readouterr().out
    assert code == 0
    assert '  {"id": "[removed]"}' in told
    assert "it cannot be sent as it came" in told
    assert "2026-03-01T13:00:00Z  rejected again, by anna: data: is required" in told
    assert "sender: shop, by native to /v1/events, at 2026-03-01T11:59:59Z" in told
    assert "a replay: would be rejected again (r: have its sender send it again)" in told


def test_what_a_stranger_sent_moves_no_cursor(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.whole = {**WHOLE, "value": "a\x1b[2Jb\r\x9bc\u202ed\nsecond", "state": "replayed"}

    dlq.show(7, data=None)

    shown = capsys.readouterr().out
    assert not {"\x1b", "\r", "\x9b", "\u202e"} & set(shown)
    assert "  second" in shown
    assert "a replay" not in shown


def test_a_long_letter_is_cut(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.whole = {**WHOLE, "value": "x" * (dlq.VALUE_CHARS_MAX + 5)}

    dlq.show(7, data=None)

    assert "… and 5 more characters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([("accepted", ""), ("duplicate", ""), ("closed", "")], 0),
        ([("accepted", ""), ("rejected", "no")], 1),
        ([("conflict", "no")], 1),
        ([("unknown", "")], 1),
        ([], 0),
    ],
)
def test_a_replay_is_well_when_nothing_is_left_to_do(api: Api, outcomes: list[tuple[str, str]], code: int) -> None:
    api.outcomes = outcomes

    assert dlq.replay(Meant(), masked=False, rate=50, data=None) == code


def test_a_dry_run_asks_and_changes_nothing(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.outcomes = [("accepted", "order.completed")]

    dlq.try_letters(Meant(ids=[1, 2]), masked=True, rate=50, data=None)
    dlq.try_to_discard(Meant(ids=[7]), data=None)

    assert [(method, path) for method, path, _ in api.asked] == [
        ("GET", "/v1/dead-letters/replay"), ("GET", "/v1/dead-letters"),
    ]  # fmt: skip
    assert api.asked[0][2] == {"ids": "1,2", "limit": "50", "masked": "true"}
    told = capsys.readouterr().out
    assert "nothing was changed; a replay would leave letters: 1 sent again" in told
    assert "nothing was changed; 1 letters would be discarded" in told


def test_letters_go_at_the_rate_that_was_asked_for(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.outcomes = [("accepted", "")] * 12

    dlq.replay(Meant(), masked=False, rate=5, data=None)

    assert [parameters["limit"] for _, _, parameters in api.asked] == ["5", "5", "5"]
    assert len(api.waited) == 2
    assert capsys.readouterr().out.endswith("letters: 12 sent again\n")


def test_a_pace_waits_for_what_went_too_fast_and_never_makes_up_for_what_went_too_slow() -> None:
    seconds = StandingSeconds()
    pace = Pace(5, now_s=seconds)

    waits_s = [pace.wait_s(5)]
    seconds.at += 0.4
    waits_s.append(pace.wait_s(5))
    seconds.at += 10
    waits_s.append(pace.wait_s(10))

    assert waits_s == pytest.approx([1.0, 0.6, 0.0])


def test_nothing_is_discarded_that_was_not_named(api: Api) -> None:
    with pytest.raises(ConfigurationError, match="name which letters"):
        dlq.discard(Meant(), data=None)

    assert api.asked == []


def test_more_ids_than_a_request_may_name_are_told_before_anything_is_done(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    code = dlq.replay(Meant(ids=list(range(1, 200))), masked=False, rate=50, data=None)

    assert code == 1
    assert "at most 100 letters" in capsys.readouterr().err
    assert api.asked == []


def test_the_answer_s_fields_are_those_that_the_api_tells() -> None:
    assert set(WHOLE) == set(Whole.__struct_fields__)
