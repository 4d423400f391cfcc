"""Change the keys in the text of a sources file; what its operator wrote beside them stays."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any, Final, NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError

from services.client.keys import new_key
from services.infra.errors import ConfigurationError
from services.infra.sources import digest

KEYS: Final = "keys_sha256"
REVOKED: Final = "revoked_sha256"
READER: Final = "reader"

Table = MutableMapping[str, Any]
"""A table of TOML, whose values are of many types."""


class Changed(NamedTuple):
    """The new text, and a key that nobody else has seen."""

    text: str
    key: str


def added(
    text: str,
    name: str,
    *,
    kind: str,
    origins: Sequence[str] = (),
    scopes: Sequence[str] = (),
    rights: Sequence[str] = (),
) -> Changed:
    """Add a row with a key of its own; raises ConfigurationError when there is a row of this name."""
    document = _parsed(text)
    if _row(document, name) is not None:
        raise ConfigurationError(f"there is a row {name} already: `tactus keys rotate {name}` gives it another key")
    key = new_key(kind)
    row = tomlkit.table()
    row.add("name", name)
    if kind != READER:
        row.add("kind", kind)
    row.add(KEYS, [digest(key)])
    if origins:
        row.add("origins", list(origins))
    if scopes:
        row.add("scopes", list(scopes))
    for right in rights:
        row.add(right, True)  # noqa: FBT003 - TOML's own true
    row.add(tomlkit.nl())
    table = "reader" if kind == READER else "source"
    rows = document.setdefault(table, tomlkit.aot())
    rows.append(row)
    return Changed(tomlkit.dumps(document), key)


def rotated(text: str, name: str) -> Changed:
    """Give a row one more key, beside those that it has; raises ConfigurationError when there is no such row."""
    document = _parsed(text)
    table, row = _found(document, name)
    key = new_key(READER if table == "reader" else str(row["kind"]))
    row[KEYS] = [*row[KEYS], digest(key)]
    return Changed(tomlkit.dumps(document), key)


def revoked(text: str, name: str, *, key: str | None) -> Changed:
    """Withdraw a row's key, or without one all but its newest, for ever; raises ConfigurationError when it has no such key."""
    document = _parsed(text)
    _, row = _found(document, name)
    known = [str(one) for one in row[KEYS]]
    former = [one for one in known if one not in row.get(REVOKED, ())]
    going = former[:-1] if key is None else [one for one in former if one == digest(key)]
    if not going:
        missing = "no key but its newest" if key is None else "no such key"
        raise ConfigurationError(f"{name} has {missing}: nothing was changed")
    row[REVOKED] = [*row.get(REVOKED, ()), *going]
    return Changed(tomlkit.dumps(document), "")


def _parsed(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigurationError(f"the sources file is not TOML ({error}): mend it first") from error


def _row(document: Table, name: str) -> tuple[str, Table] | None:
    for table in ("source", "reader"):
        for row in document.get(table, ()):
            if row.get("name") == name:
                return table, row
    return None


def _found(document: Table, name: str) -> tuple[str, Table]:
    found = _row(document, name)
    if found is None:
        names = [str(row.get("name")) for table in ("source", "reader") for row in document.get(table, ())]
        raise ConfigurationError(f"there is no row {name}: there are {', '.join(names) or 'none'}")
    return found
