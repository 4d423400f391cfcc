"""The till's agent against the real door: whatever happens to the line, the till or the agent, each line counts once."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas.topics import EVENTS
from tests.support.independent_log import read_log
from tests.support.ingestprocess import IngestProcess
from tests.support.senders import ANONYMOUS_KEY, SERVER_KEY
from tests.support.tillagent import ENDED_S, TillAgent
from tests.support.unreliable import Trouble, UnreliableWay, unreliable_way
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("TILL_KILLS", "20"))
"""Enough to meet the start, reading, a commit and a request; a hundred take minutes."""


def line(number: int) -> bytes:
    """A sale to one member: so all stand in one partition, in whose order they can be looked at."""
    member = [{"kind": "loyalty", "value": "L7"}]
    said = {"seq": number, "day": "2026-03-01", "identities": member, "properties": {"total": number / 100}}
    return json.dumps(said).encode() + b"\n"


def logged(bootstrap: str, till: str) -> list[int]:
    """The numbers of a till's lines in the log: each once, in the order in which it first came."""
    records = [json.loads(one.value or b"{}") for one in read_log(bootstrap, EVENTS)]
    mine = [record for record in records if record["source"] == f"shop/042/{till}"]
    bodies: dict[str, object] = {}
    for record in mine:
        # What was sent again is the same event: the same id, saying the same.
        assert bodies.setdefault(record["id"], record["data"]) == record["data"]
    return [int(one.split("/")[1]) for one in bodies]


@pytest.fixture
def way(ingest: IngestProcess) -> Iterator[UnreliableWay]:
    with unreliable_way(ingest.url) as made:
        yield made


@pytest.fixture
def till(request: pytest.FixtureRequest) -> str:
    """A till of the test's own."""
    return f"t{abs(hash(request.node.name)) % 10**9}"


@pytest.fixture
def agent(tmp_path: Path, way: UnreliableWay, till: str) -> TillAgent:
    return TillAgent.install(tmp_path / "till", way.url, SERVER_KEY, till=till)


def troubles(dice: random.Random, count: int) -> list[Trouble]:
    kinds: list[Trouble] = ["503", "429", "lost"]
    return [dice.choice(kinds) for _ in range(count)]


def seeded() -> random.Random:
    seed = random.randrange(10**9)
    print(f"seed {seed}")  # noqa: T201 - with which a failure comes again
    return random.Random(seed)


def test_killed_at_any_moment_while_files_come_and_the_line_breaks_each_line_counts_once_and_in_order(
    agent: TillAgent, way: UnreliableWay, till: str, topics_bootstrap: str
) -> None:
    dice = seeded()
    files = {f"{name}.ndjson": [line(name * 100 + number) for number in range(100)] for name in range(4)}
    unwritten = [(name, b"".join(lines)) for name, lines in files.items()]
    way.troubles.extend(troubles(dice, KILLS))

    for _ in range(KILLS):
        with agent.running() as running:
            for _ in range(dice.randrange(3)):
                unwritten = write_some(agent, unwritten, dice)
                time.sleep(dice.random() / 3)  # the moment of the kill is what chance decides, nothing else
            running.kill()
    while unwritten:
        unwritten = write_some(agent, unwritten, dice)
    way.troubles.clear()

    assert agent.once() == 0
    assert logged(topics_bootstrap, till) == list(range(400))
    status = agent.status()
    assert (status["waiting"], status["aside"], status["unended"]) == (0, 0, [])


