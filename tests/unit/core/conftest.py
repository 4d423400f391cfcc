"""How many examples the laws are tried on; `ci` draws the same ones every time."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("laws", max_examples=200, deadline=None)
settings.register_profile(
    "ci", settings.get_profile("laws"), derandomize=True, print_blob=True
)
settings.load_profile("ci" if "CI" in os.environ else "laws")
