"""A log that is not what it was: the worker says so and goes on only by an operator's word."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from datetime import UTC, datetime
from typing import Final

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.faults.cluster import Cluster, Worker
from tests.faults.storm import run_driver
from tests.faults.watch import Watch, reached
from tests.faults.workload import stamp
from tests.support.places import data_directory
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.e2e]

EVENTS: Final = "cx.touchpoints.v1"
SEED: Final = 7
LOAD: Final = ("--rate", "400", "--events", "1200", "--seconds", "120")
"""Three seconds' load; on a busy machine it takes longer and is still whole."""
CONFIGURATION_EXIT: Final = 2
PROGRESS: Final = "SELECT part, next, start, applied + duplicate + conflict + dead AS counted, lost FROM partition_progress WHERE topic = $1 ORDER BY part"


async def count_all(cluster: Cluster) -> Worker:
    """Start a worker and let it count what there is."""
    worker = cluster.join()
    watch = Watch(bootstrap=cluster.bootstrap, dsn=cluster.dsn)

    async def done() -> bool:
        if worker.process.poll() is not None:
            raise AssertionError(worker.said()[-2000:])
        return await watch.caught_up()

    await eventually(done, what="everything is counted")
    return worker


async def stop(worker: Worker) -> None:
    worker.process.send_signal(signal.SIGTERM)
    assert await worker.ended(within_s=30) == 0


async def refusal(cluster: Cluster) -> list[str]:
    """Start a worker that must refuse; the partitions for which its message asks an operator."""
    worker = cluster.join()
    code = await worker.ended(within_s=60)
    assert code == CONFIGURATION_EXIT, worker.said()[-2000:]
    return re.findall(r"tactus topics accept (\S+/\d+)", worker.said())


async def accept(cluster: Cluster, partitions: list[str]) -> None:
    done = await cluster.tactus("topics", "accept", *partitions, "--data", str(cluster.data))
    assert done.returncode == 0, done.stdout + done.stderr


async def make_anew(cluster: Cluster) -> None:
    """Delete the topic and create it as the product does."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 3})
    await asyncio.to_thread(admin.delete_topics([EVENTS])[EVENTS].result, 30)

    async def gone() -> bool:
        return EVENTS not in (await asyncio.to_thread(admin.list_topics, timeout=10)).topics

    await eventually(gone, what="the topic is gone")
    done = await cluster.tactus("topics", "apply")
    assert done.returncode == 0, done.stdout + done.stderr


async def test_a_topic_made_anew_is_refused_until_an_operator_accepts_it() -> None:
    with data_directory() as folder:
        async with Cluster(folder, workers=0) as cluster:
            await run_driver(cluster, ledger=folder / "first.jsonl", seed=SEED, options=LOAD)
            await stop(await count_all(cluster))
            before = await cluster.query(PROGRESS, EVENTS)
            tallied = await cluster.query("SELECT sum(n) AS n FROM tally")

            await make_anew(cluster)
            named = await refusal(cluster)

            assert await cluster.query(PROGRESS, EVENTS) == before
            assert sorted(named) == [f"{EVENTS}/{row['part']}" for row in before if row["next"] > 0]
            await accept(cluster, named)
            await run_driver(cluster, ledger=folder / "second.jsonl", seed=SEED + 1, options=LOAD)
            await stop(await count_all(cluster))
            after = await cluster.query(PROGRESS, EVENTS)
            assert all(row["counted"] + row["lost"] == row["next"] - row["start"] for row in after)
            assert (await cluster.query("SELECT sum(n) AS n FROM tally"))[0]["n"] > tallied[0]["n"]


async def test_a_topic_made_anew_that_has_outgrown_the_position_is_refused_and_then_counted_whole() -> None:
    with data_directory() as folder:
        async with Cluster(folder, workers=0) as cluster:
            await run_driver(cluster, ledger=folder / "first.jsonl", seed=SEED, options=LOAD)
            await stop(await count_all(cluster))
            before = await cluster.query(PROGRESS, EVENTS)
            tallied = (await cluster.query("SELECT sum(n) AS n FROM tally"))[0]["n"]

            await make_anew(cluster)
            for seed in (SEED + 1, SEED + 2):
                await run_driver(cluster, ledger=folder / f"{seed}.jsonl", seed=seed, options=LOAD)
            watch = Watch(bootstrap=cluster.bootstrap, dsn=cluster.dsn)
            assert await watch.sample()
            assert all(watch.ends[EVENTS, row["part"]] > row["next"] for row in before), "the log has outgrown it"
            named = await refusal(cluster)

            assert await cluster.query(PROGRESS, EVENTS) == before
            assert sorted(named) == [f"{EVENTS}/{row['part']}" for row in before if row["next"] > 0]
            await accept(cluster, named)
            await stop(await count_all(cluster))
            after = await cluster.query(PROGRESS, EVENTS)
            assert {row["part"]: row["next"] for row in after} == {
                part: end for (topic, part), end in watch.ends.items() if topic == EVENTS
            }
            assert all(row["counted"] == row["next"] - row["start"] for row in after)
            assert (await cluster.query("SELECT sum(n) AS n FROM tally"))[0]["n"] >= 2 * tallied


def in_transactions(bootstrap: str, values: dict[str, bool]) -> None:
    """Append events as another producer would, each in a transaction that is committed or aborted."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "other", "log_level": 3})
    producer.init_transactions(30)
    for name, committed in values.items():
        producer.begin_transaction()
        producer.produce(EVENTS, written(name), key=b"customer:c-1", partition=0)
        producer.flush(30)
        if committed:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)


