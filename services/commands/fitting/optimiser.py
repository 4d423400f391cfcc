"""The two methods of scipy that a fit uses; only whoever learns weights installs it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import requires
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.infra.errors import ConfigurationError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STEPS_MAX: Final = 500
"""Fits of some hundred touchpoints end after a tenth of it; one that does not is told."""


class Optimiser:
    """Finds least places and rising lines; the same input gives the same output."""

    def __init__(self) -> None:
        """Load the library; raises ConfigurationError when it is not installed."""
        try:
            self._library: Any = import_module("scipy.optimize")  # Any: neither library has types
            # Vectors of some dozen numbers: two threads would wait for each other, ten times as long as they work.
            import_module("threadpoolctl").threadpool_limits(limits=1)
        except ImportError as error:
            pins = (one.partition(";")[0].strip() for one in requires("tactus") or () if "extra == 'learn'" in one)
            named = " ".join(f"'{pin}'" for pin in pins) or "scipy threadpoolctl"
            raise ConfigurationError(
                f"learning weights needs libraries that are not installed: {sys.executable} -m pip install {named} "
                "(or install tactus[learn])"
            ) from error

    def least(
        self,
        function: Callable[[Floats], tuple[float, Floats]],
        start: Floats,
        *,
        bounds: Sequence[tuple[float | None, float | None]] | None = None,
    ) -> Floats:
        """Go down from a place, within bounds, by a function that gives its value and which way it grows."""
        found = self._library.minimize(
            function, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS_MAX, "ftol": 1e-10}
        )
        return np.asarray(found.x, dtype=np.float64)

    def never_rising(self, shares: Floats, counts: Floats) -> Floats:
        """Give the closest line that never rises, by isotonic regression."""
        found = self._library.isotonic_regression(shares, weights=counts, increasing=False)
        return np.asarray(found.x, dtype=np.float64)
