"""The model versions that scores were read with, and their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from services.core.catalogue import Parameters
from services.state.pool import Statements


class Weighing(NamedTuple):
    """What a model weighs by."""

    parameters: Parameters
    weights: Mapping[str, float]
    weight_undeclared: float


class ModelTable:
    """The statements of `model`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def note(self, number: int, weighing: Weighing) -> None:
        """Write down what a model weighs by, for whoever ranks touchpoints in SQL, and that it is the one in use."""
        scalars = (getattr(weighing.parameters, name) for name in ("lambda_", "beta", "kappa", "prior", "cap"))
        await self._say.run("note_weights", number, [*weighing.weights], [*weighing.weights.values()])
        await self._say.run("note_model", number, *scalars, weighing.weight_undeclared)

    async def use(self, version: str) -> int:
        """The number of a model version; raises ConfigurationError when the database has no tables."""
        return int(await self._say.value("use_model", version))
