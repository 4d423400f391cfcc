"""The earlier outcomes, from which is learned, and the later ones, by which it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.commands.outcomes import Outcome
from services.core.instants import write_instant
from services.infra.errors import ConfigurationError

Bools = NDArray[np.bool_]

EARLIER_SHARE: Final = 0.7
"""Of the outcomes; what is left tells a difference of some hundredths from chance."""

KIND_LEAST: Final = 20
"""So many of a kind must be on each side: of fewer an AUC says nothing."""


class Split(NamedTuple):
    """A moment, and which of the outcomes lie before it."""

    cut: datetime
    earlier: Bools

    @property
    def later(self) -> Bools:
        """The outcomes at the moment and after it."""
        return ~self.earlier


def split(outcomes: Sequence[Outcome]) -> Split:
    """Cut where the later three tenths begin; raises ConfigurationError when a side has too few of a kind."""
    moments = sorted(outcome.at for outcome in outcomes)
    cut = moments[min(int(len(moments) * EARLIER_SHARE), len(moments) - 1)]
    earlier = np.array([outcome.at < cut for outcome in outcomes], dtype=np.bool_)
    bad = np.array([outcome.bad for outcome in outcomes], dtype=np.bool_)
    for side, when in ((earlier, "before"), (~earlier, "from")):
        for kind, word in ((bad, "bad"), (~bad, "good")):
            count = int((side & kind).sum())
            if count < KIND_LEAST:
                raise ConfigurationError(
                    f"{when} {write_instant(cut)}, where learning and judging part, {count} outcomes are {word}, and "
                    f"{KIND_LEAST} are needed; add outcomes, or outcomes of a longer time"
                )
    return Split(cut, earlier)


def within(outcomes: Sequence[Outcome], chosen: Bools) -> Bools:
    """Cut the chosen outcomes once more by time: which of them come first, to try what the others of them say."""
    moments = np.array([outcome.at.timestamp() for outcome in outcomes])
    mine = np.sort(moments[chosen])
    first: Bools = chosen & (moments < mine[min(int(len(mine) * EARLIER_SHARE), len(mine) - 1)])
    return first
