"""Who may send and who may read: the keys of the sources file, by their digests."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.infra.errors import ConfigurationError
from services.infra.hook_rows import Hook, HookRow, hook_of
from services.infra.source_faults import MAKE_A_KEY, Fault, fault_of, last_line_with, said, toml_fault, trivial_digests
from services.infra.spelling import calling_code, is_region
from services.infra.staff import StaffRow

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Some ten thousand sources; a larger file is a mistake in the setting's path."""

KEY_CHARS_MAX: Final = 256
"""Our keys have under 60 characters; what is longer is not hashed."""

BROWSER_TOUCHPOINTS: Final = ("web.*", "product.*", "survey.*", "email.*", "promo.*", "x.*")
"""What a public key may send: it cannot forge a delivery or a till."""

BROWSER_DAYS_MAX: Final = 1
"""How old a public key's events may be: a page that was offline over night; older ones would only rewrite the past."""

DAYS_MAX: Final = 400
"""What the score reads and the store keeps; older events could not be recognised when they come again."""

OPAQUE: Final = "null"
"""What browsers call the origin of sandboxed frames and files: nobody knows whose it is."""

TRAITS_MAX: Final = 32
"""Of a source's persons so much is worth knowing; every event of theirs that names them bears it."""

PERSONAL_TRAITS: Final = frozenset(
    {
        "email", "emailaddress", "mail", "phone", "phonenumber", "mobile", "mobilephone", "telephone", "tel", "fax",
        "address", "street", "postcode", "postalcode", "zip", "zipcode", "latitude", "longitude", "ip",
        "name", "firstname", "lastname", "fullname", "middlename", "surname", "username", "nickname", "birthday", "birthdate",
        "dateofbirth", "avatar", "ssn", "pesel",
    }
)  # fmt: skip
"""What names or finds somebody is never kept, however it is written; a score needs none of it."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Origin = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z][a-z0-9+.-]*://[^\s/?#*]+)$")]
Rate = Annotated[int, Field(ge=1, le=1_000_000)]
Scope = Literal["scores:read", "alerts:write", "dead-letters:read", "dead-letters:write", "webhooks"]
Glob = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._*-]{1,96}$")]


def _trait(name: str) -> str:
    if "".join(filter(str.isalnum, name)).casefold() in PERSONAL_TRAITS:
        raise ValueError
    return name


Trait = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_. -]{1,64}$"), AfterValidator(_trait)]


def _region(region: str) -> str:
    if not is_region(region):
        raise ValueError
    return region


@lru_cache(maxsize=4096)
def _matches(globs: tuple[Glob, ...], touchpoint: str) -> bool:
    """Remembered, for it is asked of every event: a shop has some dozens of touchpoints and of keys."""
    return any(fnmatchcase(touchpoint, glob) for glob in globs)


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Name
    keys_sha256: tuple[Digest, ...]
    revoked_sha256: tuple[Digest, ...] = ()


class Source(_Row):
    """One sender of events: a system, a till or a website."""

    kind: Literal["server", "till", "browser"]
    identity: Literal["claimed", "anonymous"] | None = None
    impressions: Literal["own", "catalogue"] | None = None
    touchpoints: tuple[Glob, ...] | None = None
    age_days_max: Annotated[int, Field(ge=1, le=DAYS_MAX)] | None = None
    region: Annotated[str, AfterValidator(_region)] | None = None
    former_spellings: bool = False
    backfill: bool = False
    replay: bool = False
    """It may send dead letters again, each in the name of the source that it came from."""
    places: bool = False
    traits: Annotated[tuple[Trait, ...], Field(max_length=TRAITS_MAX)] = ()
    """Of what a client says of a person, these are kept: others are nobody's business, and most are personal."""
    previous_ids: Literal["customers", "visitors"] | None = None
    """What an alias says somebody was called before; None: the form of the id tells."""
    origins: tuple[Origin, ...] = ("*",)
    events_per_s_max: Rate | None = None
    address_events_per_s_max: Rate | None = None
    identity_events_per_s_max: Rate | None = None
    day_bytes_max: Annotated[int, Field(ge=1)] | None = None
    hook: HookRow | None = None
    staff: StaffRow | None = None

    @property
    def believes_claims(self) -> bool:
        """Tell whether its events may name persons, beside devices and visitors: of a public key only if it says so."""
        return self.kind != "browser" if self.identity is None else self.identity == "claimed"

    @property
    def may_weigh(self) -> bool:
        """Tell whether its events may say how good something was, and how much it matters."""
        return self.kind != "browser" if self.impressions is None else self.impressions == "own"

    @property
    def days_max(self) -> int | None:
        """How many days ago its events may have happened; None: at any time."""
        if self.backfill:
            return None
        return self.age_days_max or (BROWSER_DAYS_MAX if self.kind == "browser" else DAYS_MAX)

    def on_page(self, origin: str | None) -> Source:
        """Return what counts for a request of this origin: nobody's page has nobody's word on who a visitor is."""
        if origin is None and self.kind == "browser" and self.believes_claims:
            return self.model_copy(update={"identity": "anonymous"})
        return self

    def serves_pages_of(self, origin: str) -> bool:
        """Tell whether pages of this origin may use the key; only a browser's key is known to pages at all."""
        if self.kind != "browser":
            return False
        return origin in self.origins or ("*" in self.origins and origin != OPAQUE)

    def may_send(self, touchpoint: str) -> bool:
        """Tell whether the key's rules let it send this touchpoint."""
        default = BROWSER_TOUCHPOINTS if self.kind == "browser" else ("*",)
        globs = default if self.touchpoints is None else self.touchpoints
        return _matches(globs, touchpoint)

    @property
    def may_set_place(self) -> bool:
        """Tell whether the key's events may say where they happened: a page can write anything there."""
        return self.places or self.kind != "browser"


