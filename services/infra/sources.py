"""Who may send and who may read: the keys of the sources file, by their digests."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from services.infra.errors import ConfigurationError

log = structlog.get_logger(__name__)

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Some ten thousand sources; a larger file is a mistake in the setting's path."""

KEY_CHARS_MAX: Final = 256
"""Our keys have under 60 characters; what is longer is not hashed."""

BROWSER_TOUCHPOINTS: Final = ("web.*", "product.*", "survey.*", "email.*", "promo.*", "x.*")
"""What a public key may send: it cannot forge a delivery or a till."""

OPAQUE: Final = "null"
"""What browsers call the origin of sandboxed frames and files: nobody knows whose it is."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Origin = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z][a-z0-9+.-]*://[^\s/?#*]+)$")]
Glob = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._*-]{1,96}$")]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Name
    keys_sha256: tuple[Digest, ...]
    revoked_sha256: tuple[Digest, ...] = ()


class Source(_Row):
    """One sender of events: a system, a till or a website."""

    kind: Literal["server", "till", "browser"]
    identity: Literal["claimed", "anonymous"] = "claimed"
    touchpoints: tuple[Glob, ...] | None = None
    backfill: bool = False
    origins: tuple[Origin, ...] = ("*",)

    def serves_pages_of(self, origin: str) -> bool:
        """Tell whether pages of this origin may use the key; only a browser's key is known to pages at all."""
        if self.kind != "browser":
            return False
        return origin in self.origins or ("*" in self.origins and origin != OPAQUE)

    def may_send(self, touchpoint: str) -> bool:
        """Tell whether the key's rules let it send this touchpoint."""
        default = BROWSER_TOUCHPOINTS if self.kind == "browser" else ("*",)
        globs = default if self.touchpoints is None else self.touchpoints
        return any(fnmatchcase(touchpoint, glob) for glob in globs)


class Reader(_Row):
    """One reader of scores."""

    scopes: tuple[str, ...] = ("scores:read",)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    source: tuple[Source, ...] = ()
    reader: tuple[Reader, ...] = ()


RowT = TypeVar("RowT", bound=_Row)


class Sources:
    """The valid keys; a key that is unknown, revoked or malformed is None, and no caller learns which."""

    def __init__(self, *, sources: Iterable[Source] = (), readers: Iterable[Reader] = ()) -> None:
        self._sources = _by_digest(sources)
        self._readers = _by_digest(readers)
        self._browsers = [source for source in self._sources.values() if source.kind == "browser"]

    def source(self, key: str) -> Source | None:
        """Tell whose write key this is."""
        return self._sources.get(digest(key))

    def serve_pages_of(self, origin: str) -> bool:
        """Tell whether pages of this origin may use any key."""
        return any(source.serves_pages_of(origin) for source in self._browsers)

    def reader(self, key: str) -> Reader | None:
        """Tell whose read key this is."""
        return self._readers.get(digest(key))


def digest(key: str) -> str:
    """Return what the file holds of a key.

    Keys are compared by looking up their digests: the time that takes tells nothing about a key.
    """
    if len(key) > KEY_CHARS_MAX:
        return ""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _by_digest(rows: Iterable[RowT]) -> Mapping[str, RowT]:
    return {known: row for row in rows for known in row.keys_sha256 if known not in row.revoked_sha256}


def load_sources(path: Path) -> Sources:
    """Read the file; raises ConfigurationError, with the fix, when it cannot be used."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigurationError(
                f"{path} is larger than {FILE_BYTES_MAX} bytes: point TACTUS_SOURCES at the sources file"
            )
        parsed = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}): point TACTUS_SOURCES at the sources file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_first_fault(error)}") from error
    _refuse_doubles(path, parsed)
    return Sources(sources=parsed.source, readers=parsed.reader)


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False)[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
    return f"{where.lstrip('.')}: {fault['msg']}"


def _refuse_doubles(path: Path, parsed: _File) -> None:
    for table, rows in (("source", parsed.source), ("reader", parsed.reader)):
        names = [row.name for row in rows]
        digests = [known for row in rows for known in row.keys_sha256]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"{path}: two [[{table}]] have one name; give each its own")
        if len(set(digests)) < len(digests):
            raise ConfigurationError(f"{path}: one key stands in two places of [[{table}]]; keep it in one")


class SourcesFile:
    """The sources file of a running process: read at the start, and again when the operator says so."""

    def __init__(self, path: Path | None) -> None:
        if path is None:
            raise ConfigurationError(
                "set TACTUS_SOURCES to the TOML file that names the sources and the digests of their keys"
            )
        self._path = path
        self.current = load_sources(path)

    def reload(self) -> None:
        """Take the file as it is; a bad one changes nothing and is logged with its fix."""
        try:
            self.current = load_sources(self._path)
        except ConfigurationError as error:
            log.error("sources_refused", reason=str(error))  # noqa: TRY400 - the message is the fix; a stack is not
            return
        log.info("sources_loaded", path=str(self._path))
