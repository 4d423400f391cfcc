"""Expressions find things, and whoever writes them and whatever they are tried on, they end soon."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.infra.mapping.expressions import (
    CHARS_MAX,
    DEPTH_MAX,
    FUNCTIONS,
    Exhausted,
    Expression,
    Faulty,
    Unfit,
    Work,
    holds,
)
from tests.support.senders import PATIENT

BODY = {"a": {"b": "x"}, "rows": [{"n": 1, "t": "one"}, {"n": 2, "t": "two"}], "text": "12"}


def found(text: str, body: object = BODY, *, steps: int = 1000) -> object:
    return Expression(text).find(body, Work(steps))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b", "x"),
        ("a.nothing.deeper", None),
        ("rows[?n > `1`].t | [0]", "two"),
        ("rows[*].t", ["one", "two"]),
        ("length(rows)", 2),
        ("to_number(text) > `10`", True),
        ("starts_with(nothing, 'a')", None),
        ("not_null(nothing, a.b)", "x"),
        ("ceil(to_number('inf'))", None),
        ("max_by(rows, &n).t", "two"),
        ('"a"."b"', "x"),
    ],
)
def test_an_expression_finds_what_jmespath_finds(text: str, value: object) -> None:
    assert found(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.", "is no JMESPath"),
        ("a b", "is no JMESPath at character 3"),
        ("a[?", "is no JMESPath"),
        ("a.'", "is no JMESPath"),
        ("[a, b]", "makes a list or an object"),
        ("{x: a}", "makes a list or an object"),
        ("join(',', rows)", "calls join, which is no function here"),
        ("to_string(@)", "calls to_string"),
        ("nonsense(@)", "calls nonsense"),
        ("length()", "gives length 0 values, and it takes 1"),
        ("contains(a, b, a)", "gives contains 3 values, and it takes 2"),
        ("a" * (CHARS_MAX + 1), "has 513 characters"),
        ("!" * 100 + "a", f"nests deeper than {DEPTH_MAX}"),
        ("||".join(["a"] * 100), "nests deeper than"),
        (f"not_null({','.join('a' * 100)})", "has more than 96 parts"),
    ],
)
def test_an_expression_that_cannot_be_used_is_told_why(text: str, message: str) -> None:
    with pytest.raises(Faulty) as error:
        Expression(text)

    assert message in str(error.value)


def test_a_text_compared_with_a_number_is_told_and_not_taken_for_no() -> None:
    with pytest.raises(Unfit, match=r"write to_number"):
        found("text > `10`")


def test_a_filter_of_more_than_may_be_visited_ends() -> None:
    with pytest.raises(Exhausted):
        found("@[?@ == `1`]", list(range(1000)))


def test_lists_that_are_joined_cost_what_they_hold() -> None:
    with pytest.raises(Exhausted):
        found("@[]", [[0] * 900, [0] * 900])


def test_no_function_gives_more_than_it_was_given() -> None:
    assert not FUNCTIONS & {"join", "map", "merge", "to_array", "to_string", "group_by", "items", "zip"}


@pytest.mark.parametrize(
    ("value", "meant"),
    [(None, False), (False, False), ("", False), ([], False), ({}, False), (0, True), (True, True), ("no", True)],
)
def test_what_a_condition_finds_means_yes_or_no_as_jmespath_has_it(value: object, *, meant: bool) -> None:
    assert holds(value) is meant


PIECES = st.lists(
    st.sampled_from(
        [
            *sorted(FUNCTIONS), "a", "rows", "@", "*", "[*]", "[]", "[?", "]", "(", ")", ".", "|", "||", "&&", "!", "==",
            "<", ">", "`1`", "`[1]`", "'x'", "&", ",", "[0]", "[::2]", " ", '"q"', "{", "}", ":",
        ]
    ),
    max_size=25,
).map("".join)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "rows", "q"]), inner, max_size=3),
    max_leaves=12,
)


@PATIENT
@given(text=PIECES | st.text(max_size=40), body=JSON)
def test_whatever_is_written_and_tried_it_ends_in_one_of_four_ways(text: str, body: object) -> None:
    try:
        expression = Expression(text)
    except Faulty:
        return
    try:
        expression.find(body, Work(300))
    except (Exhausted, Unfit):
        return
