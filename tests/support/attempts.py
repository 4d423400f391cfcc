"""Requests to every channel, as its clients send them, and as somebody sends them who means no good.

All of it is made from what a channel says of itself, so that a new one gets the same without another file.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any, Final, NamedTuple

from schemas.limits import BODY_BYTES_MAX, HEADERS_MAX, VALUES_MAX
from services.infra.sources import Sources
from services.ingest.adapter import Adapter, Example
from services.ingest.discovery import discovered
from tests.support.corpus import FOLDER, rows
from tests.support.hooks import NOW, hook_sources, mailgun_signed, providers, scheme_of, signed, with_signature
from tests.support.senders import REVOKED_KEY, SERVER_KEY, SOURCES

CANARY: Final = "whatever-a-stranger-writes"
"""Stands in bad values: no answer may repeat it."""

OLD_S: Final = 36_000
"""Ten hours: no vendor's retries bear a signature so old."""

NOBODYS: Final = "a-key-of-nobody"
BAD_VALUES: Final[Mapping[str, Any]] = {
    "nothing": None,
    "true": True,
    "-1": -1,
    "2^64": 2**64,
    "1e308": 1e308,
    "no text": "",
    "10 kB": "x" * 10_000 + CANARY,
    "U+0000": f"\0{CANARY}",
    "half a surrogate pair": f"\ud800{CANARY}",
    "a mark of writing direction": f"\u202e{CANARY}",
    "line breaks and escapes": f"a\r\nX-A: b\x1b[31m{CANARY}",
    "SQL": f"' OR 1=1;-- {CANARY}",
    "a lookup": "${jndi:ldap://x/a}" + CANARY,
    "markup": f"<script>alert(1)</script>{CANARY}",
    "a leap second in the year 9999": "9999-12-31T23:59:60Z",
    "the year 1": "0001-01-01T00:00:00Z",
    "a list": [],
    "a list of lists": [[[]], [None]],
    "an object": {},
    "a prototype": {"__proto__": {"constructor": CANARY}},
}


class Attempt(NamedTuple):
    """One request, whole."""

    name: str
    path: str
    body: bytes
    headers: Sequence[tuple[str, str]]
    query: Sequence[tuple[str, str]] = ()
    method: str = "POST"
    in_chunks: bool = False
    """Its length is not announced."""
    signed_at: str = NOW


def is_hook(channel: Adapter) -> bool:
    return channel.name in providers()


def asks_query(channel: Adapter) -> bool:
    """Whether its key stands in the address."""
    return "?key=" in channel.key_stands


def sources_of(channel: Adapter) -> Sources:
    """The sources among which a channel's clients of these tests are."""
    return hook_sources() if is_hook(channel) else SOURCES


def as_client(
    channel: Adapter, example: Example, body: bytes | None = None, *, key: str = SERVER_KEY, signed_at: str = NOW
) -> Attempt:
    """An example, or another body in its place, with a good key or signature.

    A vendor that signs inside of its body cannot sign what is no object: that goes without.
    """
    body, headers = example.body if body is None else body, dict(example.headers)
    if is_hook(channel):
        headers, body = _signed(channel, headers, body, signed_at)
    elif not asks_query(channel):
        headers["authorization"] = f"Bearer {key}"
    query = [("key", key)] if asks_query(channel) else []
    return Attempt(example.title, example.path, body, list(headers.items()), query, signed_at=signed_at)


def _signed(channel: Adapter, headers: Mapping[str, str], body: bytes, at: str) -> tuple[dict[str, str], bytes]:
    try:
        return with_signature(channel.name, headers, body, timestamp=at)
    except (ValueError, TypeError, RecursionError):
        return dict(headers), body


def bad_bodies(channel: Adapter, *, signed_at: str = NOW) -> Iterator[Attempt]:
    """Everything in a body that no client of this channel would send, by a client that may send."""
    first, *others = channel.examples
    for name, body in {**_bodies_of_corpus(), **_bodies_of_others(channel), **_with_bad_values(first.body)}.items():
        yield as_client(channel, first, body, signed_at=signed_at)._replace(name=name)
    for one in others:
        # In turn: an example differs from the first in a few places.
        for name, body in list(_with_bad_values(one.body).items())[::7]:
            yield as_client(channel, one, body, signed_at=signed_at)._replace(name=f"{one.title}: {name}")


