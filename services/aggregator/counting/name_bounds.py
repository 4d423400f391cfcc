"""How many names a source may bring: leaves that nobody declared, bounded by how far its key is trusted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from services.aggregator.counting.records import Event, Poison
from services.core.catalogue import Catalogue
from services.core.persons import TRUST_OF_KEY
from services.infra.settings import AggregatorSettings
from services.state.leaves import LEAVES_MAX, Brought, Triple

TOO_MANY_NAMES: Final = "too_many_names"

TRUSTED: Final = TRUST_OF_KEY["server"]
"""How far keys are believed that nobody can read off a page. An event that does not say how it came is believed least."""


class NameBounds(NamedTuple):
    """How many leaves a source may bring in all."""

    trusted: int
    """By keys that are secret."""
    public: int
    """By keys that any page shows."""

    @classmethod
    def of(cls, settings: AggregatorSettings) -> NameBounds:
        """The bounds that an operator has set."""
        return cls(trusted=settings.names_max, public=settings.names_public_max)

    def of_key(self, trust: int) -> int:
        """The bound for events that came by a key of this trust."""
        return self.trusted if trust == TRUSTED else self.public

    def refusal(self, event: Event) -> Poison:
        """Why an event does not count whose leaf its source has no room for, and what to do."""
        setting = "NAMES_MAX" if event.trust == TRUSTED else "NAMES_PUBLIC_MAX"
        detail = (
            f"its touchpoint, channel and place are new and there is no room: its source may bring "
            f"{self.of_key(event.trust)} such, all together {LEAVES_MAX}; declare the touchpoint in TACTUS_CATALOGUE, "
            f"or raise TACTUS_AGGREGATOR__{setting}, and send it again"
        )
        return Poison(TOO_MANY_NAMES, detail, event.source, event.event_id)


def source_name(source: str) -> str:
    """The name of the key's source; what follows the slash is the client's own."""
    return source.partition("/")[0]


def attempts(
    events: Iterable[Event], missing: frozenset[Triple], *, catalogue: Catalogue, bounds: NameBounds
) -> list[list[Brought]]:
    """For whom each missing leaf may count, the most trusted source first: a later attempt is for what found no room."""
    bound_of: dict[Triple, dict[str, int]] = {}
    for event in events:
        if event.leaf in missing:
            sources, name = bound_of.setdefault(event.leaf, {}), source_name(event.source)
            sources[name] = max(sources.get(name, 0), bounds.of_key(event.trust))
    rounds: list[list[Brought]] = []
    for leaf, sources in bound_of.items():
        for attempt, one in enumerate(_claims(leaf, sources, catalogue)):
            if attempt == len(rounds):
                rounds.append([])
            rounds[attempt].append(one)
    return rounds


def _claims(leaf: Triple, bound_of: dict[str, int], catalogue: Catalogue) -> Sequence[Brought]:
    touchpoint, channel, place = leaf
    if not place and touchpoint in catalogue.entries and channel in catalogue.channels:
        return [Brought(leaf, None, 0)]
    ordered = sorted(bound_of.items(), key=lambda item: (-item[1], item[0]))
    return [Brought(leaf, source, bound) for source, bound in ordered]
