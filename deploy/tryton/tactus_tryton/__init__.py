"""The module `tactus` of a Tryton server: what a party's page shows of its score."""

from __future__ import annotations

from trytond.pool import Pool

from . import party  # noqa: TID252 - Tryton imports a module by the name of its entry point

__all__ = ["register"]


def register() -> None:
    """Tell Tryton of the fields."""
    Pool.register(party.Party, module="tactus", type_="model")
