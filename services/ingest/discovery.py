"""Find the channels: every module in the folder of adapters is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import yaml

from services.infra.catalogue.reading import CatalogueFile
from services.ingest import adapters
from services.ingest.adapter import Adapter
from services.ingest.names import Names


def discovered() -> Sequence[Adapter]:
    """Return every channel, by its name's order; raises ValueError where two claim one path."""
    modules = sorted(module.name for module in iter_modules(adapters.__path__))
    found: list[Adapter] = [import_module(f"{adapters.__name__}.{name}").ADAPTER for name in modules]
    claimed = Counter(path for adapter in found for path in (*adapter.routes, *(page.path for page in adapter.pages)))
    twice = sorted(path for path, times in claimed.items() if times > 1)
    if twice:
        raise ValueError(f"two adapters claim {', '.join(twice)}: give each path to one of them")
    return found


def names_of(adapter: Adapter, catalogue: CatalogueFile) -> Names:
    """Return what a channel's names mean: by the file beside it, and by the catalogue's aliases, which come first."""
    beside = [(name, touchpoint) for touchpoint, names in _beside(adapter).items() for name in names]
    aliases = [pair for system in adapter.systems for pair in catalogue.aliases.get(system, {}).items()]
    return Names([*beside, *aliases], declared=catalogue.catalogue.entries)


def _beside(adapter: Adapter) -> Mapping[str, Sequence[str]]:
    """Read `<name>.yaml`: by touchpoint, what the channel's clients call it."""
    files = [file for folder in adapters.__path__ if (file := Path(folder) / f"{adapter.name}.yaml").is_file()]
    return yaml.safe_load(files[0].read_text("utf-8")) if files else {}
