"""The Faust app: topics, one agent that fills lanes, timeouts. Wiring only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from faust.app.base import BootStrategy
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from yarl import URL

from schemas.topics import DLQ, EVENT_TOPICS, GROUP
from services.aggregator.processor import Processor
from services.aggregator.stream.chunks import ChunkApp, ChunkSchema, positions
from services.aggregator.stream.lanes import Lanes, Work
from services.infra.kafka import encryption
from services.infra.settings import KafkaSettings, Settings

HEARTBEATS_A_SESSION: Final = 5
"""A few may be lost before the group gives a worker up."""

REBALANCE_S: Final = 20.0
"""Four times what a worker takes to settle its chunks; a member that needs longer is left behind."""

REQUEST_S: Final = 40.0
"""Must outlast a rebalance, during which the broker holds the request to join."""

COMMIT_EVERY_S: Final = 1.0
"""The group's offsets feed dashboards only; a second is as fresh as they need to be."""

CHUNKS_WAITING: Final = 2
"""Chunks outside the log beside those that lanes work on: one for each of two cores to turn to without waiting for a
poll, and the memory for records is bounded by the lanes, not by the partitions."""

TOPICS: Final = (*EVENT_TOPICS, DLQ)
"""What the aggregator reads; ingest's dead letters too, which it only copies."""

OpenProcessor = Callable[[], AbstractAsyncContextManager[Processor]]


class ConsumerOnly(BootStrategy):
    """Starts no producer: nothing is written to the log here."""

    enable_kafka_producer = False


class AggregatorApp(ChunkApp):
    """Builds what belongs to the running loop when it starts, and takes it down when it stops."""

    BootStrategy = ConsumerOnly
    open_processor: OpenProcessor
    lane_count: int

    async def on_start(self) -> None:
        self.processor = await self.add_async_context(self.open_processor())
        self.lanes = Lanes(self.processor.process, lanes=self.lane_count, failed=self.fail)
        await super().on_start()

    def unready(self) -> str | None:
        """Why this worker does not work off events, or None when it does."""
        if self.should_stop:
            return "stopping"
        if self.rebalancing:
            return "rebalancing"
        assigned = positions(self)
        if not assigned:
            return "no partitions assigned"
        if None in assigned.values():
            return "partitions not owned yet: waiting for Postgres"
        return None


def credentials(settings: KafkaSettings) -> Credentials | None:
    """Who this worker is to the brokers, and whom it takes for them, in Faust's words."""
    context = encryption(settings)
    if settings.sasl_password is not None:
        return SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password.get_secret_value(),
            mechanism=settings.sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context else None


def create_app(
    settings: Settings, open_processor: OpenProcessor, *, group: str = GROUP, topics: Sequence[str] = TOPICS
) -> AggregatorApp:
    """Make the app; call inside the event loop that will run it."""
    aggregator, session_s = settings.aggregator, settings.aggregator.session_timeout_s
    app = AggregatorApp(
        group,
        broker=[URL(f"kafka://{broker.strip()}") for broker in settings.kafka.bootstrap.split(",")],
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=settings.kafka.partitions,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=aggregator.fetch_bytes,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / HEARTBEATS_A_SESSION,
        broker_rebalance_timeout=max(REBALANCE_S, session_s),
        broker_request_timeout=max(REQUEST_S, 2 * session_s),
        broker_commit_interval=COMMIT_EVERY_S,
        broker_credentials=credentials(settings.kafka),
    )
    app.open_processor = open_processor
    app.lane_count = aggregator.lanes
    app.chunk_events_max = aggregator.chunk_events_max
    app.out_max = aggregator.lanes + CHUNKS_WAITING
    topic = app.topic(*topics, schema=ChunkSchema())

    @app.agent(topic)
    async def fill_lanes(stream: Any) -> None:  # noqa: ANN401 - Faust's StreamT lacks noack
        # Acked by hand, after the chunk's transaction: Faust's own ack would follow this loop.
        async for event in stream.noack().events():
            if event.message.chain.open:
                app.lanes.put(Work(event.value, stored=event.ack))

    return app
