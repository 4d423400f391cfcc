"""Who may ask: a key with the scope that an operation needs, as often as it may."""

from __future__ import annotations

from collections.abc import Callable

from services.api.reader_rates import ReaderRates
from services.api.requests import Asked, accepts_json
from services.infra.http.keys import bearer_key
from services.infra.http.problems import Refused
from services.infra.http.strangers import Strangers
from services.infra.sources import Reader, Scope, Sources


class Entrance:
    """Lets readers in."""

    def __init__(self, sources: Callable[[], Sources], *, rates: ReaderRates, strangers: Strangers) -> None:
        self._sources = sources
        self._rates = rates
        self._strangers = strangers

    def reader(self, asked: Asked, scope: Scope) -> Reader | Refused:
        """Return who asks, or why there is no answer."""
        key = bearer_key(asked.authorization)
        reader = self._sources().reader(key) if key is not None else None
        if reader is None:
            return self._strangers.refusal(asked.address)
        limited = self._rates.refusal(reader)
        if limited is not None:
            return limited
        if scope not in reader.scopes:
            return Refused("forbidden", f"Use a key with the scope {scope}.")
        return reader if accepts_json(asked.accept) else Refused("not-acceptable")
