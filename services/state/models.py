"""The model versions that scores were read with, and their numbers."""

from __future__ import annotations

from services.state.pool import Statements


class ModelTable:
    """The statements of `model`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def use(self, version: str) -> int:
        """The number of a model version; raises ConfigurationError when the database has no tables."""
        return int(await self._say.value("use_model", version))
