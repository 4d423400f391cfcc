"""From bytes to events."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.limits import EVENT_BYTES_MAX, EVENTS_MAX
from services.infra.http.problems import Refused
from services.ingest import cloudevents
from services.ingest.adapters.native import Form, event_of_headers, form_of, read_event, texts_of
from services.ingest.decode import Incoming, refusal_of_all
from services.ingest.head import Head
from services.ingest.rejection import Reason, Rejected
from tests.support.senders import PATIENT, event


def head(content_type: str | None, *others: tuple[str, str]) -> Head:
    return Head([*(() if content_type is None else (("content-type", content_type),)), *others])


def events_of(body: bytes, form: Form) -> Sequence[Incoming] | Refused:
    """Read a body as the door does, without its pauses."""
    listed = texts_of(body, form)
    if isinstance(listed, Refused):
        return listed
    incoming = [read_event(one) for one in listed]
    return refusal_of_all(incoming) or incoming


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", Form.ANY),
        ("Application/JSON; Charset=UTF-8", Form.ANY),
        ('application/json; charset="utf-8"', Form.ANY),
        ("application/cloudevents+json; charset=utf-8", Form.ONE),
        ("application/cloudevents-batch+json", Form.MANY),
    ],
)
def test_the_media_type_chooses_the_form(content_type: str, expected: Form) -> None:
    assert form_of(head(content_type)) is expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (None, Form.BINARY),
        ("application/json", Form.BINARY),
        ("application/cloudevents+json", Form.ONE),
        ("application/cloudevents-batch+json", Form.MANY),
    ],
)
def test_event_headers_mean_the_binary_form_but_for_a_structured_body(content_type: str | None, expected: Form) -> None:
    assert form_of(head(content_type, ("ce-id", "e1"))) is expected


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/html", "text/plain", "application/xml", "multipart/form-data; boundary=x",
     "application/json; charset=utf-16", "application/json; charset=latin-1", "application/cloudevents+avro", "json"],
)  # fmt: skip
def test_other_media_types_are_refused(content_type: str | None) -> None:
    assert form_of(head(content_type)) == Refused("unsupported-media-type")


def test_an_event_keeps_the_bytes_it_came_in() -> None:
    body = b' [ {"id" : "a"} ,\n{"id":1.50} ]'

    assert events_of(body, Form.ANY) == [Incoming(b'{"id" : "a"}', {"id": "a"}), Incoming(b'{"id":1.50}', {"id": 1.5})]


@pytest.mark.parametrize(
    "body",
    [b"", b"  ", b"{", b'{"a":1,}', b"{'a':1}", b'{"a":1}xyz', b"[NaN]", b"Infinity", b'{"a":01}', b'{"a":0x10}',
     b'{"a":1.}', b"\xef\xbb\xbf{}", b'{"a":"\xff"}', b'["\xc0\xaf"]', b'{"a":"\x01"}', b'{"a":"\\ud800"}',
     b'["\xed\xa0\x80"]', "{}".encode("utf-16"), b'["a\x00"]', b"[1,]", b"/*x*/{}", b"[" * 1_000_000],
)  # fmt: skip
def test_what_is_not_json_is_refused_whole(body: bytes) -> None:
    assert events_of(body, Form.ANY) == Refused("malformed-json")


def read(body: bytes) -> Sequence[Incoming]:
    incoming = events_of(body, Form.ANY)
    assert not isinstance(incoming, Refused)
    return incoming


def reasons(body: bytes, form: Form = Form.ANY) -> list[Reason | None]:
    incoming = events_of(body, form)
    assert not isinstance(incoming, Refused)
    return [one.event.reason if isinstance(one.event, Rejected) else None for one in incoming]


def test_one_unreadable_event_of_a_batch_spares_the_others() -> None:
    deep = b"[" * 17 + b"]" * 17
    large = b'"' + b"x" * EVENT_BYTES_MAX + b'"'
    body = b'[{"id":"a"},' + deep + b"," + large + b',1e400,{"id":"b"}]'

    assert reasons(body) == [
        None, Reason.TOO_DEEP, Reason.TOO_LARGE, Reason.OUT_OF_RANGE, None,
    ]  # fmt: skip


def test_an_integer_of_5000_digits_is_out_of_range() -> None:
    assert reasons(b'{"a":' + b"1" * 5000 + b"}") == [Reason.OUT_OF_RANGE]


def test_an_event_of_exactly_the_limit_is_read() -> None:
    frame = len(b'{"a":""}')

    assert reasons(b'{"a":"' + b"x" * (EVENT_BYTES_MAX - frame) + b'"}') == [None]
    assert reasons(b'{"a":"' + b"x" * (EVENT_BYTES_MAX - frame + 1) + b'"}') == [Reason.TOO_LARGE]


def test_a_batch_of_the_limit_is_read_and_one_more_is_refused() -> None:
    assert reasons(b"[" + b",".join([b"1"] * EVENTS_MAX) + b"]") == [None] * EVENTS_MAX
    refused = events_of(b"[" + b",".join([b"1"] * (EVENTS_MAX + 1)) + b"]", Form.ANY)
    assert isinstance(refused, Refused)
    assert refused.slug == "body-too-large"


def test_a_structured_event_is_one_and_a_batch_is_a_list() -> None:
    assert reasons(b"[]", Form.ONE) == [None]
    outcome = events_of(b"{}", Form.MANY)
    assert isinstance(outcome, Refused)
    assert outcome.slug == "invalid-event"


def test_of_names_that_stand_twice_the_last_holds() -> None:
    incoming = events_of(b'{"id":"a","id":"b"}', Form.ANY)

    assert incoming == [Incoming(b'{"id":"a","id":"b"}', {"id": "b"})]


def packed(hidden: bytes, **attributes: object) -> bytes:
    return json.dumps({"id": "e1", **attributes, "data_base64": base64.b64encode(hidden).decode()}).encode()


def test_data_that_its_sender_took_for_bytes_is_data() -> None:
    (incoming,) = read(packed(b'{"touchpoint":"x","data_base64":7}'))

    assert incoming.event == {"id": "e1", "data": {"touchpoint": "x", "data_base64": 7}}
    assert msgspec.json.decode(incoming.original) == incoming.event


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"id":"e1","data_base64":"e30"}', Reason.INVALID),
        (b'{"id":"e1","data_base64":"*"}', Reason.INVALID),
        (b'{"id":"e1","data_base64":{}}', Reason.INVALID),
        (packed(b"{" ), Reason.INVALID),
        (packed(b"\xff"), Reason.INVALID),
        (packed(b"[" * 17 + b"]" * 17), Reason.INVALID),
        (packed(b"{}", data={}), Reason.INVALID),
    ],
    ids=["padding", "alphabet", "object", "json", "utf-8", "deep", "twice"],
)  # fmt: skip
def test_what_is_no_json_in_base64_is_rejected_by_its_name(body: bytes, reason: Reason) -> None:
    (incoming,) = read(body)

    assert isinstance(incoming.event, Rejected)
    assert (incoming.event.reason, incoming.event.detail.split(":")[0]) == (reason, "data_base64")


def test_nothing_hides_in_base64_from_a_dead_letter() -> None:
    for body in (packed(b'{"a":"ann@mail.example"}', data={}), packed(b'{"a":"ann@mail.example"')):
        (incoming,) = read(body)
        assert b"ann@mail.example" in incoming.original


HEADERS = [
    ("content-type", "application/json"),
    ("ce-specversion", "1.0"),
    ("ce-id", "a%20b"),
    ("ce-source", '"/tills/\\"3\\""'),
    ("ce-type", "tactus.touchpoint.v1"),
    ("ce-subject", "Caf%C3%A9"),
]


def test_headers_are_percent_decoded_and_lose_the_older_quotes() -> None:
    assert cloudevents.attributes(HEADERS) == {
        "specversion": "1.0",
        "id": "a b",
        "source": '/tills/"3"',
        "type": "tactus.touchpoint.v1",
        "subject": "Café",
    }


def test_an_extension_may_have_a_long_name() -> None:
    found = cloudevents.attributes([*HEADERS, ("ce-knativekafkapartition", "3")])

    assert not isinstance(found, Refused)
    assert found["knativekafkapartition"] == "3"


@pytest.mark.parametrize(
    "headers",
    [
        HEADERS[:-2],
        [*HEADERS, ("ce-id", "again")],
        [*HEADERS, ("ce-other", "%FF")],
        [*HEADERS, ("ce-other", "\xff")],
        [*HEADERS, ("ce-datacontenttype", "application/json")],
        [*HEADERS, ("ce-", "x")],
        [*HEADERS, ("ce-not_a_name", "x")],
    ],
    ids=["missing", "twice", "no-utf8", "raw-bytes", "datacontenttype", "nameless", "bad-name"],
)
def test_headers_that_make_no_event_are_refused(headers: list[tuple[str, str]]) -> None:
    assert cloudevents.attributes(headers) == Refused("malformed-event")


def test_a_binary_event_is_kept_in_the_structured_form() -> None:
    incoming = event_of_headers({"id": "a"}, b'{"touchpoint":"x"}')

    assert isinstance(incoming, Incoming)
    assert incoming.event == {"id": "a", "datacontenttype": "application/json", "data": {"touchpoint": "x"}}
    assert msgspec.json.decode(incoming.original) == incoming.event


@PATIENT
@given(st.binary(max_size=500))
@example(b"[{}")
@example(b'["\\udc00x"]')
@example(b"\xf4\x90\x80\x80")
def test_random_bytes_never_crash_decoding(body: bytes) -> None:
    for form in (Form.ANY, Form.ONE, Form.MANY):
        events_of(body, form)
    event_of_headers({"id": "a"}, body)


@PATIENT
@given(st.binary(max_size=40), st.integers(0, 200), st.integers(0, 200))
def test_a_damaged_event_never_crashes_decoding(junk: bytes, start: int, length: int) -> None:
    good = json.dumps([event(), event("e2")]).encode()

    events_of(good[:start] + junk + good[start + length :], Form.ANY)


@PATIENT
@given(
    st.lists(
        st.tuples(
            st.text(alphabet="ce-idsourtypv", max_size=8),
            st.text(alphabet=st.characters(max_codepoint=255), max_size=20),
        ),
        max_size=6,
    )
)
def test_random_headers_never_crash_decoding(headers: list[tuple[str, str]]) -> None:
    cloudevents.attributes(headers)
    cloudevents.attributes([*HEADERS, *headers])
