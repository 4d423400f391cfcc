"""A stop is obeyed at any moment, also by process 1 of a container, whose unhandled signals the kernel drops."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.client.connection import FILE
from tests.support.places import data_directory
from tests.support.situations import needs_namespaces
from tests.support.stacks import alive
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, needs_namespaces]

TACTUS = Path(sys.executable).with_name("tactus")

START_S = 120.0

STOP_S = 60.0


class ProcessOne:
    """`tactus …` as the first process of a process namespace."""

    def __init__(self, *arguments: str, output: Path, **environment: str) -> None:
        self.output = output
        with output.open("wb") as said:
            self._unshare = subprocess.Popen(
                ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", str(TACTUS), *arguments),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
            )
        self.children: list[psutil.Process] = []

    def wait_until_it_says(self, words: str) -> None:
        def said() -> bool:
            assert self._unshare.poll() is None, self.said()
            return words in self.said()

        wait_until(said, what=f"process 1 says {words}", timeout_s=START_S)

    def wait_for(self, file: Path) -> None:
        def there() -> bool:
            assert self._unshare.poll() is None, self.said()
            return file.exists()

        wait_until(there, what=f"process 1 has made {file}", timeout_s=START_S)

    def stop(self) -> int:
        """Send SIGTERM once, as a container's engine does, and return the exit code."""
        (first,) = psutil.Process(self._unshare.pid).children()
        self.children = first.children(recursive=True)
        first.send_signal(signal.SIGTERM)
        return self._unshare.wait(STOP_S)

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def kill(self) -> None:
        """End everything in the namespace."""
        self._unshare.kill()
        self._unshare.wait()


@contextlib.contextmanager
def process_one(*arguments: str, **environment: str) -> Iterator[ProcessOne]:
    with tempfile.TemporaryDirectory() as folder:
        process = ProcessOne(*arguments, output=Path(folder) / "output", **environment)
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("command", "exit_code"), [("up", 0), ("ingest", 0), ("aggregator", 0), ("api", 0), ("migrate", 143)]
)
def test_a_stop_while_modules_load_is_obeyed(command: str, exit_code: int, tmp_path: Path) -> None:
    loading = tmp_path / "loading"
    # A library that all of them load never ends to.
    (tmp_path / "pydantic.py").write_text(
        f"import pathlib, threading\npathlib.Path({str(loading)!r}).touch()\nthreading.Event().wait()\n"
    )
    with process_one(command, PYTHONPATH=str(tmp_path)) as process:
        process.wait_for(loading)

        code = process.stop()

    assert code == exit_code


def test_a_stop_during_the_start_is_obeyed_and_leaves_nothing() -> None:
    with data_directory() as data, process_one("up", "--data", str(data)) as process:
        process.wait_until_it_says("Starting Kafka")

        code = process.stop()

        assert code == 0, process.said()
        assert alive(process.children) == []
        assert not (data / FILE).exists()


def test_a_stop_of_a_running_stack_is_obeyed_and_leaves_nothing() -> None:
    with data_directory() as data, process_one("up", "--data", str(data)) as process:
        process.wait_until_it_says("Ready.")

        code = process.stop()

        assert code == 0, process.said()
        assert len(process.children) > 4
        assert alive(process.children) == []
        assert not (data / FILE).exists()
