"""`tactus keys`: show the generated ones; make, rotate and revoke others, which the running processes follow at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from services.client.endpoints import find_keys_folder
from services.client.keys import FILE, RIGHTS, SOURCES, read_keys
from services.client.source_rows import Changed, added, revoked, rotated
from services.infra.errors import ConfigurationError
from services.infra.files import write_private
from services.infra.settings import read_settings
from services.infra.sources import load_sources

USES: Final = {
    "server": "a server's: sends any event",
    "browser": "a page's: everybody can read it there, so it may send less",
    "till": "a till's",
    "backfill": "a server's: sends events of any age, too",
    "operator": "the API's: sends dead letters again in the name of their sources",
    "read": "reads scores",
    "letters": "reads, replays and discards dead letters: `tactus dlq`",
    "webhooks": "says who is told over HTTP: `tactus webhooks`",
}


def run(name: str | None, *, data: Path | None) -> int:
    """Print the keys that open something, or one alone to put into a variable; 0 when there is one.

    Raises ConfigurationError, with what to do, when there are none or not this one.
    """
    folder = find_keys_folder(data)
    keys = read_keys(folder)
    if keys is None:
        raise ConfigurationError(
            f"there is no {FILE} in {folder}: name the directory of a stack with --data; keys of your own are in no "
            "file of ours, only their digests are"
        )
    if name is None:
        width = max(map(len, keys), default=0)
        sys.stdout.writelines(f"{each.ljust(width)}  {key}  {USES.get(each, '')}\n" for each, key in keys.items())
        return 0
    if name not in keys:
        raise ConfigurationError(f"no {name} key opens anything here: {', '.join(keys) or 'none'} would")
    sys.stdout.write(f"{keys[name]}\n")
    return 0


def add(
    name: str,
    *,
    kind: str,
    origins: Sequence[str],
    scopes: Sequence[str] = (),
    rights: Sequence[str] = (),
    data: Path | None,
) -> int:
    """Make a row with a key of its own and print the key, once; 0 when that is done."""
    unknown = [right for right in rights if right not in RIGHTS]
    if unknown:
        raise ConfigurationError(f"there is no right {unknown[0]}: a source may have {' and '.join(RIGHTS)}")
    return _change(data, lambda text: added(text, name, kind=kind, origins=origins, scopes=scopes, rights=rights))


def rotate(name: str, *, data: Path | None) -> int:
    """Give a row one more key and print it; the former ones hold until they are revoked."""
    return _change(data, lambda text: rotated(text, name))


def revoke(name: str, *, key: str | None, data: Path | None) -> int:
    """Withdraw a key for ever, or all but the newest; `-` reads it from stdin, where no list of processes shows it."""
    if key == "-":
        key = sys.stdin.readline().strip()
    return _change(data, lambda text: revoked(text, name, key=key))


def _change(data: Path | None, change: Callable[[str], Changed]) -> int:
    """Write the sources file anew, if it can be used then; raises ConfigurationError, and changes nothing, otherwise."""
    path = _sources(data)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}): name a stack's directory with --data, or the file with TACTUS_SOURCES"
        ) from error
    changed = change(text)
    tried = path.with_name(f".{path.name}.tried")
    write_private(tried, changed.text)
    try:
        load_sources(tried)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace(str(tried), str(path))) from error
    finally:
        tried.unlink()
    write_private(path, changed.text)
    if changed.key:
        sys.stdout.write(f"{changed.key}\n")
        sys.stderr.write(f"This is shown once; {path} keeps its digest. Running processes know it within a second.\n")
    else:
        sys.stderr.write(f"Withdrawn in {path}. Running processes know it within a second.\n")
    return 0


def _sources(data: Path | None) -> Path:
    named = read_settings().sources if data is None else None
    return named.absolute() if named is not None else find_keys_folder(data) / SOURCES
