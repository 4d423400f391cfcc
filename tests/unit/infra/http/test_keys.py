"""Where a request's key stands."""

from __future__ import annotations

import base64

import pytest

from services.infra.http.keys import bearer_key, bearer_or_user_key


def basic(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


@pytest.mark.parametrize("header", ["Bearer k", "bearer  k ", "  BEARER k"])
def test_a_key_comes_as_bearer(header: str) -> None:
    assert bearer_key([header]) == bearer_or_user_key([header]) == "k"


def test_the_user_of_basic_is_a_key_only_where_collectors_send_it() -> None:
    assert bearer_or_user_key([basic(b"k:")]) == "k"
    assert bearer_key([basic(b"k:")]) is None


@pytest.mark.parametrize(
    "headers",
    [
        [], [""], ["k"], ["Bearer"], ["Bearer "], ["Digest k"], ["Basic !!!"], [basic(b"k")], [basic(b":")],
        [basic(b"k:password")], [basic(b"\xff:")], ["Bearer k", "Bearer k"],
    ],
)  # fmt: skip
def test_anything_but_one_whole_header_is_no_key(headers: list[str]) -> None:
    assert bearer_key(headers) is None
    assert bearer_or_user_key(headers) is None