class Reader(_Row):
    """One reader of scores."""

    scopes: tuple[Scope, ...] = ("scores:read",)
    requests_per_s_max: Rate | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    source: tuple[Source, ...] = ()
    reader: tuple[Reader, ...] = ()


RowT = TypeVar("RowT", bound=_Row)


class Sources:
    """The valid keys; a key that is unknown, revoked or malformed is None, and no caller learns which."""

    def __init__(
        self,
        *,
        sources: Iterable[Source] = (),
        readers: Iterable[Reader] = (),
        hooks: Mapping[str, Hook] = MappingProxyType({}),
    ) -> None:
        """Know these rows, and by a source's name what its hook's signatures are checked with."""
        sources, readers = list(sources), list(readers)
        self._hooks = {
            (source.hook.provider, source.name): (source, hooks[source.name])
            for source in sources
            if source.hook is not None and source.name in hooks
        }
        # A key that is withdrawn in one row is withdrawn in all.
        revoked = {known for row in (*sources, *readers) for known in row.revoked_sha256}
        self._sources = _by_digest(sources, revoked)
        self._by_name = {source.name: source for source in sources}
        self._readers = _by_digest(readers, revoked)
        self.with_staff = [source for source in sources if source.staff is not None]
        self._browsers = [source for source in self._sources.values() if source.kind == "browser"]
        heard = {source.name for source in self._sources.values()} | {name for _, name in self._hooks}
        self._configured = {source.name: source for source in sources if source.name in heard}

    @property
    def configured(self) -> Mapping[str, Source]:
        """By name, in the file's order, the sources from which anything can come: by a key, or by a hook."""
        return self._configured

    def source(self, key: str) -> Source | None:
        """Tell whose write key this is."""
        return self._sources.get(digest(key))

    def named(self, name: str) -> Source | None:
        """Find a source by its name, whatever keys it has left."""
        return self._by_name.get(name)

    def hook(self, provider: str, name: str) -> tuple[Source, Hook] | None:
        """Find the source to which a provider's webhooks come under this name."""
        return self._hooks.get((provider, name))

    def hook_of(self, source: Source) -> Hook | None:
        """Find what a source's webhooks are read and checked with, if any come to it."""
        found = None if source.hook is None else self._hooks.get((source.hook.provider, source.name))
        return None if found is None else found[1]

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


def _by_digest(rows: Iterable[RowT], revoked: Collection[str]) -> Mapping[str, RowT]:
    return {known: row for row in rows for known in row.keys_sha256 if known not in revoked}


def load_sources(path: Path) -> Sources:
    """Read the file, and none of the secrets that it names; raises ConfigurationError, with the line and the fix."""
    file, _ = _read(path)
    return Sources(sources=file.source, readers=file.reader)


def load_sources_with_secrets(path: Path, *, touchpoints: Collection[str] | None = None) -> Sources:
    """Read the file, the secrets of its hooks and their maps, as who takes their requests must.

    `touchpoints` are the names that the catalogue knows, to check maps by. Raises ConfigurationError.
    """
    file, text = _read(path)
    hooks = {}
    for position, row in enumerate(file.source):
        if row.hook is None:
            continue
        try:
            hooks[row.name] = hook_of(row.hook, path.parent, touchpoints=touchpoints)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{path}, {said(Fault(('source', position, 'hook'), str(error)), text)}"
            ) from error
    return Sources(sources=file.source, readers=file.reader, hooks=hooks)


