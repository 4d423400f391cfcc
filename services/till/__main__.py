"""`python3 tactus-till.pyz`, and `python -m services.till` in a checkout."""

from __future__ import annotations

import sys

from services.till.command import main

if __name__ == "__main__":
    sys.exit(main())
