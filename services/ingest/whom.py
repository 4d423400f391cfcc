"""Say whom an event is about, in the words of a channel whose clients name more than their key may."""

from __future__ import annotations

from schemas.touchpoint import IDENTITY_CHARS_MAX
from services.core.identity import WEAK, refusal
from services.infra.errors import InvalidEventError
from services.infra.sources import Source
from services.infra.spelling import EMAIL, PHONE, spelt
from services.ingest.loose import word


class Whom:
    """Collects the ways to know a person. Of no use is what names nobody; what a key may not name is counted."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.identities: list[dict[str, str]] = []
        self.left_out = 0

    def add(self, kind: str, value: object) -> None:
        """Take one more, if it is one."""
        text = usable(kind, value)
        if text is None:
            return
        if kind not in WEAK and not self._source.believes_claims:
            self.left_out += 1
        elif can_be_spelt(kind, text, region=self._source.region):
            self.identities.append({"kind": kind, "value": text})


def usable(kind: str, value: object) -> str | None:
    """Give what may name somebody: no placeholder, and not longer than ids are."""
    text = word(value)
    return None if text is None or len(text) > IDENTITY_CHARS_MAX or refusal(kind, text) is not None else text


def can_be_spelt(kind: str, text: str, *, region: str | None) -> bool:
    """Tell whether it is an address or a number, where it must be: a trait that is none costs no event."""
    if kind not in (EMAIL, PHONE):
        return True
    try:
        spelt(kind, text, region=region)
    except InvalidEventError:
        return False
    return True
