"""The generated secrets of a data directory: keys, the sources file that knows their digests, and the hash key.

Each file is written where none is, and is its operator's from then on. Of what is replaced all the same, the former
text is kept beside it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import SecretStr, TypeAdapter, ValidationError

from services.infra.errors import ConfigurationError
from services.infra.files import write_private
from services.infra.sources import Sources, digest, load_sources

FILE: Final = "keys.json"
SOURCES: Final = "sources.toml"
HASH_KEY: Final = "hash_key"

FORMER: Final = ".1"
"""What a replaced file is called beside its name."""

HASH_KEY_CHARS_MIN: Final = 32
"""What the services ask of it."""

READ: Final = "read"
"""The name of the key that reads scores."""

OPERATOR: Final = "operator"
"""The name of the key by which the API sends dead letters again."""

LETTERS: Final = "letters"
"""The name of the key that reads, replays and discards dead letters."""

ALERTS: Final = "alerts"
"""The name of the key that reads alerts and works on them."""

WEBHOOKS: Final = "webhooks"
"""The name of the key that says who is told over HTTP."""

READERS: Final = frozenset({READ, LETTERS, ALERTS, WEBHOOKS})

RIGHTS: Final = ("backfill", "replay")
"""What a source may be given beside sending."""


class Generated(NamedTuple):
    """A source or a reader that `tactus up` makes a key for."""

    key: str
    name: str
    kind: str
    right: str = ""
    """A source's, beside sending."""
    scopes: tuple[str, ...] = ()
    """A reader's."""

    @property
    def table(self) -> str:
        """Its table in the sources file."""
        return "reader" if self.scopes else "source"

    def row(self, key: str) -> str:
        """Write its row."""
        if self.scopes:
            return _READER.format(
                name=self.name, digest=digest(key), scopes=", ".join(f'"{one}"' for one in self.scopes)
            )
        rights = "".join(f"{right} = {str(right == self.right).lower()}\n" for right in RIGHTS)
        return _SOURCE.format(name=self.name, digest=digest(key), kind=self.kind) + rights


GENERATED: Final = (
    Generated("server", "shop", "server"),
    Generated("browser", "web", "browser"),
    Generated("till", "store", "till"),
    Generated("backfill", "backfill", "server", right="backfill"),
    Generated(OPERATOR, "operator", "server", right="replay"),
    Generated(READ, "local", "", scopes=("scores:read",)),
    Generated(ALERTS, "responder", "", scopes=("scores:read", "alerts:write")),
    Generated(LETTERS, "letters", "", scopes=("dead-letters:read", "dead-letters:write")),
    Generated(WEBHOOKS, "webhooks", "", scopes=("webhooks",)),
)

_SOURCE: Final = """\
[[source]]
name = "{name}"
keys_sha256 = ["{digest}"]
kind = "{kind}"
"""

_READER: Final = """\
[[reader]]
name = "{name}"
keys_sha256 = ["{digest}"]
scopes = [{scopes}]
"""

_DIGESTS: Final = r'(\[\[{table}\]\]\nname = "{name}"\nkeys_sha256 = )\[[^\]\n]*\]'
"""A table as it is generated, up to the digests, whatever an operator has made of them."""

_KEYS: Final = TypeAdapter(dict[str, str])


class Keys(NamedTuple):
    """The secrets of one data directory."""

    public: dict[str, str]
    """By name, the generated keys that open something: what connection.json tells."""
    hash_key: str
    """The secret behind the hashes of e-mail and phone; told nobody."""
    remarks: tuple[str, ...] = ()
    """What its operator should hear of."""


def new_key(use: str) -> str:
    """Make a key that nobody can guess, and that says what it is for."""
    return f"tactus_{use}_{secrets.token_urlsafe(24)}"


def ensure_keys(data: Path) -> Keys:
    """Return the secrets of this data directory, made at its first start and the same ever after.

    A key that was removed from keys.json or revoked in the sources file stays so. Removing keys.json asks for other
    keys: their digests take the place of the former ones in the generated tables, and nothing else changes.

    Raises ConfigurationError, with the fix, when a file cannot be used or the hash key is lost.
    """
    path = data / FILE
    first = not path.exists() and not (data / SOURCES).exists()
    kept = {} if not path.exists() else _read(path)
    hash_key = _ensure_hash_key(data, kept.pop(HASH_KEY, None), first=first)
    if path.exists():
        if not (data / SOURCES).exists():
            write_private(data / SOURCES, sources_of(kept))
        return Keys(_known(kept, load_sources(data / SOURCES)), hash_key)
    return _with_other_keys(data, hash_key, first=first)


