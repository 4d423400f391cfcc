#!/usr/bin/env python
"""Write the secrets of a stack in containers once; a later start finds them and changes nothing."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Final

from services.client.keys import OPERATOR, ensure_keys
from services.infra.errors import ConfigurationError
from services.infra.files import write_private

OPERATOR_KEY: Final = "operator_key"
"""The key by which the API sends dead letters again, alone in its file."""

OWNER: Final = "owner"
ROLES: Final = (OWNER, "worker", "reader", "outbound")
"""Each has a password, in a folder of its own that is a volume of its own."""


def ensure_secrets(folder: Path, database: Path) -> None:
    """Make the keys, the hash key and the database's passwords, each in the form its reader takes.

    Raises ConfigurationError when a file cannot be used.
    """
    keys = ensure_keys(folder)
    for remark in keys.remarks:
        sys.stderr.write(f"{remark}\n")
    if OPERATOR in keys.public:
        write_private(folder / OPERATOR_KEY, keys.public[OPERATOR])
    former = folder / "postgres_password"
    for role in ROLES:
        password = database / role / "password"
        if not password.exists():
            kept = former.read_text(encoding="utf-8") if role == OWNER and former.exists() else None
            write_private(password, kept or secrets.token_urlsafe(32))
    # The database's image reads it as another user; only containers that may be the owner mount the volume.
    (database / OWNER / "password").chmod(0o644)
    former.unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        ensure_secrets(Path(sys.argv[1]), Path(sys.argv[2]))
    except ConfigurationError as error:
        sys.exit(f"tactus-first-start: {error}")
