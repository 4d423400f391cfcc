"""A program: start Postgres and Kafka in the directory named, write and read through both, end both like a crash.

Prints a line of JSON with what was seen, or an error's line with exit code 2.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from pathlib import Path

import asyncpg
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from services.embedded.kafka import EmbeddedKafka
from services.embedded.postgres import EmbeddedPostgres
from services.infra.errors import TactusError

RECORDS = [b"record %d" % number for number in range(200)]


def main() -> None:
    data = Path(sys.argv[1])
    postgres, kafka = EmbeddedPostgres(data), EmbeddedKafka(data / "kafka")
    try:
        postgres.start()
        kafka.start()
        kept = asyncio.run(through_postgres(postgres.dsn))
        records = through_kafka(kafka.bootstrap)
        seen = {"rows": kept, "records": records, "tables": str(postgres.directory), **rights(postgres.pid)}
        sys.stdout.write(f"{json.dumps(seen)}\n")
        kafka.kill()
        postgres.stop()
    except TactusError as error:
        sys.stdout.write(f"{error}\n")
        raise SystemExit(2) from None


async def through_postgres(dsn: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        await connection.execute("INSERT INTO kept VALUES (1)")
        return await connection.fetchval("SELECT count(*) FROM kept")
    finally:
        await connection.close()


def through_kafka(bootstrap: str) -> int:
    """Send what only native code can unpack, to a topic that has it packed anew."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    name = f"packed-{uuid.uuid4().hex}"
    topic = NewTopic(name, 1, 1, config={"compression.type": "zstd", "message.timestamp.type": "LogAppendTime"})
    admin.create_topics([topic])[name].result(60)
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "snappy", "linger.ms": 50})
    for record in RECORDS:
        producer.produce(name, record)
    assert producer.flush(60) == 0
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "once"})
    consumer.assign([TopicPartition(name, 0, 0)])
    values = [record.value() for record in consumer.consume(len(RECORDS), timeout=60)]
    consumer.close()
    assert values == RECORDS
    return len(values)


def rights(pid: int) -> dict[str, str]:
    """Who a process is and which capabilities it holds, as the kernel says it."""
    lines = [line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    status = {words[0].rstrip(":"): words[1] for words in lines if len(words) > 1}
    return {name: status[name] for name in ("Uid", "CapEff", "CapAmb", "CapPrm", "NoNewPrivs")}


if __name__ == "__main__":
    main()