@cache
def _bodies_of_corpus() -> Mapping[str, bytes]:
    """Each body of the native corpus once, by the name of its first row."""
    first: dict[bytes, str] = {}
    for row in rows():
        if row.method == "POST" and len(row.body) <= BODY_BYTES_MAX:
            first.setdefault(row.body, row.name)
    return {name: body for body, name in first.items()}


def _bodies_of_others(channel: Adapter) -> dict[str, bytes]:
    return {
        f"a body of {other.name}: {example.title}": example.body
        for other in discovered()
        for example in other.examples
        if other is not channel
    }


def _with_bad_values(body: bytes) -> dict[str, bytes]:
    """A body with each of its values replaced by each bad one."""
    found = {}
    lines = body.split(b"\n")
    for at, line in enumerate(lines):
        for where, (name, value) in product(_places(json.loads(line)), BAD_VALUES.items()):
            changed = json.loads(line)
            _put(changed, where, value)
            told = f"line {at}: {'.'.join(map(str, where))} is {name}"
            found[told] = b"\n".join([*lines[:at], json.dumps(changed).encode(), *lines[at + 1 :]])
    return found


def _places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401 - JSON
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inside:
        yield (*above, name)
        yield from _places(one, (*above, name))


def _put(value: Any, where: tuple[str | int, ...], new: object) -> None:  # noqa: ANN401 - JSON
    for name in where[:-1]:
        value = value[name]
    value[where[-1]] = new


Change = Callable[[Adapter, Attempt], Attempt]


def _headed(headers: Mapping[str, str]) -> Change:
    return lambda _, good: good._replace(headers=[*good.headers, *headers.items()])


def _packed(pack: Callable[[bytes], bytes]) -> Change:
    """Gzip of a good body, said to be that, and signed as it stands."""

    def change(channel: Adapter, good: Attempt) -> Attempt:
        headers, body = dict(good.headers), pack(good.body)
        if is_hook(channel):
            headers |= signed(channel.name, body, timestamp=good.signed_at)
        return good._replace(body=body, headers=[*headers.items(), ("content-encoding", "gzip")])

    return change


def _at(path: Callable[[str], str]) -> Change:
    return lambda _, good: good._replace(path=path(good.path))


def _without_key(channel: Adapter, good: Attempt) -> Attempt:
    said = {"authorization", *signed(channel.name, b"")} if is_hook(channel) else {"authorization"}
    kept = [(name, value) for name, value in good.headers if name not in {one.lower() for one in said}]
    return good._replace(headers=kept, query=(), body=channel.examples[0].body)


def _by_nobody(channel: Adapter, good: Attempt) -> Attempt:
    if not is_hook(channel):
        return as_client(channel, channel.examples[0], key=NOBODYS)
    at, example, bare = good.signed_at, channel.examples[0], _without_key(channel, good)
    if scheme_of(channel.name) is None:
        return bare._replace(body=mailgun_signed(example.body, secret=NOBODYS.encode(), timestamp=at))
    if scheme_of(channel.name).algorithm == "ecdsa-p256":  # type: ignore[union-attr]  # it has one
        return bare._replace(
            headers=[*example.headers.items(), *signed(channel.name, b"another body", timestamp=at).items()]
        )
    headers = {**example.headers, **signed(channel.name, example.body, secret=NOBODYS.encode(), timestamp=at)}
    return bare._replace(headers=list(headers.items()))


def _long_ago(channel: Adapter, good: Attempt) -> Attempt:
    at = str(int(good.signed_at) - OLD_S)
    return as_client(channel, channel.examples[0], signed_at=at)


def _twice(channel: Adapter, good: Attempt) -> Attempt:
    """The key, or what it signed, in its place twice."""
    if asks_query(channel):
        return good._replace(query=[*good.query, *good.query])
    names = {"authorization"} if not is_hook(channel) else {name.lower() for name in signed(channel.name, good.body)}
    return good._replace(headers=[*good.headers, *(one for one in good.headers if one[0].lower() in names)])


def _crowded(channel: Adapter, good: Attempt) -> Attempt:
    example, many = channel.examples[0], b"1," * VALUES_MAX
    body = example.body
    crowded = b"[" + many + body[1:] if body[:1] == b"[" else b'{"more":[' + many + b"1]," + body[1:]
    return as_client(channel, example, crowded, signed_at=good.signed_at)