def written(name: str) -> bytes:
    """An event as ingest writes it."""
    at = stamp(datetime.now(UTC))
    identities = [{"kind": "customer", "value": "c-1"}]
    data = {"touchpoint": "order.completed", "channel": "web", "identities": identities}
    head = {"specversion": "1.0", "type": "tactus.touchpoint.v1", "datacontenttype": "application/json"}
    facts = {"id": name, "source": "other", "time": at, "receivedat": at, "subject": "customer:c-1", "data": data}
    return json.dumps(head | facts).encode()


async def test_offsets_without_a_record_stop_no_worker_and_count_as_nothing() -> None:
    with data_directory() as folder:
        async with Cluster(folder, workers=0) as cluster:
            worker = await count_all(cluster)
            wanted = {"kept-1": True, "dropped-1": False, "kept-2": True, "dropped-2": False}
            await asyncio.to_thread(in_transactions, cluster.bootstrap, wanted)

            watch = Watch(bootstrap=cluster.bootstrap, dsn=cluster.dsn)
            await eventually(watch.caught_up, what="the worker has passed the markers")
            await stop(worker)
            (row,) = await cluster.query(
                "SELECT next, applied, dead, skipped FROM partition_progress WHERE topic = $1 AND part = 0", EVENTS
            )
            events = await cluster.query("SELECT event_id FROM touchpoint ORDER BY event_id")
            doctor = await cluster.tactus("doctor", "--data", str(folder))

    assert [event["event_id"] for event in events] == ["kept-1", "kept-2"]
    assert (row["applied"], row["dead"], row["skipped"]) == (2, 0, row["next"] - 2)
    assert row["next"] == 8, "four records and four markers"
    assert "conservation" in doctor.stdout
    assert "≠" not in doctor.stdout, doctor.stdout


async def delete_before(cluster: Cluster, offsets: dict[int, int]) -> None:
    """What retention does, at a moment of our choosing."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 3})
    marks = [TopicPartition(EVENTS, part, offset) for part, offset in offsets.items()]

    def run() -> None:
        for done in admin.delete_records(marks).values():
            done.result(30)

    await asyncio.to_thread(run)


async def test_what_retention_removed_is_counted_exactly_and_accepted_by_an_operator() -> None:
    with data_directory() as folder:
        async with Cluster(folder, workers=0) as cluster:
            await run_driver(cluster, ledger=folder / "first.jsonl", seed=SEED, options=LOAD)
            await stop(await count_all(cluster))
            await run_driver(cluster, ledger=folder / "second.jsonl", seed=SEED + 1, options=LOAD)
            watch = Watch(bootstrap=cluster.bootstrap, dsn=cluster.dsn)
            assert await watch.sample()
            assert not reached(watch.next, watch.ends)
            behind = {
                part: (watch.next[topic, part], end)
                for (topic, part), end in watch.ends.items()
                if topic == EVENTS and end - watch.next[topic, part] >= 4
            }
            assert len(behind) >= 2

            await delete_before(cluster, {part: next_ + 2 for part, (next_, _) in behind.items()})
            named = await refusal(cluster)
            noted = {row["part"]: row["lost"] for row in await cluster.query(PROGRESS, EVENTS)}

            assert sorted(named) == [f"{EVENTS}/{part}" for part in sorted(behind)]
            assert {part: lost for part, lost in noted.items() if lost} == dict.fromkeys(behind, 2)
            assert await refusal(cluster) == named, "asking again changes nothing"

            # Retention goes on while the operator thinks; what is accepted is what is gone by then.
            await delete_before(cluster, {part: next_ + 3 for part, (next_, _) in behind.items()})
            await accept(cluster, named)
            await stop(await count_all(cluster))
            after = await cluster.query(PROGRESS, EVENTS)
            assert {row["part"]: row["lost"] for row in after if row["lost"]} == dict.fromkeys(behind, 3)
            assert all(row["counted"] + row["lost"] == row["next"] - row["start"] for row in after)
