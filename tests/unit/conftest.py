"""How many examples the laws are tried on: a look while one writes, four times as many, the same each time, in CI.

`make laws` tries thousands.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile("ci", settings.get_profile("quick"), max_examples=200, derandomize=True, print_blob=True)
settings.register_profile("full", settings.get_profile("quick"), max_examples=int(os.environ.get("LAWS_COUNT") or 4000))
settings.load_profile("full" if "LAWS_COUNT" in os.environ else "ci" if "CI" in os.environ else "quick")