def _read(path: Path) -> tuple[_File, str]:
    """Read and check the file; raises ConfigurationError when it cannot be used."""
    text = _text_of(path)
    try:
        parsed = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}, {toml_fault(error, text)}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}, {said(fault_of(error), text)}") from error
    _refuse_equal_names(path, text, "source", parsed.source)
    _refuse_equal_names(path, text, "reader", parsed.reader)
    _refuse_claims_of_any_page(path, text, parsed.source)
    _refuse_replays_by_others(path, text, parsed.source)
    _refuse_former_spellings_of_two_countries(path, text, parsed.source)
    _refuse_staff_that_is_nobody(path, text, parsed.source)
    _refuse_equal_and_trivial_keys(path, text, [*parsed.source, *parsed.reader])
    return parsed, text


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigurationError(
                f"{path} is larger than {FILE_BYTES_MAX} bytes: point TACTUS_SOURCES at the sources file"
            )
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}): point TACTUS_SOURCES at the sources file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML, which is UTF-8: {error}: write the file in UTF-8") from error


def _refuse_equal_names(path: Path, text: str, table: str, rows: Sequence[_Row]) -> None:
    seen: set[str] = set()
    for position, row in enumerate(rows):
        if row.name in seen:
            fault = Fault((table, position, "name"), "is the name of another one: give each its own")
            raise ConfigurationError(f"{path}, {said(fault, text)}")
        seen.add(row.name)


def _refuse_claims_of_any_page(path: Path, text: str, sources: Sequence[Source]) -> None:
    """Everybody can read a page's key, and with it could say anything about anyone."""
    for position, source in enumerate(sources):
        if source.kind == "browser" and source.believes_claims and "*" in source.origins:
            fault = Fault(
                ("source", position, "identity"),
                'lets any page name any customer: write the pages that may, origins = ["https://shop.example"], '
                'or identity = "anonymous"',
            )
            raise ConfigurationError(f"{path}, {said(fault, text)}")


def _refuse_replays_by_others(path: Path, text: str, sources: Sequence[Source]) -> None:
    """Whoever may send in everybody's name holds a secret, which a page's or a till's key is not for long."""
    for position, source in enumerate(sources):
        if source.replay and source.kind != "server":
            fault = Fault(
                ("source", position, "replay"),
                'lets it send in the name of any source: make a row of its own for the operator, kind = "server"',
            )
            raise ConfigurationError(f"{path}, {said(fault, text)}")


def _refuse_staff_that_is_nobody(path: Path, text: str, sources: Sequence[Source]) -> None:
    """What no event could name would let its staff score as customers, and say nothing."""
    for position, source in enumerate(sources):
        place = None if source.staff is None else source.staff.nobody(region=source.region)
        if place is not None:
            fault = Fault(
                ("source", position, "staff", "identities", place),
                "names nobody: write kind:value as events do, such as email:ann@shop.example, and numbers with their "
                "country code or the source's region",
            )
            raise ConfigurationError(f"{path}, {said(fault, text)}")


def _refuse_former_spellings_of_two_countries(path: Path, text: str, sources: Sequence[Source]) -> None:
    """Numbers without their country had one hash whosever they were: two persons of two countries would become one."""
    countries: dict[int, str] = {}
    for position, source in enumerate(sources):
        if source.former_spellings and source.region is not None:
            countries.setdefault(calling_code(source.region), source.region)
            if len(countries) > 1:
                fault = Fault(
                    ("source", position, "former_spellings"),
                    f"is already true for a source whose region is {next(iter(countries.values()))}: one number of two "
                    "countries had one hash, and would make one person of two; let it be true for sources of one country",
                )
                raise ConfigurationError(f"{path}, {said(fault, text)}")


def _refuse_equal_and_trivial_keys(path: Path, text: str, rows: Sequence[_Row]) -> None:
    revoked = {known for row in rows for known in row.revoked_sha256}
    seen: set[str] = set()
    for known in (known for row in rows for known in row.keys_sha256):
        if known in seen:
            raise ConfigurationError(
                f"{path}, {last_line_with(known, text)}: one key stands in two places of the file: keep it in one"
            )
        if known in trivial_digests() and known not in revoked:
            raise ConfigurationError(
                f"{path}, {last_line_with(known, text)}: this is the digest of an example key, which anybody can "
                f"guess: {MAKE_A_KEY}"
            )
        seen.add(known)
