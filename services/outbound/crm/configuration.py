"""The file of CRM connectors: what each system is called, where it is, which fields it has and what it may be asked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.infra.errors import ConfigurationError
from services.infra.source_faults import toml_fault
from services.outbound.crm.budget import Budget

FIELDS: Final = (
    "score", "confidence", "band", "as_of", "version", "reasons", "reason_1", "reason_2", "reason_3", "link", "merged_into",
)  # fmt: skip
"""What a record can be told."""

NO_KEYS: Final = frozenset({"email", "phone", "email_hash", "phone_hash", "anonymous", "device"})
"""Kinds of identities that change hands or change with their owner: a record found by one may be somebody else's."""

ADDRESS_FIELD: Final = re.compile(r"(?i)e-?mail|phone|mobile")

CONNECTORS_MAX: Final = 20
"""Each has a task, a connection and a label of metrics of its own."""

System = Literal["hubspot", "salesforce", "odoo", "tryton", "http"]
FieldName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.-]+$")]
RecordField = Literal[
    "score",
    "confidence",
    "band",
    "as_of",
    "version",
    "reasons",
    "reason_1",
    "reason_2",
    "reason_3",
    "link",
    "merged_into",
]

BUDGETS: Final[Mapping[System, tuple[int, float, int]]] = {
    "hubspot": (90, 10.0, 225_000),
    "salesforce": (100, 10.0, 50_000),
    "odoo": (50, 10.0, 500_000),
    "tryton": (100, 10.0, 1_000_000),
    "http": (50, 10.0, 500_000),
}
"""Calls, in so many seconds, and calls a day, where the file says nothing: what is left to others is theirs."""


def _no_address(name: str) -> str:
    if ADDRESS_FIELD.search(name):
        raise ValueError(
            "an address or a number changes its owner, and then the record is somebody else's: name a field that holds your own id"
        )
    return name


class Closed(BaseModel):
    """A table that holds what it may hold and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BudgetTable(Closed):
    """What a system may be asked."""

    burst_calls: int | None = Field(default=None, ge=1, le=100_000)
    burst_s: float | None = Field(default=None, gt=0, le=3600)
    day_calls: int | None = Field(default=None, ge=1, le=1_000_000_000)


class OAuthTable(Closed):
    """How a token is got and renewed."""

    token_url: str = Field(pattern=r"^https?://\S+$")
    client_id: str = Field(min_length=1, max_length=500)
    client_secret_file: Path
    refresh_token_file: Path | None = None
    """With one, the token is refreshed; without, the client's own rights are asked for."""


class TaskTable(Closed):
    """Where a task is opened on a critical alert."""

    object: FieldName
    subject_field: FieldName
    description_field: FieldName
    values: dict[str, Any] = Field(default_factory=dict)
    """Fields that every task has."""


class HttpTable(Closed):
    """How a system of another kind is spoken to."""

    method: Literal["PUT", "PATCH", "POST"] = "PATCH"
    path: str = Field(pattern=r"^/\S*\{key\}\S*$")
    """Of a record; {key} stands for the key."""
    authorization: str = "Bearer {secret}"
    body: dict[str, Any] = Field(default_factory=dict)
    """What is sent; "{fields}" stands for all fields. Left out: the fields themselves."""
    read_within: str = ""
    """Under which name of the answer to GET the fields are; empty: the answer holds them."""


