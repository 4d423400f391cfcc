"""Refuse variables of ours that nothing reads: a mistyped setting would keep its default in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import BaseModel

from services.infra.errors import ConfigurationError
from services.infra.near import hint

PREFIX: Final = "TACTUS_"


def refuse_unknown(variables: Iterable[str], *, settings: type[BaseModel]) -> None:
    """Raise ConfigurationError, with what was probably meant, for a variable that is none of the settings."""
    ours = sorted(name for name in map(str.upper, variables) if name.startswith(PREFIX))
    # Kubernetes tells each container of every service around it: TACTUS_API_SERVICE_HOST, TACTUS_API_PORT, …
    services = [name.removesuffix("_SERVICE_HOST") for name in ours if name.endswith("_SERVICE_HOST")]
    told = tuple(f"{service}_{word}" for service in services for word in ("SERVICE_", "PORT"))
    known = [*_names(settings, prefix=PREFIX)]
    sections = {name.rpartition("__")[0] for name in known}
    for name in ours:
        if name in known or name in sections or (told and name.startswith(told)):
            continue
        instead = hint(name, known, otherwise="docs/reference/settings.md has them all;")
        raise ConfigurationError(f"{name} is no setting: {instead} correct it or unset it")


def _names(model: type[BaseModel], *, prefix: str) -> Iterator[str]:
    """Every variable that is read, sections first in the name."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _names(kind, prefix=f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}"
