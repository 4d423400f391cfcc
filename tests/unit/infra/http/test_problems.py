"""Every problem is answered in one form, whichever door it comes from."""

from __future__ import annotations

import json

import pytest

from schemas.problem import PROBLEMS, Problem
from services.infra.http.problems import Refused, of_status, refusal


@pytest.mark.parametrize("slug", sorted(PROBLEMS))
def test_a_problem_is_its_row_with_the_status_and_what_to_do(slug: str) -> None:
    answer = refusal(Refused(slug))

    told = Problem.model_validate_json(answer.body)
    row = PROBLEMS[slug]
    assert (told.type, told.title, told.detail) == (row.uri, row.title, row.remedy)
    assert told.status == answer.status == row.status
    assert answer.media_type == "application/problem+json"


def test_more_exact_words_stand_in_place_of_the_rows_and_members_beside_them() -> None:
    answer = refusal(Refused("body-too-large", "Send at most 500 events at once."), {"results": []})

    told = json.loads(answer.body)
    assert (told["detail"], told["results"]) == ("Send at most 500 events at once.", [])


def test_a_status_that_asks_for_a_header_has_it() -> None:
    headers = {slug: refusal(Refused(slug)).headers for slug in PROBLEMS}

    assert headers["unauthorized"]["WWW-Authenticate"].startswith("Bearer")
    assert int(headers["unavailable"]["Retry-After"]) == int(headers["too-many-requests"]["Retry-After"]) > 0
    assert headers["timeout"] == headers["body-too-large"] == {"Connection": "close"}
    assert headers["invalid-event"] == {}


def test_what_a_router_cannot_answer_has_its_own_row() -> None:
    assert [PROBLEMS[of_status(status).slug].status for status in (404, 405, 418)] == [404, 405, 500]


def test_on_a_bare_connection_the_whole_answer_ends_it() -> None:
    answer = refusal(Refused("timeout"))

    head, _, body = answer.on_the_wire().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"\r\nConnection: close" in head
    assert f"\r\nContent-Length: {len(body)}".encode() in head
    assert body == answer.body
    assert answer.on_the_wire(with_body=False) == head + b"\r\n\r\n"
