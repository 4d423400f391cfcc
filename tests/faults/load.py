"""Keep the machine's cores busy, so that what is measured beside it gets only its share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LOOP: Final = """
import os, sys, time
end, parent = time.monotonic() + float(sys.argv[1]), int(sys.argv[2])
while time.monotonic() < end and os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""
"""Ends by itself when its time is over, or when whoever started it is gone."""


@contextmanager
def loops(*, times: int, seconds: float) -> Iterator[list[int]]:
    """Run `times` endless loops a core, at everybody's priority, for the length of the block and at most so long."""
    command = (sys.executable, "-I", "-S", "-c", LOOP, str(seconds), str(os.getpid()))
    started = [subprocess.Popen(command) for _ in range(times * (os.cpu_count() or 1))]
    try:
        yield [loop.pid for loop in started]
    finally:
        for loop in started:
            loop.kill()
        for loop in started:
            loop.wait()
