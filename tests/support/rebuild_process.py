"""`tactus rebuild` with small portions, as a process that a test may kill: `python -m tests.support.rebuild_process ROWS`."""

from __future__ import annotations

import sys

from services.commands import rebuild
from services.state import rebuilding


def main() -> None:
    rebuilding.ROWS = int(sys.argv[1])  # type: ignore[misc]
    rebuilding.CAUGHT_LEFT_MAX = 3  # type: ignore[misc]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.exit(rebuild.run(shadow=False, data=None))


if __name__ == "__main__":
    main()
