"""What a machine may lack: there the test is skipped with one line; in CI it must run."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacks(what: str) -> NoReturn:
    """Skip the test, or fail it in CI; `what` says what is missing and how to get it."""
    if "CI" in os.environ:
        pytest.fail(f"CI must have it: {what}")
    pytest.skip(what)
