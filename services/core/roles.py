"""What a contact is in the company that it acts for, and how much it counts there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from services.core.weighing import Parameters

ROLES: Final = ("user", "champion", "decision_maker")
"""By number, the one that counts least first: of whoever says no role, or one that there is not."""

ROLE: Final = "role"
"""The property that says it."""

LEAST_ROLE: Final = 0


def role_of(word: str) -> int | None:
    """Number a role, however its word is written: decision_maker, Decision maker, decision-maker; None for no role."""
    name = "_".join(word.casefold().replace("-", " ").replace("_", " ").split())
    return ROLES.index(name) if name in ROLES else None


def role_said(said: object) -> int:
    """Number the role that an event says; one that there is not counts least, and is lost no more than its event."""
    known = role_of(said) if isinstance(said, str) else None
    return LEAST_ROLE if known is None else known


def is_key(role: int) -> bool:
    """Tell whether the account hangs on contacts of this role."""
    return role > LEAST_ROLE


def factors_of(roles: Sequence[int], parameters: Parameters) -> NDArray[np.float64]:
    """Give by what each contact's evidence is multiplied in its account."""
    by_role = (parameters.factor_user, parameters.factor_champion, parameters.factor_decision_maker)
    return np.array([by_role[role] for role in roles], dtype=np.float64)
