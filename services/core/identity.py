"""Kinds of identities, which is the stronger, and which values never name anyone."""

from __future__ import annotations

import re
import unicodedata
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KIND_ORDER: Final[Mapping[str, int]] = MappingProxyType(
    {"customer": 0, "loyalty": 1, "email_hash": 2, "email": 2, "phone_hash": 3, "phone": 3, "anonymous": 5, "device": 6}
)
"""Strongest first. E-mail and phone stand where their hashes will: only ingest ever sees them plain."""

EXTENSION_ORDER: Final = 4
"""Where kinds that a deployment adds (x-…) stand."""

CUSTOMER: Final = "customer"
WEAK: Final = frozenset({"anonymous", "device"})
"""Kinds that a browser or a machine makes up, and that several people may share."""

NAMELESS: Final = frozenset(
    {
        "\\n", "#n/a", "#name?", "#null!", "#ref!", "#value!", "-1", "object object", "anon", "anonymous", "distinct_id", "distinctid", "email", "false",
        "ffffffff-ffff-ffff-ffff-ffffffffffff", "guest", "id", "n/a", "nan", "nil", "none", "not set",
        "not_authenticated", "null", "true", "undefined", "unknown",
    }
)  # fmt: skip
"""What programs send when they do not know who it is; linking by one would weld strangers together."""

QUOTES: Final = "\"'` \t\r\n\u00a0\u00ad\u200b\u200c\u200d\u2060\u3000"
"""What programs leave around a value, and characters that nobody sees."""

BRACKETS: Final = "()<>[]{}"
"""What programs put around a word that stands for nothing: (null), <null>, [object Object]."""

MARKS: Final = re.compile(r"[{<%$#*\[]")
"""Without one of these there is no such place: nearly every id has none."""

TEMPLATE: Final = re.compile(
    r"\{\{.*\}\}|\{%.*%\}|<%.*%>|%%.*%%|\$\{.*\}|#\{.*\}|\[\[.*\]\]|\*\|.*\|\*|^%[a-z_.-]+%$|^\$[a-z_.-]+$|^[{<\[]+[a-z_. -]+[}>\]]+$"
)
"""A place in a template that nobody filled: {{user.id}}, ${userId}, %%USER_ID%%, *|EMAIL|*, <%= id %>, {user_id}."""

NOBODYS_ADDRESS: Final = re.compile(
    r"(?:do[._-]?not|no)[._-]?reply(?:\+[^@]*)?@.*|(?P<word>undefined|null|none|nan|unknown|anonymous|guest)@(?P=word)(?:\.[a-z.]+)?"
    r"|(?:undefined|null)@.*"
)
"""What shops write for who gave no address: noreply@shop.example, undefined@undefined.com. Nan, None and Guest are also names."""

VALUE_CHARACTERS_MAX: Final = 256
"""An index row must hold it; a UUID is 36 characters, the longest e-mail address 254."""


def kind_of(identity: str) -> str:
    """Give the kind of `kind:value`."""
    return identity.partition(":")[0]


def strength(identity: str) -> tuple[int, str]:
    """Sort key: the strongest kind first, then the smallest text."""
    return KIND_ORDER.get(kind_of(identity), EXTENSION_ORDER), identity


def strongest(identities: Iterable[str]) -> str:
    """Choose the identity that names a person or takes an event; raises ValueError when there is none."""
    return min(identities, key=strength)


def refusal(kind: str, value: str) -> str | None:
    """Tell why a value must never name anyone; None when it may."""
    # Full-width braces, which people who write Japanese or Chinese type, are braces.
    plain = value if value.isascii() else unicodedata.normalize("NFKC", value)
    bare = plain.strip(QUOTES).casefold()
    word = bare.strip(BRACKETS)
    if not word:
        return f"{kind} is empty; leave it out"
    if (
        word in NAMELESS
        or bare in NAMELESS
        or not word.strip("0-")
        or (MARKS.search(bare) and TEMPLATE.search(bare))
        or ("@" in word and kind == "email" and NOBODYS_ADDRESS.fullmatch(word))
    ):
        return f"{kind} {bare!r} is a placeholder that would weld strangers together; leave it out"
    if len(value) > VALUE_CHARACTERS_MAX:
        return f"{kind} is longer than {VALUE_CHARACTERS_MAX} characters"
    return None
