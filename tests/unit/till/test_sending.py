from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import pytest

from services.till.clock import ClockError
from services.till.door import Judged, Later, Outcome, Reply, Unfit, Verdict
from services.till.limits import POLL_S, WAIT_S_MAX
from services.till.lines import Line
from services.till.sending import LINES_MIN, Sender
from services.till.store import Store

KEPT = Verdict(accepted=True)


class ScriptedDoor:
    """Answers as a test says, then keeps everything; remembers what came."""

    def __init__(self, *outcomes: Outcome, clock: ClockError | None = None) -> None:
        self.outcomes = deque(outcomes)
        self.clock = clock
        self.came: list[list[bytes]] = []
        self.clocks: list[ClockError | None] = []

    def post(self, till: str, lines: Sequence[bytes], *, clock: ClockError | None) -> Reply:
        assert till == "3"
        self.came.append(list(lines))
        self.clocks.append(clock)
        outcome = self.outcomes.popleft() if self.outcomes else Judged([KEPT] * len(lines), None)
        return Reply(outcome, self.clock)


class PickyDoor(ScriptedDoor):
    """Refuses every body in which a line is bad, as a whole."""

    def post(self, till: str, lines: Sequence[bytes], *, clock: ClockError | None) -> Reply:
        reply = super().post(till, lines, clock=clock)
        return Reply(Unfit("malformed-json", "mend it"), None) if b"bad" in lines else reply


def sender(store: Store, door: ScriptedDoor, *, jitter: float = 1.0) -> Sender:
    return Sender(store, door, wall_s=lambda: 100.0, jitter=lambda: jitter)


def fill(store: Store, *bodies: bytes) -> None:
    lines = [Line("3", f"2026-03-01/{number}", b"d", body) for number, body in enumerate(bodies)]
    store.take(lines, origin="a test", now=0.0)


def steps(sending: Sender, store: Store) -> None:
    for _ in range(100):
        if not store.backlog().lines:
            return
        sending.step()
    pytest.fail("lines are left")


def test_what_the_door_has_is_forgotten_and_what_it_rejects_set_aside(store: Store) -> None:
    fill(store, b"1", b"2", b"3")
    door = ScriptedDoor(Judged([KEPT, Verdict(accepted=False, reason="invalid-event", detail="…"), KEPT], 3))

    assert sender(store, door).step() == 0.0

    assert store.backlog().lines == 0
    assert [(one.reason, one.text) for one in store.aside()] == [("invalid-event", b"2")]
    assert store.fact("accepted_through") == "till 3, number 3"


def test_with_nothing_to_send_it_looks_again_soon(store: Store) -> None:
    door = ScriptedDoor()

    assert sender(store, door).step() == POLL_S
    assert door.came == []


def test_the_same_goes_again_until_there_is_an_answer(store: Store) -> None:
    fill(store, b"1", b"2")
    door = ScriptedDoor(Later("no answer"), Later("503"))
    sending = sender(store, door)

    sending.step()
    assert (sending.state.trouble, store.fact("trouble")) == ("no answer", "no answer")
    steps(sending, store)

    assert door.came == [[b"1", b"2"]] * 3
    assert (sending.state.trouble, store.fact("trouble")) == ("", "")


def test_waits_grow_to_their_limit_and_shrink_by_chance_to_half(store: Store) -> None:
    fill(store, b"1")
    longest = [sender(store, ScriptedDoor(*[Later("away")] * 40), jitter=1.0)]
    shortest = [sender(store, ScriptedDoor(*[Later("away")] * 40), jitter=0.0)]

    waits = [[one.step() for _ in range(40)] for one in longest + shortest]

    assert waits[0][:4] == [1, 2, 4, 8]
    assert waits[0][-1] == WAIT_S_MAX
    assert waits[1] == [wait / 2 for wait in waits[0]]


def test_what_the_door_asks_for_is_waited_in_full_and_a_little_more(store: Store) -> None:
    fill(store, b"1")

    assert sender(store, ScriptedDoor(Later("503", 40.0)), jitter=0.5).step() == 40.5
    assert sender(store, ScriptedDoor(Later("503", 0.0)), jitter=0.5).step() == 0.5


def test_after_an_answer_waits_begin_anew(store: Store) -> None:
    fill(store, b"1")
    sending = sender(store, ScriptedDoor(Later("a"), Later("b"), Judged([KEPT], 1), Later("c")))

    waits = [sending.step() for _ in range(3)]
    store.take([Line("3", "2026-03-01/99", b"d", b"2")], origin="a test", now=0.0)

    assert [*waits, sending.step()] == [1, 2, 0, 1]


def test_a_line_that_came_too_fast_waits_and_holds_no_other_back(store: Store) -> None:
    fill(store, b"1", b"2", b"3")
    door = ScriptedDoor(Judged([KEPT, Verdict(accepted=False, reason="rate-limited", wait_s=3.0), KEPT], 1))
    sending = sender(store, door)

    assert sending.step() == 3.0
    steps(sending, store)

    assert door.came[1:] == [[b"2"]]
    assert store.aside() == []


def test_lines_that_all_came_too_fast_are_a_trouble_that_is_told(store: Store) -> None:
    fill(store, b"1")
    sending = sender(store, ScriptedDoor(Judged([Verdict(accepted=False, wait_s=9.0)], None)), jitter=0.0)

    assert sending.step() == 9.0
    assert sending.state.trouble.startswith("429")
    assert store.backlog().lines == 1


@pytest.mark.parametrize("bad", [0, 6, 12])
def test_one_line_that_spoils_the_whole_is_found_and_set_aside_and_the_rest_goes_out_in_order(
    store: Store, bad: int
) -> None:
    bodies = [b"%d" % number for number in range(13)]
    bodies[bad] = b"bad"
    fill(store, *bodies)
    door = PickyDoor()

    steps(sender(store, door), store)

    sent = [line for came in door.came if b"bad" not in came for line in came]
    assert sent == [body for body in bodies if body != b"bad"]
    assert [(one.reason, one.text) for one in store.aside()] == [("malformed-json", b"bad")]


def test_a_weak_line_gets_smaller_batches_and_a_good_one_larger_ones(store: Store) -> None:
    fill(store, *[b"%d" % number for number in range(1200)])
    door = ScriptedDoor(*[Later("no answer")] * 8)

    steps(sender(store, door), store)

    sizes = [len(came) for came in door.came]
    assert sizes[:7] == [500, 250, 125, 62, 31, 15, LINES_MIN]
    assert sizes[8:11] == [10, 20, 40]
    assert [line for came in door.came[8:] for line in came] == [b"%d" % number for number in range(1200)]


def test_the_clock_s_error_is_written_down_and_sent_with_the_next_request(store: Store) -> None:
    fill(store, b"1")
    error = ClockError(93.0, 0.5)
    door = ScriptedDoor(Later("503"), clock=error)

    steps(sender(store, door), store)

    assert door.clocks == [None, error]
    assert (store.fact("clock_ahead_s"), store.fact("clock_within_s")) == (93.0, 0.5)


def test_what_a_stranger_says_moves_no_terminal(store: Store) -> None:
    fill(store, b"1")
    sending = sender(store, ScriptedDoor(Later("302: leads to \x1b[2J\n" + "x" * 9000)))

    sending.step()

    assert sending.state.trouble.startswith("302: leads to  [2J xxx")
    assert len(sending.state.trouble) == 300
