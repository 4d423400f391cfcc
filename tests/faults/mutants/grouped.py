"""The true worker in a group of its own, so that it owns every partition beside another one. For tests only."""

from __future__ import annotations

import os
from functools import partial

from services.aggregator import __main__ as worker
from services.aggregator.stream.app import create_app


def join_group() -> None:
    """Let the worker join the group that FAULT_GROUP names, if any."""
    if group := os.environ.get("FAULT_GROUP"):
        worker.create_app = partial(create_app, group=group)  # type: ignore[attr-defined]  # the one name it looks up


if __name__ == "__main__":
    join_group()
    worker.main()
