"""Tallies that are added as floats. A plugin of pytest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from services.core import tallies


def reduceat(rows: Any, offsets: Any, axis: int) -> Any:  # noqa: ANN401 - arrays
    """Add valences as they are written, and not millionths."""
    return (np.add.reduceat(rows / tallies.MICRO, offsets, axis=axis) * tallies.MICRO).astype(np.int64)


class Floating:
    """numpy, with another addition."""

    add = SimpleNamespace(reduceat=reduceat)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever numpy has
        return getattr(np, name)


tallies.np = Floating()  # type: ignore[assignment,attr-defined]  # that is the mutation
