"""Send what waits, in its order, until the door has it: one batch a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, Final, NamedTuple, Protocol

from services.till.clock import ClockError
from services.till.door import Judged, Later, Reply, Unfit
from services.till.limits import BATCH_BYTES_MAX, BATCH_LINES_MAX, POLL_S, WAIT_S_FIRST, WAIT_S_MAX
from services.till.store import Store, Waiting
from services.till.words import plain

LINES_MIN: Final = 10
"""A weak line gets smaller batches, so that one of them comes through; this few come through any."""

DOUBLINGS_MAX: Final = 16
"""Of the wait between attempts; the longest wait is reached before."""


TROUBLE_CHARS_MAX: Final = 300
"""What a person reads of it."""


class Posting(Protocol):
    """Where lines go."""

    def post(self, till: str, lines: Sequence[bytes], *, clock: ClockError | None) -> Reply: ...


class State(NamedTuple):
    """How the sending goes."""

    trouble: str = ""
    """Why nothing goes out; empty while it does."""
    wait_s: float = 0.0
    clock: ClockError | None = None


class Sender:
    """Sends from a store."""

    def __init__(
        self, store: Store, door: Posting, *, wall_s: Callable[[], float], jitter: Callable[[], float]
    ) -> None:
        self._store = store
        self._door = door
        self._wall_s = wall_s
        self._jitter = jitter
        self._failures = 0
        self._lines_max = BATCH_LINES_MAX
        self.state = State()

    def step(self) -> float:
        """Send one batch; return the seconds until the next step makes sense."""
        batch = self._store.batch(lines_max=self._lines_max, bytes_max=BATCH_BYTES_MAX)
        if not batch:
            return POLL_S
        reply = self._door.post(batch[0].till, [one.body for one in batch], clock=self.state.clock)
        # Of two measurements the closer one is the better one, but a clock is set now and then: the newest holds.
        self.state = self.state._replace(clock=reply.clock or self.state.clock)
        outcome = reply.outcome
        if isinstance(outcome, Judged):
            return self._settle(batch, outcome)
        return self._part(batch, outcome) if isinstance(outcome, Unfit) else self._later(outcome, lines=len(batch))

    def _settle(self, batch: list[Waiting], judged: Judged) -> float:
        accepted = [one for one, verdict in zip(batch, judged.verdicts) if verdict.accepted]
        rejected = [
            (one, verdict.reason, verdict.detail)
            for one, verdict in zip(batch, judged.verdicts)
            if not verdict.accepted and not verdict.wait_s
        ]
        facts = self._facts("")
        if judged.accepted_through is not None:
            facts["accepted_through"] = f"till {batch[0].till}, number {judged.accepted_through}"
        self._store.settle(accepted, rejected, now=self._wall_s(), facts=facts)
        wait_s = max((verdict.wait_s for verdict in judged.verdicts), default=0.0)
        if wait_s and not accepted and not rejected:
            later = Later("429: this till sends more than it may for now", wait_s)
            return self._later(later, lines=len(batch))
        self._failures = 0
        self._lines_max = min(self._lines_max * 2, BATCH_LINES_MAX)
        self.state = State(wait_s=wait_s, clock=self.state.clock)
        return wait_s

    def _part(self, batch: list[Waiting], unfit: Unfit) -> float:
        """Find the line that spoils the whole, by halves; alone it is set aside, and blocks nothing."""
        if len(batch) > 1:
            self._lines_max = len(batch) // 2
            return 0.0
        facts = self._facts("")
        self._store.settle([], [(batch[0], unfit.reason, unfit.detail)], now=self._wall_s(), facts=facts)
        self._lines_max = 2
        return 0.0

    def _later(self, later: Later, *, lines: int) -> float:
        """Wait, and send so many lines again: nobody knows whether the door has them."""
        self._failures += 1
        self._lines_max = max(self._lines_max // 2, LINES_MIN)
        backoff_s = min(WAIT_S_FIRST * 2 ** min(self._failures - 1, DOUBLINGS_MAX), WAIT_S_MAX)
        # What is asked for is waited in full, and a little more each in its own way: a whole town's tills come back at once.
        wait_s = backoff_s * (0.5 + self._jitter() / 2) if later.wait_s is None else later.wait_s + self._jitter()
        # A proxy's words end up on a terminal.
        trouble = plain(later.trouble)[:TROUBLE_CHARS_MAX]
        self.state = State(trouble, wait_s, self.state.clock)
        again = int(self._store.fact("again") or 0) + lines
        self._store.note({**self._facts(trouble), "again": again})
        return wait_s

    def _facts(self, trouble: str) -> dict[str, str | int | float]:
        facts: dict[str, str | int | float] = {"trouble": trouble, "asked_at": self._wall_s()}
        if self.state.clock is not None:
            facts["clock_ahead_s"], facts["clock_within_s"] = self.state.clock
        return facts
