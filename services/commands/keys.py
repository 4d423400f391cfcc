"""`tactus keys show`: the generated keys of a stack, for whoever may read its files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from services.client.endpoints import find_keys_folder
from services.client.keys import FILE, read_keys
from services.infra.errors import ConfigurationError

USES: Final = {
    "server": "a server's: sends any event",
    "browser": "a page's: everybody can read it there, so it may send less",
    "till": "a till's",
    "backfill": "a server's: sends events of any age, too",
    "read": "reads scores",
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
