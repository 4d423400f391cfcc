"""What the tests of the demo share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import data_directory


@pytest.fixture
def folder() -> Iterator[Path]:
    with data_directory() as made:
        yield made
