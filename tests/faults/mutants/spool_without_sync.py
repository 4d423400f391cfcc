"""A spool that acknowledges before the disk has anything. A plugin of pytest."""

from __future__ import annotations

import os
from types import SimpleNamespace

from services.ingest import spool

kept = {name: getattr(os, name) for name in dir(os) if not name.startswith("_")}
spool.os = SimpleNamespace(**kept | {"fdatasync": lambda _: None})  # type: ignore[assignment,attr-defined]  # the mutation
