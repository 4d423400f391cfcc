#!/usr/bin/env python
"""Write the secrets of a stack in containers once; a later start finds them and changes nothing."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from services.client.keys import ensure_keys
from services.infra.errors import ConfigurationError
from services.infra.files import write_private


def ensure_secrets(folder: Path) -> None:
    """Make the keys, the hash key and the database password, each in the form its reader takes.

    Raises ConfigurationError when a file cannot be used.
    """
    for remark in ensure_keys(folder).remarks:
        sys.stderr.write(f"{remark}\n")
    password = folder / "postgres_password"
    if not password.exists():
        write_private(password, secrets.token_urlsafe(32))
    # The database's image reads it as another user; only containers of this stack mount the volume.
    password.chmod(0o644)


if __name__ == "__main__":
    try:
        ensure_secrets(Path(sys.argv[1]))
    except ConfigurationError as error:
        sys.exit(f"tactus-first-start: {error}")
