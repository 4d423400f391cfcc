"""Each planted fault is found by a test that stands for it: the tests themselves are tried.

A mutant is a plugin of pytest, loaded before the product is; what a whole stack must show is in test_mutants.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.faults

ROOT: Final = Path(__file__).parents[2]

KEEPING: Final = "tests/unit/ingest/test_keeping.py"
SPOOL: Final = "tests/unit/ingest/test_spool.py"
COUNTING: Final = "tests/integration/aggregator/counting/test_counting.py"

PLANTED: Final = [
    ("acknowledging_first", f"{KEEPING}::test_without_a_spool_an_absent_log_is_unavailable"),
    ("position_first", f"{COUNTING}::test_a_connection_that_breaks_in_mid_transaction_loses_and_doubles_nothing"),
    (
        "skipping_failures",
        "tests/unit/aggregator/stream/test_lanes.py::test_a_failed_chunk_is_not_told_stored_and_nothing_is_begun_after_it",
    ),
    ("letters_apart", f"{COUNTING}::test_what_a_fenced_worker_set_aside_is_not_set_aside"),
    (
        "float_sums",
        "tests/unit/core/test_invariants.py::test_columns_hold_the_same_integers_as_one_tally_at_a_time",
    ),
    ("spool_without_sync", f"{SPOOL}::test_what_is_acknowledged_is_on_the_disk_and_not_only_written"),
    ("spool_without_checksum", f"{SPOOL}::test_damage_in_the_middle_costs_one_record_which_is_kept_beside"),
    ("spool_dropped_early", f"{KEEPING}::test_what_the_log_does_not_take_stays_in_the_spool"),
    (
        "spool_in_memory",
        "tests/faults/test_spooling.py::test_kills_while_the_spool_is_written_and_sent_lose_nothing_and_count_nothing_twice",
    ),
    ("ids_of_retries", "tests/unit/ingest/test_hooks.py::test_the_same_delivery_again_is_the_same_event"),
    (
        "ids_of_retries",
        "tests/unit/ingest/adapters/test_segment.py::test_a_message_without_an_id_gets_the_same_one_again",
    ),
    ("same_by_time", f"{COUNTING}::test_the_same_id_at_another_time_is_the_same_event"),
]


def tried(test: str, *plugins: str) -> subprocess.CompletedProcess[str]:
    options = [option for plugin in plugins for option in ("-p", f"tests.faults.mutants.{plugin}")]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--hypothesis-seed=0",
        *options,
        test,
    ]
    # Few kills are enough where each loses something.
    environment = {**os.environ, "FAULT_SCALE": "0.2", "FAULT_SEED": "7"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(("mutant", "test"), PLANTED, ids=lambda one: re.sub(r"^.*::", "", one))
def test_a_planted_fault_fails_the_test_that_stands_for_it(mutant: str, test: str) -> None:
    done = tried(test, mutant)

    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-1000:]
    # By what it asserts: a mutant that cannot even run shows nothing.
    assert re.search(r"^[E |]+(AssertionError|assert |Failed: DID NOT RAISE)", done.stdout, re.MULTILINE), done.stdout[
        -3000:
    ]
