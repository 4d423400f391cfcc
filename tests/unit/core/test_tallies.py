"""What the columns promise beside the laws: exact numbers, order, limits."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.tallies import BEST, NEG, NEG2, POS, POS2, WIDTH, WORST, N, Q, Tallies, fold, merge
from tests.reference.scoring import MICRO, count


def folded(*impressions: tuple[int, int, int, int, int]) -> Tallies:
    owner, leaf, hour, v, q = np.array(impressions, dtype=np.int64).reshape(-1, 5).T
    return fold(owner=owner, leaf=leaf, hour=hour, v=v, q=q)


def test_impressions_of_one_key_become_one_row_of_exact_sums() -> None:
    tallies = folded((0, 3, 9, 333_333, MICRO), (0, 3, 9, -999_999, 1_500_001), (0, 3, 9, MICRO, 0))

    row = tallies.rows[0]
    assert len(tallies.rows) == 1
    assert row.tolist() == [3, 9, 3, 2_500_001, 333_333, 1_499_999, 111_110, 1_499_997, 333_333, 999_999]
    assert [*range(2, 10)] == [N, Q, POS, NEG, POS2, NEG2, BEST, WORST]


def test_products_round_down_one_after_the_other() -> None:
    """A different grouping of the three factors gives other integers: two programs that differ here never agree."""
    for v, q, squared in ((1_001, 999_999, 0), (999_999, 2 * MICRO, 1_999_996)):
        tally = [0] * 8
        count(tally, v, q)
        assert tally[4] == folded((0, 0, 0, v, q)).rows[0, POS2] == squared


def test_rows_are_sorted_by_owner_leaf_and_hour() -> None:
    keys = [(1, 0, 5), (0, 2, 1), (0, 1, 9), (1, 0, 4), (0, 1, 8)]

    tallies = folded(*((*key, 0, MICRO) for key in keys))

    found = [(int(o), int(r[0]), int(r[1])) for o, r in zip(tallies.owner, tallies.rows, strict=True)]
    assert found == sorted(keys)


def test_merging_leaves_its_parts_as_they_were() -> None:
    one, other = folded((0, 1, 2, MICRO, MICRO)), folded((0, 1, 2, -MICRO, MICRO))
    before = one.rows.copy(), other.rows.copy()

    merged = merge([one, other])

    assert merged.rows[0, N] == 2
    assert (one.rows == before[0]).all()
    assert (other.rows == before[1]).all()


def test_nothing_merges_to_nothing() -> None:
    for nothing in (merge([]), merge([folded(), folded()])):
        assert nothing.owner.shape == (0,)
        assert nothing.rows.shape == (0, WIDTH)


def test_the_largest_key_is_kept_apart_from_its_neighbours() -> None:
    most = (2**20 - 1, 2**23 - 1, 2**20 - 1)
    neighbours = [most, (most[0] - 1, *most[1:]), (most[0], most[1] - 1, most[2]), (*most[:2], most[2] - 1)]

    tallies = folded(*((*key, MICRO, MICRO) for key in neighbours))

    assert len(tallies.rows) == 4
    assert tallies.owner[-1] == most[0]
    assert tallies.rows[-1, :2].tolist() == [most[1], most[2]]


def test_no_number_of_a_leaf_is_too_large() -> None:
    leaves = [2**31 - 1, 2**23, 7, 2**23 - 1, 2**30]

    tallies = folded(*((owner, leaf, 5, MICRO, MICRO) for owner in (1, 0) for leaf in [*leaves, 2**23]))
    again = merge([tallies, tallies])

    assert tallies.owner.tolist() == [0] * 5 + [1] * 5
    assert tallies.rows[:, 0].tolist() == sorted(leaves) * 2
    assert tallies.rows[:5, N].tolist() == [1, 1, 2, 1, 1]
    assert again.rows[:5, N].tolist() == [2, 2, 4, 2, 2]


@pytest.mark.parametrize("key", [(2**20, 0, 0), (0, 0, 2**20), (-1, 0, 0), (0, -1, 0), (0, 0, -1)])
def test_a_key_past_its_limit_is_an_error_not_a_collision(key: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="20 bits of owner, 23 of different leaves and 20 of hour"):
        folded((0, 0, 0, 0, 0), (*key, 0, 0))


def test_a_busy_hour_does_not_overflow() -> None:
    busy = folded(*[(0, 0, 0, MICRO, 2 * MICRO)] * 1000)

    for _ in range(20):
        busy = merge([busy, busy])

    assert busy.rows[0, N] == 1000 * 2**20
    assert busy.rows[0, POS] == 2 * MICRO * 1000 * 2**20
