"""One storm: load, faults by the nemesis, quiet, and the oracle's judgement.

FAULT_SEED repeats a run's schedule; FAULT_SCALE multiplies its counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.faults.cluster import Cluster
from tests.faults.ledger import read_ledger
from tests.faults.nemesis import ROLES, WORKERS, Fault, Nemesis, schedule
from tests.faults.watch import Watch, percentiles
from tests.support.counts import chosen_scale, chosen_seed
from tests.support.places import disk_directory
from tests.support.waiting import eventually

ROOT: Final = Path(__file__).parents[2]
RATE: Final = 300.0
"""Events a second: leaves two cores room for restarting virtual machines."""
POISON_EVERY_S: Final = 0.7
QUIET_S: Final = 30.0
"""So long after the last blow everything must be counted: a session of 6 s, a broker's or a worker's start on a machine
with three times too much to do (10 s), and what was logged meanwhile. Longer is a failure of liveness."""
GIVE_UP_S: Final = 180.0
"""A storm that failed its bound is watched on for so long, to tell what is slow from what stands still."""
DRIVE_S: Final = 180.0
"""Twice what a driver allows itself for outcomes that are unknown."""
STORM_S: Final = 1200.0
"""A bound for the load, should the schedule hang."""


async def start_driver(
    cluster: Cluster, *, ledger: Path, seed: int, options: tuple[str, ...]
) -> asyncio.subprocess.Process:
    """Load in a process of its own."""
    connection = cluster.connection
    command = ["-m", "tests.faults.driver", "--ingest", connection["ingest"], "--key", connection["keys"]["server"]]
    where = ["--bootstrap", connection["kafka"], "--ledger", str(ledger), "--seed", str(seed)]
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, *where, *options, cwd=ROOT, stdout=subprocess.PIPE
    )


async def run_driver(cluster: Cluster, *, ledger: Path, seed: int, options: tuple[str, ...]) -> dict[str, int]:
    """A whole load; what the driver counted."""
    driver = await start_driver(cluster, ledger=ledger, seed=seed, options=options)
    output, _ = await asyncio.wait_for(driver.communicate(), DRIVE_S)
    counts: dict[str, int] = json.loads(output)
    return counts


async def ask_oracle(cluster: Cluster, *, ledger: Path | None) -> dict[str, Any]:
    """The oracle's report; raises when it could not judge."""
    command = [
        str(ROOT / "tests/faults/oracle.py"),
        "--json",
        "--bootstrap",
        cluster.bootstrap,
        "--postgres",
        cluster.dsn,
    ]
    options = ["--ledger", str(ledger)] if ledger else []
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, *options, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode not in (0, 1):
        raise RuntimeError(errors.decode())
    report: dict[str, Any] = json.loads(output)
    if bool(report["violations"]) != bool(process.returncode):
        raise RuntimeError("the oracle's exit code contradicts its report")
    return report


def complaints(report: dict[str, Any]) -> dict[str, tuple[int, list[str]]]:
    """The oracle's violations by kind, with examples; empty when there are none."""
    return {kind: (count, report["examples"][kind]) for kind, count in report["by_kind"].items() if count}


async def storm(cluster: Cluster, *, seed: int, scale: float) -> dict[str, Any]:
    """Load, faults, quiet, judgement; the report."""
    sys.stderr.write(f"storm: FAULT_SEED={seed} FAULT_SCALE={scale:g} at {_commit()}\n")
    dice = random.Random(seed)
    ledger = cluster.data / "ledger.jsonl"
    watch = Watch(bootstrap=cluster.bootstrap, dsn=cluster.dsn)
    nemesis = Nemesis(cluster, dice=dice, watch=watch)
    started = time.monotonic()
    options = ("--rate", str(RATE), "--seconds", str(STORM_S), "--poison-every", str(POISON_EVERY_S))
    driver = await start_driver(cluster, ledger=ledger, seed=seed, options=options)
    watching = asyncio.create_task(watch.run())
    try:
        await nemesis.rage(schedule(dice=dice, scale=scale))
        storm_s = time.monotonic() - started
        driver.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(driver.communicate(), DRIVE_S)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        if driver.returncode is None:
            driver.kill()
    recovered_s = await all_counted(cluster, watch, since=nemesis.last_blow)
    kills = sum(nemesis.done[fault] for fault in ROLES)
    return {
        "seed": seed,
        "scale": scale,
        "commit": _commit(),
        "faults": dict(nemesis.done),
        "kills": kills,
        "cut_transactions": cluster.cut_transactions(),
        "storm_s": round(storm_s, 1),
        "recovered_s": round(recovered_s, 1),
        "recovery_s": {kind: percentiles(values) for kind, values in watch.recovered.items()},
        "acks_again_s": acks_again(ledger, nemesis.struck_at),
        "driver": json.loads(output),
        "oracle": await ask_oracle(cluster, ledger=ledger),
        "bound_95": round(3 / kills, 3),
    }