def write_some(agent: TillAgent, unwritten: list[tuple[str, bytes]], dice: random.Random) -> list[tuple[str, bytes]]:
    """Write a part of the first file, anywhere within a line or at its end; return what is left."""
    if not unwritten:
        return []
    (name, rest), *others = unwritten
    cut = dice.randrange(1, 80_000 // KILLS)
    with (agent.journal / name).open("ab") as file:
        file.write(rest[:cut])
    return [(name, rest[cut:]), *others] if rest[cut:] else others


def test_killed_while_it_reads_standard_input_what_it_acknowledged_is_kept_and_the_rest_said_again(
    agent: TillAgent, way: UnreliableWay, till: str, topics_bootstrap: str
) -> None:
    dice = seeded()
    lines = [line(number) for number in range(300)]
    way.troubles.extend(troubles(dice, 3))

    said = 0
    for _ in range(KILLS // 2):
        with agent.running("--acknowledge", takes="-") as running:
            assert running.stdin is not None
            running.stdin.write(b"".join(lines[said : said + 25])[: dice.randrange(1, 40_000 // KILLS)])
            running.stdin.flush()
            time.sleep(dice.random())
            running.kill()
            assert running.stdout is not None
            acknowledged = running.stdout.read().splitlines()
        said += int(acknowledged[-1].split()[1]) if acknowledged else 0
    with agent.running("--acknowledge", takes="-") as running:
        running.communicate(b"".join(lines[said:]), timeout=ENDED_S)

    assert running.returncode == 0
    assert logged(topics_bootstrap, till) == list(range(300))
    assert agent.status()["aside"] == 0


def test_while_the_line_is_away_lines_wait_and_go_out_in_order_when_it_is_back(
    agent: TillAgent, way: UnreliableWay, till: str, topics_bootstrap: str
) -> None:
    way.troubles.extend(["503", "429", "lost", "503"])
    (agent.journal / "a.ndjson").write_bytes(b"".join(map(line, range(600))))

    with agent.running() as running:
        wait_until(lambda: len(way.met) >= 2, what="the line is away")
        waiting = agent.status()
        (agent.journal / "b.ndjson").write_bytes(b"".join(map(line, range(600, 700))))
        agent.wait_sent(700)
        running.send_signal(signal.SIGTERM)
        code = running.wait(ENDED_S)

    assert code == 0
    assert way.met == ["503", "429", "lost", "503"]
    assert waiting["waiting"] == 600
    assert waiting["trouble"]
    assert logged(topics_bootstrap, till) == list(range(700))
    assert {status for _, status in way.statuses} == {202}
    assert "all is sent" in agent.log()


def test_ctrl_c_loses_nothing(agent: TillAgent, till: str, topics_bootstrap: str) -> None:
    away = TillAgent(agent.home, "http://127.0.0.1:1", till=till)
    with away.running("--acknowledge", takes="-") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(b"".join(map(line, range(50))) + line(50).strip())
        running.stdin.flush()
        wait_until(lambda: agent.status()["waiting"] == 50, what="50 lines wait")
        running.send_signal(signal.SIGINT)
        code = running.wait(ENDED_S)

    assert code == 0
    assert "51 lines wait" in agent.log()
    assert agent.once() == 0
    assert logged(topics_bootstrap, till) == list(range(51))


def test_a_bad_line_is_set_aside_with_the_door_s_reason_and_blocks_no_other(
    agent: TillAgent, till: str, topics_bootstrap: str
) -> None:
    bad = b'{"seq": 2, "day": "2026-03-01", "type": "gift"}\n'
    (agent.journal / "a.ndjson").write_bytes(line(1) + bad + line(3) + b"{broken\n" + line(4))

    assert agent.once() == 0

    assert logged(topics_bootstrap, till) == [1, 3, 4]
    assert [(one["reason"], "type" in one["detail"]) for one in agent.aside()] == [
        ("malformed-json", False),
        ("invalid-event", True),
    ]
    assert agent.status()["accepted_through"] == f"till {till}, number 4"


def test_a_wrong_key_says_what_to_do_and_a_mended_one_is_taken_as_it_runs(
    agent: TillAgent, till: str, topics_bootstrap: str
) -> None:
    agent.give_key("nobody")
    (agent.journal / "a.ndjson").write_bytes(line(1))

    with agent.running() as running:
        agent.wait_for("tactus keys add")
        agent.give_key(ANONYMOUS_KEY)
        agent.wait_for("this key may not send for tills")
        agent.give_key(SERVER_KEY)
        agent.wait_sent(1)
        running.terminate()

    assert logged(topics_bootstrap, till) == [1]


def test_the_key_may_stand_in_the_environment(agent: TillAgent, till: str, topics_bootstrap: str) -> None:
    (agent.journal / "a.ndjson").write_bytes(line(1))
    (agent.home / "till.key").unlink()

    with agent.running("--once", environment={"TACTUS_TILL_KEY": SERVER_KEY}) as running:
        assert running.wait(ENDED_S) == 0

    assert logged(topics_bootstrap, till) == [1]


def test_a_second_agent_of_a_folder_is_refused_in_one_line(agent: TillAgent) -> None:
    with agent.running() as running:
        wait_until(lambda: agent.status()["running"], what="the first agent says so")
        before = agent.log()
        second = agent.once()
        said = agent.log().removeprefix(before)
        running.terminate()

    assert second == 2
    assert said.count("\n") == 1
    assert "another agent runs" in said


def test_a_store_s_documents_become_lines_of_each_till(
    tmp_path: Path, way: UnreliableWay, till: str, topics_bootstrap: str
) -> None:
    agent = TillAgent.install(tmp_path / "store", way.url, SERVER_KEY, till=None)
    at = datetime.now(UTC).replace(microsecond=0)
    day, local = at.date(), at.astimezone(ZoneInfo("Europe/Warsaw")).replace(tzinfo=None)
    transactions = "".join(
        f"<Transaction {flags}><RetailStoreID>042</RetailStoreID><WorkstationID>{till}-{workstation}</WorkstationID>"
        f"<SequenceNumber>{number}</SequenceNumber><BusinessDayDate>{day}</BusinessDayDate>"
        f"<EndDateTime>{local.isoformat()}</EndDateTime><RetailTransaction>{item}<LoyaltyID>L7</LoyaltyID>"
        "</RetailTransaction></Transaction>"
        for workstation, number, flags, item in [
            (1, 1, "", "<LineItem><Sale/></LineItem>"),
            (1, 2, 'TrainingModeFlag="true"', "<LineItem><Sale/></LineItem>"),
            (2, 1, "", "<LineItem><Return/></LineItem>"),
            (1, 3, 'CancelFlag="true"', "<LineItem><Sale/></LineItem>"),
        ]
    )
    (agent.journal / "day.xml").write_text(f"<POSLog>{transactions}</POSLog>")

    assert agent.once("--zone", "Europe/Warsaw") == 0

    records = [json.loads(one.value or b"{}") for one in read_log(topics_bootstrap, EVENTS)]
    mine = [one for one in records if one["source"].startswith(f"shop/042/{till}-")]
    told = {(one["source"][-1], one["id"]): (one["data"]["touchpoint"], one["data"].get("class")) for one in mine}
    assert told == {
        ("1", f"{day}/1"): ("pos.sale_completed", None),
        ("1", f"{day}/2"): ("pos.sale_completed", "training"),
        ("2", f"{day}/1"): ("pos.return_processed", None),
        ("1", f"{day}/3"): ("pos.sale_completed", "void"),
    }
    assert {datetime.fromisoformat(one["time"]) for one in mine} == {at}


def test_more_than_a_door_takes_at_once_goes_out_in_batches_within_its_limits(
    agent: TillAgent, way: UnreliableWay, till: str, topics_bootstrap: str
) -> None:
    long = [
        json.dumps({"seq": number, "day": "2026-03-01", "properties": {"noise": random.randbytes(8000).hex()}}).encode()
        for number in range(120)
    ]
    (agent.journal / "a.ndjson").write_bytes(b"\n".join(long) + b"\n")

    assert agent.once() == 0

    assert sorted(logged(topics_bootstrap, till)) == list(range(120))
    assert [status for _, status in way.statuses] == [202, 202]


def test_a_full_store_takes_nothing_more_until_some_is_sent_and_loses_nothing(
    agent: TillAgent, till: str, topics_bootstrap: str
) -> None:
    padding = "x" * 1000
    lines = [
        json.dumps({"seq": number, "day": "2026-03-01", "properties": {"padding": padding}}).encode() + b"\n"
        for number in range(3000)
    ]
    for part in range(3):
        (agent.journal / f"{part}.ndjson").write_bytes(b"".join(lines[part * 1000 : part * 1000 + 1000]))
    away = TillAgent(agent.home, "http://127.0.0.1:1", till=till)

    with away.running("--limit-mib", "1") as running:
        agent.wait_for("nothing more is taken")
        status = agent.status()
        running.kill()
    full = agent.status()

    assert status["full"]
    assert 1000 <= full["waiting"] < 2000
    assert agent.once("--limit-mib", "1") == 0
    assert sorted(logged(topics_bootstrap, till)) == list(range(3000))
