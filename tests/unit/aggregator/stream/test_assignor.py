from __future__ import annotations

from collections.abc import Mapping

from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.stream.assignor import WholeTopics

TOPICS = ("dlq", "events", "late")
PARTITIONS = 8


class Known:
    """What a leader knows of the topics."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        count = self._partitions.get(topic)
        return None if count is None else set(range(count))


def hands(known: Mapping[str, int], subscriptions: Mapping[str, tuple[str, ...]]) -> dict[str, set[tuple[str, int]]]:
    """What each member is handed."""
    assignor = WholeTopics(partitions=PARTITIONS)
    members = {member: assignor.metadata(topics) for member, topics in subscriptions.items()}
    found = assignor.assign(Known(known), members)
    return {
        member: {(topic, part) for topic, parts in assignment.assignment for part in parts}
        for member, assignment in found.items()
    }


@given(
    known=st.dictionaries(st.sampled_from(TOPICS), st.just(PARTITIONS)),
    members=st.sets(st.uuids().map(str), min_size=1, max_size=12),
)
def test_every_partition_has_one_reader_whatever_the_leader_knows(known: dict[str, int], members: set[str]) -> None:
    found = hands(known, dict.fromkeys(members, TOPICS))

    everything = [one for hand in found.values() for one in hand]
    assert sorted(everything) == [(topic, part) for topic in TOPICS for part in range(PARTITIONS)]
    assert set(found) == members


@given(members=st.sets(st.uuids().map(str), min_size=1, max_size=12))
def test_a_partition_s_number_is_read_by_one_member_in_all_topics_and_the_load_is_even(members: set[str]) -> None:
    found = hands(dict.fromkeys(TOPICS, PARTITIONS), dict.fromkeys(members, TOPICS))

    numbers = {member: {part for _, part in hand} for member, hand in found.items()}
    assert all(len(found[member]) == len(TOPICS) * len(numbers[member]) for member in members)
    sizes = [len(mine) for mine in numbers.values()]
    assert max(sizes) - min(sizes) <= 1


def test_what_the_leader_knows_counts_more_than_what_it_was_set_to() -> None:
    assert len(hands({"events": 12}, {"a": ("events",)})["a"]) == 12


def test_a_member_is_handed_nothing_that_it_did_not_ask_for() -> None:
    found = hands({}, {"of yesterday": ("events",), "of today": ("events", "late")})

    assert {topic for topic, _ in found["of yesterday"]} == {"events"}
    assert {part for topic, part in found["of today"] if topic == "late"} == set(range(PARTITIONS))


def test_what_a_member_tells_of_itself_is_kafkas_own_format() -> None:
    told = WholeTopics(partitions=PARTITIONS).metadata({"late", "events"})

    assert ConsumerProtocolMemberMetadata.decode(told.encode()).subscription == ["events", "late"]
