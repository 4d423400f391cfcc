"""Pack the till's agent into one file, which runs alone on a till."""

from __future__ import annotations

import zipfile
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Final

from services.infra.errors import ConfigurationError

SHEBANG: Final = b"#!/usr/bin/env python3\n"

START: Final = "import sys\n\nfrom services.till.command import main\n\nsys.exit(main())\n"

PACKED_AT: Final = (1980, 1, 1, 0, 0, 0)
"""The first that the format knows: the same agent is the same file whenever it is packed."""


def pack() -> bytes:
    """Return the agent as an executable archive, which Python runs as it is."""
    inside = {
        "__main__.py": START,
        "services/__init__.py": resources.files("services").joinpath("__init__.py").read_text("utf-8"),
    }
    inside |= {
        f"services/till/{module.name}": module.read_text("utf-8")
        for module in sorted(resources.files("services.till").iterdir(), key=lambda one: one.name)
        if module.name.endswith(".py")
    }
    archive = BytesIO()
    archive.write(SHEBANG)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as packed:
        for name, text in inside.items():
            packed.writestr(zipfile.ZipInfo(name, PACKED_AT), text, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def write(target: Path) -> str:
    """Write the agent to a file; return what to do with it. Raises ConfigurationError when it cannot be written."""
    try:
        target.write_bytes(pack())
        target.chmod(0o755)
    except OSError as error:
        raise ConfigurationError(f"cannot write {target} ({error.strerror}): name another file") from error
    return f"{target} runs alone: copy it to the till, and there: python3 {target.name} run --help"
