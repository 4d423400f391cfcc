"""What a worker itself says in the log: to a real broker, and to one that is away."""

from __future__ import annotations

import pytest

from schemas.topics import EVENTS
from services.aggregator import opinion_log
from services.aggregator.opinion_log import open_opinion_log
from services.embedded.free_ports import free_port
from services.infra.errors import UnavailableError
from services.infra.kafka import LogRecord, apply_topics
from services.infra.settings import KafkaSettings
from tests.support.chunks import event

pytestmark = pytest.mark.integration

RECORD = LogRecord(
    EVENTS, b"customer:opinion", event("opinion", time="2026-06-01T12:00:00Z", identities=["customer:opinion"])
)
"""A whole event: others read the broker's log too."""


async def test_the_first_word_is_in_the_log_once_it_is_open(kafka_bootstrap: str) -> None:
    settings = KafkaSettings(bootstrap=kafka_bootstrap)
    await apply_topics(settings)
    log = await open_opinion_log(settings)

    refused = await log.append([RECORD])

    await log.close()
    assert not refused


async def test_a_log_that_is_away_refuses_and_hangs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opinion_log, "DEADLINE_S", 0.2)
    log = await open_opinion_log(KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}"))

    with pytest.raises(UnavailableError):
        await log.append([RECORD])

    await log.close()
