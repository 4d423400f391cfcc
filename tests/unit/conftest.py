"""How many examples the laws are tried on: a look while one writes, four times as many, the same each time, in CI."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile("ci", settings.get_profile("quick"), max_examples=200, derandomize=True, print_blob=True)
settings.load_profile("ci" if "CI" in os.environ else "quick")