async def all_counted(cluster: Cluster, watch: Watch, *, since: float) -> float:
    """How long after the last blow everything in the log was counted; past the bound, say what stands and keep logs."""

    async def counted() -> bool:
        # What was accepted while Kafka was away is in the log only when ingest's disk has given it up.
        return not cluster.spooled() and await watch.caught_up()

    try:
        await eventually(counted, timeout_s=since + QUIET_S - time.monotonic(), what="all is counted")
    except AssertionError:
        sys.stderr.write(f"not counted {QUIET_S:.0f} s after the last blow: {json.dumps(watch.behind())}\n")
        for row in await cluster.query(HELD_UP):
            sys.stderr.write(f"  {dict(row)}\n")
        try:
            await eventually(counted, timeout_s=GIVE_UP_S, what=f"all is counted, but {watch.behind()}")
        finally:
            cluster.keep_logs()
    return time.monotonic() - since


HELD_UP: Final = """
SELECT pid, application_name, client_port, state, wait_event, pg_blocking_pids(pid) AS blocked_by,
       extract(epoch FROM now() - xact_start)::int AS transaction_s, left(query, 60) AS query
FROM pg_stat_activity WHERE application_name LIKE 'tactus-%'
"""


def acks_again(ledger: Path, struck_at: list[tuple[str, float]]) -> dict[str, dict[str, float]]:
    """How long after each fault at the door the first new request was acknowledged."""
    acks = sorted((line["sent_at"], line["at"]) for line in read_ledger(ledger) if line["status"] == "ok")
    waits: dict[str, list[float]] = {}
    for fault, at in struck_at:
        first = next((acked for sent, acked in acks if sent > at), None)
        if fault in (Fault.INGEST, Fault.BROKER) and first is not None:
            waits.setdefault(fault, []).append(round(first - at, 2))
    return {fault: percentiles(values) for fault, values in waits.items()}


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def summary(report: dict[str, Any]) -> str:
    """The report in one line for people."""
    oracle = report["oracle"]
    kinds = oracle["by_kind"]
    return (
        f"seed {report['seed']}: {report['kills']} kills, {report['cut_transactions']} transactions cut, {report['faults'].get('fenced exits', 0)} fenced, "
        f"{oracle['records']} records, {oracle['acknowledged']} acknowledged; "
        f"lost {kinds['lost'] + kinds['lost_from_store']}, counted twice {kinds['counted_twice']}, "
        f"tallies that differ {kinds['tally_mismatch']} of {oracle['tallies']}, violations {oracle['violations']}; "
        f"all counted {report['recovered_s']} s after the last blow; "
        f"95 % bound on a failure per kill {report['bound_95']} (rule of three); "
        f"recovery { {str(kind): found for kind, found in report['recovery_s'].items()} }"
    )


async def _main(data: Path) -> int:
    async with Cluster(data, workers=WORKERS) as cluster:
        report = await storm(cluster, seed=chosen_seed(), scale=chosen_scale())
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    sys.stderr.write(summary(report) + "\n")
    return 1 if report["oracle"]["violations"] or report["recovered_s"] > QUIET_S else 0


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with disk_directory() as folder:
        raise SystemExit(asyncio.run(_main(folder)))
