"""What the API refuses: counted, and told in the log within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.infra.http.allowance import Allowance, Allowances
from services.infra.http.answer import Answer
from services.infra.logs import get_logger
from services.infra.metrics import API_REFUSALS

log = get_logger(__name__)

LINES: Final = Allowance(per_s=1 / 3, at_once=20)
"""Of one reason: a flood writes twenty lines and then one in three seconds, some 6 MB a day."""

SERVER_ERROR: Final = 500


class Refusals:
    """Counts every refusal by its problem, and tells of some: never of whom, nor with which key."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._lines = Allowances(now_s)
        self._untold: dict[str, int] = {}

    def note(self, answer: Answer) -> None:
        """Take note of an answer; those that refuse nothing are none of ours."""
        problem = answer.problem
        if not problem:
            return
        API_REFUSALS.labels(reason=problem).inc()
        if self._lines.spend(problem, LINES, 1):
            self._untold[problem] = self._untold.get(problem, 0) + 1
            return
        say = log.warning if answer.status >= SERVER_ERROR else log.info
        told = {"because": answer.because} if answer.because else {}
        say("request_refused", reason=problem, status=answer.status, untold=self._untold.pop(problem, 0), **told)
