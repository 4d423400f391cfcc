"""What programs call themselves: how much of it is kept, and by which words a rule knows it.

Everything here takes time that grows as the text does: whoever calls at a page's door writes this text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import crawleruseragents
import re2

from services.infra.contacts import without_addresses

AGENT_CHARS_MAX: Final = 256
"""The longest that a browser inside of an app sends, once it is reduced; crawlers are named far before that."""

READ_CHARS_MAX: Final = 1024
"""Of what is sent; the rest is not looked at."""

REMEMBERED_MAX: Final = 4096
"""Agents reduced or matched already, for the next request of the same browser: a site has some hundreds an hour."""

MEMORY_BYTES_MAX: Final = 32 * 1024 * 1024
"""Of the automaton, which is built as texts need it and begun anew when it is full; what people send fills 2 MiB."""

_UNPRINTED: Final = re.compile(r"[^ -~]+")
_VERSION: Final = re.compile(r"(?<![0-9])([0-9]++[._][0-9]++)(?:[._][0-9]++)+")
_NUMBER: Final = re.compile(r"[0-9]{6,}+")
"""Builds, devices, telephones: no rule needs them, and they tell one person from another."""
_ID: Final = re.compile(r"(?<![0-9a-fA-F-])(?=[a-fA-F-]{0,32}[0-9])[0-9a-fA-F-]{12,}+")


def reduced(agent: str) -> str:
    """Return what is kept of a User-Agent: printable ASCII, versions to their second part, no ids and no addresses.

    Rules look at nothing else of it, at the door and ever after.
    """
    return _reduced(agent[:READ_CHARS_MAX])


@lru_cache(maxsize=REMEMBERED_MAX)
def _reduced(agent: str) -> str:
    text = _UNPRINTED.sub(" ", agent)
    text = without_addresses(text.encode()).decode()
    text = _NUMBER.sub("0", _ID.sub("0", _VERSION.sub(r"\1", text)))
    return " ".join(text.split())[:AGENT_CHARS_MAX].rstrip()


def known_tags() -> frozenset[str]:
    """Return by what the kept list of crawlers tells them apart."""
    return frozenset(tag for one in _listed() for tag in one["tags"])


def listed_patterns(tags: Collection[str]) -> list[str]:
    """Return the patterns of the kept list that have one of these tags."""
    return [one["pattern"] for one in _listed() if any(tag in tags for tag in one["tags"])]


def matcher(patterns: Mapping[int, Sequence[str]]) -> Callable[[str], Collection[int]]:
    """Return what tells the numbers whose patterns fit a reduced agent; all patterns are tried in one pass."""
    options = re2.Options()
    options.never_capture = True
    options.max_mem = MEMORY_BYTES_MAX
    options.log_errors = False
    whole = re2.Set.SearchSet(options)
    number_of = [number for number, of_number in patterns.items() for _ in of_number]
    for of_number in patterns.values():
        for pattern in of_number:
            whole.Add(pattern)
    if number_of:
        whole.Compile()

    @lru_cache(maxsize=REMEMBERED_MAX)
    def numbers(agent: str) -> Collection[int]:
        return frozenset(number_of[place] for place in whole.Match(agent) or ()) if number_of else frozenset()

    return numbers


def word_pattern(word: str) -> str:
    """Return the pattern of a word that may stand anywhere, in any case."""
    escaped: str = re2.escape(word)
    return f"(?i:{escaped})"


def _listed() -> Sequence[Mapping[str, Any]]:
    listed: Sequence[Mapping[str, Any]] = crawleruseragents.CRAWLER_USER_AGENTS_DATA
    return listed
