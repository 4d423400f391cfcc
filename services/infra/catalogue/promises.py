"""Promises as a catalogue's file declares them: who states, keeps and ends them, and how waiting for them feels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from services.core.catalogue import Entry
from services.core.promise_kinds import CASE, PARTS, WHOLES, After, PromiseKind
from services.core.valence import Const, Late, Wait
from services.infra.catalogue.valence_syntax import SECONDS_MAX, read_wait
from services.infra.catalogue.yaml_nodes import Field
from services.infra.near import nearest

KIND_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
PROPERTY_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")

KINDS_MAX: Final = 50
"""Six times those of the catalogue; each event of a touchpoint that they name is read by all of them."""

ROLES: Final = ("begins", "states", "keeps", "ends")
TOLD: Final = ("slow", "part_missing")
"""The touchpoints that an arrival tells by itself."""

OF_THE_WHOLE: Final = ("about", "parts", "again", *TOLD)
"""What a promise that is the same as another has from that one."""

PLAIN: Final = ("felt", "due", "within_seconds", "missed", "recovers")
KNOWN: Final = ("same_as", *OF_THE_WHOLE, *PLAIN, *ROLES)

DROPPED: Final = "none"
"""What a deployment writes instead of a promise that it does not want."""

Kinds = dict[str, PromiseKind]


def read_promises(
    fields: Mapping[str, Field], *, before: Mapping[str, PromiseKind], entries: Mapping[str, Entry]
) -> Kinds:
    """Read what a file says of promises on top of those there are; what it leaves out stays as it was.

    Reports whatever is wrong to the fields, and to the fields alone: `before` was in order with its own entries.
    """
    kinds = dict(before)
    for name, field in fields.items():
        if name in before and field.word() == DROPPED:
            del kinds[name]
        else:
            kinds[name] = _changed(name, field, before)
    kinds = {name: _completed(kind, kinds, fields) for name, kind in kinds.items()}
    for name, field in fields.items():
        if name in kinds:
            _check(kinds[name], field, entries)
            _check_roles(kinds[name], field, kinds)
    if len(kinds) > KINDS_MAX:
        next(iter(fields.values())).wrong(f"there are more than {KINDS_MAX} promises; leave some out")
    return kinds


def check_told(kinds: Iterable[PromiseKind], entries: Mapping[str, Entry], owner: Field) -> None:
    """Report touchpoints that an arrival tells by itself, and that do not feel as it could tell."""
    for kind in kinds:
        for name, valence, function in ((kind.slow, Wait, "wait"), (kind.part_missing, Const, "const")):
            if name in entries and not isinstance(entries[name].valence, valence):
                owner.wrong(f"{name} is told at the arrival of {kind.name}; its valence must be {{{function}: …}}")


def _changed(name: str, field: Field, before: Mapping[str, PromiseKind]) -> PromiseKind:
    if not KIND_NAME.fullmatch(name):
        field.wrong("is not a promise's name; use up to 40 small letters, digits and underscores")
    required = () if name in before else ("felt", "missed")
    fields = field.record(required=required, optional=KNOWN)
    kind = before.get(name) or PromiseKind(name=name, shares=name, key="", felt=Late(None), missed="")
    changes: dict[str, Any] = {}  # of the types that the readers give
    for key, value in fields.items():
        if key in READERS:
            changes[WRITTEN.get(key, key)] = READERS[key](value)
    return replace(kind, **changes)


def _completed(kind: PromiseKind, kinds: Mapping[str, PromiseKind], fields: Mapping[str, Field]) -> PromiseKind:
    """Give a promise that is the same as another what it has from that one."""
    field = fields.get(kind.name)
    if kind.shares == kind.name:
        if field is not None and not kind.key:
            field.wrong("lacks `about`; say what it is about: order, case or cart")
        return kind
    said = {} if field is None else field.mapping()
    for key in said.keys() & set(OF_THE_WHOLE):
        said[key].wrong(f"is that of {kind.shares}; take it out here")
    other = kinds.get(kind.shares)
    if other is not None and other.shares == other.name:
        return replace(kind, key=other.key, parts=other.parts, again=other.again, slow="", part_missing="")
    if field is None:
        fields[kind.shares].wrong(f"{kind.name} is the same promise; say `{kind.name}: {DROPPED}` as well")
    else:
        instead = _instead(kind.shares, [name for name, one in kinds.items() if one.shares == name])
        said.get("same_as", field).wrong(f"{kind.shares!r} is no promise of its own; {instead}")
    return kind


def _check(kind: PromiseKind, field: Field, entries: Mapping[str, Entry]) -> None:
    """Report what cannot be: touchpoints that there are not, and parts that do not fit together."""
    fields = field.mapping()
    named = [(key, name) for key in ROLES for name in getattr(kind, key)]
    named += [(key, name) for key in ("missed", *TOLD) if (name := getattr(kind, key))]
    for key, name in named:
        if name not in entries:
            fields.get(key, field).wrong(f"{name!r} is not in the catalogue; {_instead(name, entries)}")
    late = isinstance(kind.felt, Late)
    own = kind.shares == kind.name
    for wrong, key, what in (
        (late and not (kind.due or kind.within_s), "felt", "being late needs `due` or `within_seconds`; add one"),
        (not late and bool(kind.due), "due", "is read only where `felt` is late; take it out"),
        (
            isinstance(kind.felt, Wait) and bool(kind.within_s),
            "within_seconds",
            "a wait is felt from its beginning; take it out",
        ),
        (
            bool(kind.within_s) and not kind.begins,
            "within_seconds",
            "is counted from a touchpoint of `begins`; name one",
        ),
        (
            own and kind.again and bool(kind.parts),
            "again",
            "a promise with parts is made once; take one of the two out",
        ),
        (own and bool(kind.part_missing) and not kind.parts, "part_missing", "needs `parts`; name them"),
        (kind.recovers and kind.key != CASE, "recovers", "makes up for the harms of a case; set `about: case`"),
        (not (kind.begins or kind.states or kind.keeps), "begins", "nobody states or keeps it; name a touchpoint"),
    ):
        if wrong:
            fields.get(key, field).wrong(what)


def _check_roles(kind: PromiseKind, field: Field, kinds: Mapping[str, PromiseKind]) -> None:
    """Report touchpoints that do two things to one promise: nobody could tell which of them happened."""
    fields = field.mapping()
    for key, name, said in _roles(kind):
        for other in kinds.values():
            roles = {role: told for _, told, role in _roles(other) if told == name}
            for role in roles.keys() - {said}:
                if other.shares == kind.shares:
                    fields.get(key, field).wrong(f"{name} also {role} it; keep one of the two")


def _roles(kind: PromiseKind) -> Iterable[tuple[str, str, str]]:
    """Give each touchpoint with the key it stands under, and what it does."""
    for key, does in (("begins", "states"), ("states", "states"), ("keeps", "keeps"), ("ends", "ends")):
        yield from ((key, name, does) for name in getattr(kind, key))
    yield "missed", kind.missed, "misses"


def _instead(word: str, options: Iterable[str]) -> str:
    near = nearest(word, options)
    return f"did you mean {near!r}?" if near else "declare it, or name another"


def _felt(field: Field) -> Late | Wait | After:
    if field.word() is not None:
        field.choice(("late", *(f"{{{name}: …}}" for name in FELT)))
        return Late(None)
    functions = field.record(required=(), optional=FELT)
    if len(functions) != 1:
        field.wrong("must be late, {wait: …} or {after: …}")
        return Late(None)
    ((name, arguments),) = functions.items()
    return FELT[name](arguments) if name in FELT else Late(None)


def _after(field: Field) -> After:
    fields = field.record(required=("seconds", "valence"), optional=())
    return After(
        seconds=fields["seconds"].number(least=0, most=SECONDS_MAX) if "seconds" in fields else 0.0,
        v=fields["valence"].number(least=-1, most=0) if "valence" in fields else 0.0,
    )


def _parts(field: Field) -> tuple[str, ...]:
    parts = field.texts()
    for part in parts:
        if part not in PARTS:
            field.wrong(f"{part!r} is not known here; write one of {', '.join(PARTS)}")
    return parts


def _property(field: Field) -> str:
    name = field.text()
    if name and not PROPERTY_NAME.fullmatch(name):
        field.wrong("is not a property's name; use small letters, digits and underscores")
    return name


FELT: Final[Mapping[str, Callable[[Field], Wait | After]]] = MappingProxyType({"wait": read_wait, "after": _after})

WRITTEN: Final[Mapping[str, str]] = MappingProxyType(
    {"same_as": "shares", "about": "key", "within_seconds": "within_s"}
)
"""Where the file has a word of its own."""

READERS: Final[Mapping[str, Callable[[Field], object]]] = MappingProxyType(
    {
        "same_as": Field.text,
        "about": lambda field: field.choice(WHOLES),
        "parts": _parts,
        "felt": _felt,
        "due": _property,
        "within_seconds": lambda field: field.number(least=0, most=SECONDS_MAX),
        "missed": Field.text,
        "begins": Field.texts,
        "states": Field.texts,
        "keeps": Field.texts,
        "ends": Field.texts,
        "again": Field.flag,
        "recovers": Field.flag,
        "slow": Field.text,
        "part_missing": Field.text,
    }
)
