"""Many storms, one after the other, on a machine with too much to do: how long until all is counted again.

Goes on after a failure and ends with the distribution. `make storms COUNT=40 LOAD=3` runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.faults.load import loops
from tests.faults.storm import QUIET_S, ROOT
from tests.faults.watch import percentiles
from tests.support.counts import chosen_seed

STORM_MAX_S: Final = 900.0
"""A storm takes two to three minutes on a machine that has three times too much to do."""


class Outcome(NamedTuple):
    """What became of one storm."""

    seed: int
    recovered_s: float | None
    """None when nothing could be measured: it stood still to the end, or broke off."""
    lost: int | None
    twice: int | None
    busy: float
    """How many programs wanted a core at the end, by the kernel's mean over five minutes; others may use the machine."""
    failure: str | None

    def __str__(self) -> str:
        recovered = "never" if self.recovered_s is None else f"{self.recovered_s:.1f} s"
        told = f"seed {self.seed}: recovered {recovered}, lost {self.lost}, twice {self.twice}, load {self.busy:.0f}"
        return f"{told}  FAILED: {self.failure}" if self.failure else told


def judge(seed: int, *, code: int, report: dict[str, Any] | None, busy: float) -> Outcome:
    """Read a storm's report and exit code."""
    if report is None:
        return Outcome(seed, None, None, None, busy, f"no report, exit code {code}")
    kinds, recovered_s = report["oracle"]["by_kind"], report["recovered_s"]
    lost, twice = kinds["lost"] + kinds["lost_from_store"], kinds["counted_twice"]
    failure = None
    if report["oracle"]["violations"]:
        failure = f"{report['oracle']['violations']} violations"
    elif recovered_s > QUIET_S:
        failure = f"not all was counted after {QUIET_S:.0f} s"
    elif code:
        failure = f"exit code {code}"
    return Outcome(seed, recovered_s, lost, twice, busy, failure)


def distribution(outcomes: list[Outcome]) -> str:
    """All storms in two lines."""
    found = percentiles([outcome.recovered_s for outcome in outcomes if outcome.recovered_s is not None])
    figures = ", ".join(f"{name} {value:.1f}" for name, value in found.items() if name != "n")
    failed = [str(outcome.seed) for outcome in outcomes if outcome.failure]
    return (
        f"{len(outcomes)} storms; seconds until all was counted after the last blow: {figures or 'none'}\n"
        f"failures {len(failed)}{': seeds ' + ', '.join(failed) if failed else ''}"
    )


def run_storm(seed: int, *, load: int, logs: Path) -> Outcome:
    """One storm in a process of its own, with the machine loaded beside it."""
    folder = logs / str(seed)
    folder.mkdir(parents=True)
    environment = {**os.environ, "FAULT_SEED": str(seed), "FAULT_LOGS": str(folder)}
    with loops(times=load, seconds=STORM_MAX_S), (folder / "storm.log").open("w") as log:
        process = subprocess.Popen(
            (sys.executable, "-m", "tests.faults.storm"), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log
        )
        try:
            output, _ = process.communicate(timeout=STORM_MAX_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # not SIGTERM: the stack must be taken down
            output, _ = process.communicate()
    report = json.loads(output) if output.strip() else None
    return judge(seed, code=process.returncode, report=report, busy=os.getloadavg()[1])


def main(*, count: int, load: int, seed: int, logs: Path) -> int:
    """Run the storms and print each one's outcome; 1 when any failed."""
    outcomes: list[Outcome] = []
    sys.stderr.write(f"{count} storms from seed {seed} at {load} loops a core; logs in {logs}\n")
    for number in range(count):
        outcomes.append(run_storm(seed + number, load=load, logs=logs))
        sys.stdout.write(f"{outcomes[-1]}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{distribution(outcomes)}\n")
    return 1 if any(outcome.failure for outcome in outcomes) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40, help="storms, one after the other")
    parser.add_argument("--load", type=int, default=3, help="busy loops a core beside them; 0 = none")
    parser.add_argument("--seed", type=int, default=None, help="of the first storm; the next ones count on from it")
    parser.add_argument("--logs", type=Path, default=None, help="folder for what the failed ones wrote")
    chosen = parser.parse_args()
    first = chosen_seed() if chosen.seed is None else chosen.seed
    kept = chosen.logs or Path(tempfile.mkdtemp(prefix="tactus-storms-"))
    raise SystemExit(main(count=chosen.count, load=chosen.load, seed=first, logs=kept))
