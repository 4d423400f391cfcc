from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.stream.chain import OUT_MAX, Chain

lengths = st.lists(st.integers(min_value=1, max_value=7000), min_size=1, max_size=12)


@given(start=st.integers(min_value=0, max_value=2**53), lengths=lengths, order=st.randoms(use_true_random=False))
def test_acks_in_any_order_never_commit_past_a_chunk_that_is_out(start: int, lengths: list[int], order: object) -> None:
    chain = Chain(start)
    spans: list[tuple[int, int]] = []
    for length in lengths:
        last = chain.next + length - 1
        spans.append((chain.hand_out(last=last), last))
    out = list(spans)
    order.shuffle(out)  # type: ignore[attr-defined] # Hypothesis types its Random as object

    while out:
        _, last = out.pop()
        chain.take_back(last=last)

        oldest_out = min((first for first, _ in out), default=spans[-1][1] + 1)
        assert chain.done == oldest_out
        assert chain.out == len([first for first, _ in spans if first >= oldest_out])


@given(start=st.integers(min_value=0, max_value=2**53), lengths=lengths)
def test_chunks_follow_each_other_without_gap_or_overlap(start: int, lengths: list[int]) -> None:
    chain, expected = Chain(start), start

    for length in lengths:
        first = chain.hand_out(last=expected + length - 1)

        assert first == expected
        expected += length
        assert chain.next == expected
    assert chain.done == start


def test_a_hole_in_the_log_belongs_to_the_chunk_that_follows_it() -> None:
    chain = Chain(100)

    first = chain.hand_out(last=259)  # retention removed 100 to 249: the run begins at 250

    assert first == 100
    assert chain.next == 260


def test_a_partition_has_at_most_two_chunks_out() -> None:
    chain = Chain(0)

    for last in range(OUT_MAX):
        assert chain.has_room
        chain.hand_out(last=last)

    assert not chain.has_room
    chain.take_back(last=0)
    assert chain.has_room


def test_a_closed_chain_hands_out_nothing_but_still_takes_back() -> None:
    chain = Chain(10)
    chain.hand_out(last=19)

    chain.open = False

    assert not chain.has_room
    chain.take_back(last=19)
    assert chain.done == 20
