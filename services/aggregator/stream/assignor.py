"""Who reads which partition: every partition has a reader, whatever the group's leader knows of the topics.

The leader hands the partitions out by what it knows. An assignor that leaves out a topic the leader has not heard of
yet (its one question about the topics was lost with a broker) leaves the whole group without work until the leader
asks again, five minutes later; nobody is at fault by then and nothing looks wrong, since a worker may have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

VERSION: Final = 0
"""Of Kafka's own format for what members and leader tell each other."""

Members = Mapping[str, ConsumerProtocolMemberMetadata]


class WholeTopics(AbstractPartitionAssignor):  # type: ignore[misc] # aiokafka is untyped
    """Partition n of every topic goes to the same member, in turn; a person's late events meet the same cache."""

    name = "tactus-whole-topics"

    def __init__(self, *, partitions: int) -> None:
        self._partitions = partitions

    def assign(self, cluster: ClusterMetadata, members: Members) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Hand out the partitions that exist or, of a topic that the leader does not know, those that must."""
        hands: dict[str, list[tuple[str, list[int]]]] = {member: [] for member in members}
        for topic in sorted({topic for told in members.values() for topic in told.subscription}):
            readers = sorted(member for member, told in members.items() if topic in told.subscription)
            parts = sorted(cluster.partitions_for_topic(topic) or range(self._partitions))
            for number, reader in enumerate(readers):
                if mine := parts[number :: len(readers)]:
                    hands[reader].append((topic, mine))
        return {member: ConsumerProtocolMemberAssignment(VERSION, hand, b"") for member, hand in hands.items()}

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What a member tells the leader of itself."""
        return ConsumerProtocolMemberMetadata(VERSION, sorted(topics), b"")

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing is remembered from one assignment to the next, so nothing can go stale."""
