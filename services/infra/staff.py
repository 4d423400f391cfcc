"""Who works for a source, and from where: what they do is no customer's experience."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from schemas.touchpoint import IDENTITY_CHARS_MAX, KIND_CHARS_MAX, KIND_PATTERN
from services.core.identity import refusal
from services.infra.errors import InvalidEventError
from services.infra.http.peers import Network, address_range
from services.infra.pseudonyms import stored_identity
from services.infra.spelling import spelt

IDENTITIES_MAX: Final = 1000
"""Those of a large shop's offices; whoever has more of them has addresses, or says the class of the event itself."""

ADDRESSES_MAX: Final = 64
"""Ranges: an office has one or two."""

_KIND: Final = re.compile(KIND_PATTERN)


def _checked_range(text: str) -> str:
    address_range(text)
    return text


class StaffRow(BaseModel):
    """What a source's row says of its staff."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    identities: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=KIND_CHARS_MAX + 1 + IDENTITY_CHARS_MAX)], ...],
        Field(max_length=IDENTITIES_MAX),
    ] = ()
    """`kind:value`, such as email:ann@shop.example, however they are spelt."""
    addresses: Annotated[
        tuple[Annotated[str, AfterValidator(_checked_range)], ...], Field(max_length=ADDRESSES_MAX)
    ] = ()
    """Ranges, such as 203.0.113.0/24."""

    @property
    def ranges(self) -> Sequence[Network]:
        """The addresses, as ranges."""
        return [address_range(text) for text in self.addresses]

    def nobody(self, *, region: str | None) -> int | None:
        """Return the place of the first identity that names nobody, or nobody that an event could name."""
        return next((place for place, one in enumerate(self.identities) if not _names(one, region)), None)

    def stored(self, key: bytes, *, region: str | None) -> frozenset[str]:
        """Return the identities, and what goes with them, as records name them."""
        found = [stored_identity(key, *_parts(one), region=region) for one in self.identities]
        return frozenset(":".join(spelling) for one in found for spelling in (one.itself, *one.beside))


def _parts(identity: str) -> tuple[str, str]:
    kind, _, value = identity.partition(":")
    return kind, value


def _names(identity: str, region: str | None) -> bool:
    kind, value = _parts(identity)
    try:
        return _KIND.fullmatch(kind) is not None and refusal(*spelt(kind, value, region=region)) is None
    except InvalidEventError:
        return False