def read_keys(data: Path) -> dict[str, str] | None:
    """Return, by name, the generated keys that open something, never the hash key; None where none were made.

    Raises ConfigurationError when a file cannot be read.
    """
    if not (data / FILE).exists():
        return None
    kept = _read(data / FILE)
    kept.pop(HASH_KEY, None)
    return _known(kept, load_sources(data / SOURCES))


def read_hash_key(data: Path) -> SecretStr | None:
    """Return the secret behind the hashes, for whoever makes hashes beside the stack; None where none was made."""
    path = data / HASH_KEY
    return SecretStr(_hash_key_in(path)) if path.exists() else None


def sources_of(keys: Mapping[str, str]) -> str:
    """Return the sources file: sources of each kind and readers, for the keys there are."""
    return "\n".join(one.row(keys[one.key]) for one in GENERATED if one.key in keys)


def _with_other_keys(data: Path, hash_key: str, *, first: bool) -> Keys:
    """Make keys, and let the sources file know them; one that has no generated table left gets none."""
    sources = data / SOURCES
    keys = {one.key: new_key(one.key) for one in GENERATED}
    if first:
        text = sources_of(keys)
    else:
        load_sources(sources)  # what cannot be used is told before anything is changed
        text, keys = _exchanged(sources.read_text(encoding="utf-8"), keys)
    if not keys:
        return Keys({}, hash_key)
    # The sources first: what a crash leaves half done the next start does again, with yet other keys.
    former = _replace(sources, text)
    write_private(data / FILE, _KEYS.dump_json(keys, indent=2).decode() + "\n")
    remark = f"{data / FILE} was gone: made other keys, the former ones open nothing any more"
    return Keys(keys, hash_key, () if former is None else (f"{remark}; the former {SOURCES} is kept as {former}",))


def _exchanged(text: str, keys: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """A sources file with the keys' digests in its generated tables, and the keys that it has such a table for."""
    placed: dict[str, str] = {}
    for one in GENERATED:
        pattern = _DIGESTS.format(table=one.table, name=one.name)
        text, found = re.subn(pattern, rf'\g<1>["{digest(keys[one.key])}"]', text)
        if found:
            placed[one.key] = keys[one.key]
    return text, placed


def _ensure_hash_key(data: Path, formerly: str | None, *, first: bool) -> str:
    """Return the hash key; it is made once, with the first keys, and has a file of its own.

    `formerly` is the one that stood among the keys; it moves.
    """
    path = data / HASH_KEY
    if not path.exists():
        if formerly is None and not first:
            raise ConfigurationError(
                f"{path} is gone, and persons known by e-mail or phone cannot be found again with another one: put it "
                f"back (an older {FILE} may hold it as hash_key), or give up on them and write a new one, "
                f"`openssl rand -hex 32 > {path}`"
            )
        write_private(path, formerly or secrets.token_urlsafe(48))
    if formerly is not None:
        kept = _read(data / FILE)
        del kept[HASH_KEY]
        _replace(data / FILE, _KEYS.dump_json(kept, indent=2).decode() + "\n")
    return _hash_key_in(path)


def _hash_key_in(path: Path) -> str:
    try:
        hash_key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: restore it from a copy") from error
    if len(hash_key) < HASH_KEY_CHARS_MIN:
        raise ConfigurationError(f"{path} holds fewer than {HASH_KEY_CHARS_MIN} characters: restore it from a copy")
    return hash_key


def _replace(path: Path, text: str) -> Path | None:
    """Write a file; what stood in it before is kept under the name that is returned."""
    if not path.exists():
        write_private(path, text)
        return None
    former = path.with_name(path.name + FORMER)
    write_private(former, path.read_text(encoding="utf-8"))
    write_private(path, text)
    return former


def _read(path: Path) -> dict[str, str]:
    try:
        return _KEYS.validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        # The cause is cut off: it would show what stands in the file.
        raise ConfigurationError(
            f"{path} cannot be read ({type(error).__name__}): restore it, or remove it to get other keys"
        ) from None


def _known(keys: Mapping[str, str], sources: Sources) -> dict[str, str]:
    """The keys that open something."""
    return {name: key for name, key in keys.items() if (sources.reader if name in READERS else sources.source)(key)}
