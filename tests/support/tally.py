"""One tally as plain numbers: what the columns of the core must agree with."""

from __future__ import annotations

from typing import Final, NamedTuple

MICRO: Final = 1_000_000


def product(a_micro: int, b_micro: int) -> int:
    """Multiply two micro-unit numbers, rounding down: part of the definition, so that all programs agree."""
    return a_micro * b_micro // MICRO


class Tally(NamedTuple):
    """Counted experience: how much was seen, how good, how bad, and the peaks of each; all in micro-units but n."""

    n: int
    q: int
    pos: int
    neg: int
    pos2: int
    neg2: int
    best: int
    worst: int

    @classmethod
    def of(cls, *, v_micro: int, q_micro: int) -> Tally:
        """Count one impression. A stake of zero counts in n and nowhere else."""
        good = max(v_micro, 0)
        bad = max(-v_micro, 0)
        return cls(
            n=1,
            q=q_micro,
            pos=product(q_micro, good),
            neg=product(q_micro, bad),
            pos2=product(q_micro, product(good, good)),
            neg2=product(q_micro, product(bad, bad)),
            best=good if q_micro > 0 else 0,
            worst=bad if q_micro > 0 else 0,
        )

    def merge(self, other: Tally) -> Tally:
        """Add two tallies: associative, commutative, and ZERO changes nothing."""
        return Tally(
            n=self.n + other.n,
            q=self.q + other.q,
            pos=self.pos + other.pos,
            neg=self.neg + other.neg,
            pos2=self.pos2 + other.pos2,
            neg2=self.neg2 + other.neg2,
            best=max(self.best, other.best),
            worst=max(self.worst, other.worst),
        )


ZERO: Final = Tally(n=0, q=0, pos=0, neg=0, pos2=0, neg2=0, best=0, worst=0)
"""The tally of nothing."""