class ConnectorTable(Closed):
    """One system."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    system: System
    url: str = Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    object: FieldName = "contacts"
    key_field: Annotated[FieldName, AfterValidator(_no_address)]
    key_kind: str = Field(default="customer", pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    user: str = ""
    database: str = ""
    api_version: str = Field(default="", max_length=20, pattern=r"^[A-Za-z0-9.-]*$")
    secret_file: Path | None = None
    secret_days: int | None = Field(default=None, ge=1, le=3650)
    """How long the secret is good for, where the system ends it."""
    oauth: OAuthTable | None = None
    language: Literal["en", "pl"] = "en"
    link: str = Field(default="", max_length=500)
    erased: Literal["blank", "delete"] = "blank"
    fields: dict[RecordField, FieldName] = Field(min_length=1)
    budget: BudgetTable = BudgetTable()
    task: TaskTable | None = None
    http: HttpTable | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.key_kind in NO_KEYS:
            raise ValueError(
                f"key_kind = {self.key_kind!r} is no stable key: write the kind of your own ids, such as customer or loyalty"
            )
        if self.secret_file is None and self.oauth is None:
            raise ValueError(
                'the system needs a secret: write secret_file = "/run/secrets/…", or a table [connector.oauth]'
            )
        if (self.system == "http") != (self.http is not None):
            raise ValueError(
                'a table [connector.http] belongs to system = "http", and to no other: add it or take it out'
            )
        if self.task is not None and self.system != "tryton":
            raise ValueError('tasks are opened by system = "tryton" alone: take [connector.task] out')
        if self.key_field in self.fields.values() or len(set(self.fields.values())) < len(self.fields):
            raise ValueError("each of the fields and the key must have a name of its own over there: mend fields")
        return self

    @cached_property
    def limits(self) -> Budget:
        """What the system may be asked."""
        calls, seconds, day = BUDGETS[self.system]
        said = self.budget
        return Budget(said.burst_calls or calls, said.burst_s or seconds, said.day_calls or day)

    def link_to(self, customer: str) -> str:
        """The address of a customer's page."""
        return self.link.replace("{customer}", quote(customer, safe=":"))


class ConnectorsFile(Closed):
    """All systems."""

    connector: Sequence[ConnectorTable] = Field(default=(), max_length=CONNECTORS_MAX)

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        if len({one.name for one in self.connector}) < len(self.connector):
            raise ValueError("two connectors have the same name: rename one, or the records of both would be one")
        return self


def load_connectors(path: Path | None) -> ConnectorsFile:
    """Read the file; without one there are none. Raises ConfigurationError with the line and its fix."""
    if path is None:
        return ConnectorsFile()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error}); restore it, or unset TACTUS_OUTBOUND__CRM"
        ) from error
    try:
        file = ConnectorsFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {toml_fault(error, text)}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_fault(error, text)}") from error
    folder = path.parent
    return ConnectorsFile(connector=tuple(_at(one, folder) for one in file.connector))


def _at(one: ConnectorTable, folder: Path) -> ConnectorTable:
    """Find secrets beside the file when their paths are not whole."""
    changes: dict[str, object] = {}
    if one.secret_file is not None:
        changes["secret_file"] = folder / one.secret_file
    if one.oauth is not None:
        files = {
            name: folder / path
            for name in ("client_secret_file", "refresh_token_file")
            if (path := getattr(one.oauth, name)) is not None
        }
        changes["oauth"] = one.oauth.model_copy(update=files)
    return one.model_copy(update=changes)


_TABLE: Final = re.compile(r"\s*\[\[\s*connector\s*\]\]")
_FIELD: Final = re.compile(r"\s*\[?(?:connector\.)?\"?([\w-]+)\"?\s*[=\]]")


def _fault(error: ValidationError, text: str) -> str:
    """Say the first fault with its line; nothing of what stands in the file is repeated but names of fields."""
    found = error.errors(include_input=False, include_url=False)[0]
    names = [str(part) for part in found["loc"][2:] if part != "[key]"]
    match found["type"]:
        case "missing":
            fix = "is missing: write it"
        case "extra_forbidden":
            fix = "is not known: take it out, or look at docs/how-to/crm.md for its name"
        case "literal_error":
            fix = f"is wrong: write one of {found['ctx']['expected']}"
        case _:
            fix = found["msg"].removeprefix("Value error, ")
    return f"line {_line(found['loc'], names, text)}: {'.'.join(names) or 'connector'}: {fix}"


def _line(place: Sequence[str | int], names: Sequence[str], text: str) -> int:
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if _TABLE.match(line)]
    row = place[1] if len(place) > 1 and isinstance(place[1], int) else 0
    if row >= len(starts):
        return 1
    start, end = starts[row], starts[row + 1] if row + 1 < len(starts) else len(lines)
    for name in names:
        start = next((at for at in range(start, end) if (field := _FIELD.match(lines[at])) and field[1] == name), start)
    return start + 1
