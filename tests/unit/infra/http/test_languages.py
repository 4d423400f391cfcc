"""Which language a request would like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.infra.http.languages import HEADER_CHARS_MAX, language_of

LANGUAGES = ("en", "pl")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"), ("", "en"), ("pl", "pl"), ("PL-pl", "pl"), ("pl-PL,pl;q=0.9,en-US;q=0.8,en;q=0.7", "pl"),
        ("en,pl", "en"), ("en;q=0.5,pl", "pl"), ("en;q=0.5, pl;q=0.500", "en"), ("de,fr", "en"), ("*", "en"),
        ("de, *;q=0.1, pl;q=0.2", "pl"), ("pl;q=0", "en"), ("pl;q=0.0,de", "en"), ("pl;q=2", "en"), ("pl;q=x,en;q=0.1", "en"),
        (";;;,pl", "pl"), ("pl_PL", "en"), ("x" * HEADER_CHARS_MAX + ",pl", "en"),
    ],
)  # fmt: skip
def test_the_language_is_the_best_liked_of_those_there_are(header: str | None, language: str) -> None:
    assert language_of(header, LANGUAGES) == language


@given(st.text())
def test_any_header_asks_for_a_language_there_is(header: str) -> None:
    assert language_of(header, LANGUAGES) in LANGUAGES