def _of_another_vendor(channel: Adapter, good: Attempt) -> Attempt:
    """What the next vendor sends; of one that signs inside of an object, an object."""
    hooks = [one for one in discovered() if is_hook(one)]
    at = next(place for place, one in enumerate(hooks) if one.name == channel.name)
    others = [one.examples[0].body for one in (*hooks[at + 1 :], *hooks[:at])]
    other = next(body for body in others if body[:1] == b"{")
    return as_client(channel, channel.examples[0], other, signed_at=good.signed_at)


def _of_size(size: int, *, in_chunks: bool) -> Change:
    return lambda _, good: good._replace(body=good.body.ljust(size), in_chunks=in_chunks)


CHANGES: Final[Mapping[str, Change]] = {
    "without a key": _without_key,
    "by nobody's key": _by_nobody,
    "by a revoked key": lambda channel, _: as_client(channel, channel.examples[0], key=REVOKED_KEY),
    "signed long ago": _long_ago,
    "the key twice": _twice,
    "another vendor's body": _of_another_vendor,
    "to nobody": _at(lambda path: path.rpartition("/")[0] + "/nobody"),
    "by GET": lambda _, good: good._replace(method="GET", body=b""),
    "by PUT": lambda _, good: good._replace(method="PUT"),
    "by TRACE": lambda _, good: good._replace(method="TRACE", body=b""),
    "a slash behind": _at(lambda path: f"{path}/"),
    "a slash before": _at(lambda path: f"/{path}"),
    "dots in the path": _at(lambda path: f"/nowhere/%2e%2e{path}"),
    "U+0000 in the path": _at(lambda path: f"{path}%00"),
    "too many headers": _headed({f"x-{number}": "1" for number in range(HEADERS_MAX)}),
    "17 KiB of headers": _headed({"x-long": "x" * 17 * 1024}),
    "1 MiB and 1": _of_size(BODY_BYTES_MAX + 1, in_chunks=False),
    "1 MiB and 1 in chunks": _of_size(BODY_BYTES_MAX + 1, in_chunks=True),
    "said to be brotli": _headed({"content-encoding": "br"}),
    "said to be gzip twice": _headed({"content-encoding": "gzip, gzip"}),
    "a bomb": _packed(lambda body: gzip.compress(body + b" " * 12 * BODY_BYTES_MAX)),
    "ten thousand members": _packed(lambda body: gzip.compress(b"") * 10_000 + gzip.compress(body)),
    "gzip of gzip": _packed(lambda body: gzip.compress(gzip.compress(body))),
    "gzip cut off": _packed(lambda body: gzip.compress(body)[:-9]),
    "gzip with junk behind": _packed(lambda body: gzip.compress(body) + b"junk"),
    "gzip with a wrong checksum": _packed(lambda body: gzip.compress(body)[:-8] + b"\0" * 8),
    "too many values": _crowded,
}
"""What becomes of a good request, by the name that a row of the corpus calls it."""

ONLY_OF: Final[Mapping[str, Callable[[Adapter], bool]]] = {
    "all": lambda _: True,
    "keys": lambda channel: not is_hook(channel),
    "hooks": is_hook,
    "signed headers": lambda channel: is_hook(channel) and scheme_of(channel.name) is not None,
    "signed times": lambda channel: is_hook(channel) and _has_times(channel.name),
}


def _has_times(provider: str) -> bool:
    scheme = scheme_of(provider)
    return scheme is None or scheme.tolerance is not None


class Expected(NamedTuple):
    """What a row says of one channel."""

    status: int
    problem: str | None
    kept: bool
    letters: int


def changed_requests(channel: Adapter, *, signed_at: str = NOW) -> Iterator[tuple[Attempt, Expected]]:
    """A good request, changed as each row of the corpus says that is of this channel, and what it must get."""
    for line in (FOLDER / "every-channel.jsonl").read_text().splitlines():
        row = json.loads(line)
        if ONLY_OF[row.get("of", "all")](channel):
            good = as_client(channel, channel.examples[0], signed_at=signed_at)
            told = row.get("packing", {}).get(channel.packing.name, row)
            taken = told["status"] is None
            expected = Expected(
                channel.examples[0].answers if taken else told["status"], told["problem"], taken, told["letters"]
            )
            yield CHANGES[row["change"]](channel, good)._replace(name=row["name"]), expected
