"""Find the channels: every module in the folder of adapters is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from services.ingest import adapters
from services.ingest.adapter import Adapter


def discovered() -> Sequence[Adapter]:
    """Return every channel, by its name's order; raises ValueError where two claim one path."""
    modules = sorted(module.name for module in iter_modules(adapters.__path__))
    found: list[Adapter] = [import_module(f"{adapters.__name__}.{name}").ADAPTER for name in modules]
    claimed = Counter(path for adapter in found for path in (*adapter.routes, *(page.path for page in adapter.pages)))
    twice = sorted(path for path, times in claimed.items() if times > 1)
    if twice:
        raise ValueError(f"two adapters claim {', '.join(twice)}: give each path to one of them")
    return found
