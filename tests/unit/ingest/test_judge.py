"""Which events are good, and what the log gets of them."""

from __future__ import annotations

import hashlib
import hmac
import json
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from schemas.instant import write_instant
from schemas.topics import EVENTS, LATE
from schemas.touchpoint import RECORD_IDENTITIES_MAX, TouchpointRecord
from services.infra.pseudonyms import pseudonym
from services.infra.sources import Source
from services.ingest.judge import Accepted, arrival
from services.ingest.rejection import Reason, Rejected
from tests.support.senders import ANONYMOUS, BACKFILL, BROWSER, HASH_KEY, PATIENT, SERVER, data, event, judge_of_test

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
KEY = HASH_KEY.encode()
RECORD = TypeAdapter(TouchpointRecord)


def judge(sent: object, source: Source = SERVER) -> Accepted | Rejected:
    since = NOW - datetime(1970, 1, 1, tzinfo=UTC)
    received = arrival(since // timedelta(microseconds=1))
    return judge_of_test().judge(sent, source=source, received=received)


def accepted(sent: object, source: Source = SERVER) -> Accepted:
    outcome = judge(sent, source)
    assert isinstance(outcome, Accepted), outcome
    return outcome


def record(sent: object, source: Source = SERVER) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(accepted(sent, source).value)
    RECORD.validate_python(written)
    return written


def reason(sent: object, source: Source = SERVER) -> Reason:
    outcome = judge(sent, source)
    assert isinstance(outcome, Rejected), outcome
    return outcome.reason


def named(*identities: tuple[str, str], subject: str | None = None) -> dict[str, object]:
    listed = [{"kind": kind, "value": value} for kind, value in identities]
    sent = event() | {"data": data(identities=listed or None)}
    return sent if subject is None else sent | {"subject": subject}


def test_the_log_gets_the_whole_event_in_one_canonical_form() -> None:
    sent = {
        "time": "2026-03-01T12:30:00.5+01:00",
        "source": "till-3",
        "id": "sale 7",
        "data": {
            "touchpoint": "pos.sale_completed",
            "properties": {"b": [1, None], "a": {"z": None}},
            "place": "store/042",
            "stake": 1,
            "identities": [{"value": "c1", "kind": "customer"}],
        },
    }

    written = accepted(sent)

    assert written.value == (
        b'{"channelorigin":"catalogue","data":{"channel":"pos","identities":[{"kind":"customer","value":"c1"}],"place":"store/042",'
        b'"properties":{"a":{"z":null},"b":[1,null]},"stake":1.0,"touchpoint":"pos.sale_completed"},'
        b'"datacontenttype":"application/json","id":"sale 7","keykind":"server","receivedat":"2026-03-01T12:00:00.123456Z",'
        b'"source":"shop/till-3","specversion":"1.0","subject":"customer:c1","time":"2026-03-01T11:30:00.500000Z",'
        b'"type":"tactus.touchpoint.v1"}'
    )
    assert (written.topic, written.key, written.event_id) == (EVENTS, b"customer:c1", "sale 7")
    RECORD.validate_json(written.value)


def test_the_stored_source_starts_with_the_keys_own() -> None:
    assert record(event())["source"] == "shop"
    assert record(event(source="shop"))["source"] == "shop/shop"
    assert record(event(source="/a/b"), BROWSER)["source"] == "site//a/b"


def test_the_strongest_identity_takes_the_event() -> None:
    sent = named(("device", "d1"), ("anonymous", "a1"), ("x-crm", "7"), ("phone", "+48 600 100 200"),
                 ("email", " Ann@Example.COM "), ("loyalty", "L1"))  # fmt: skip
    mail = pseudonym(KEY, "email", "ann@example.com")
    phone = pseudonym(KEY, "phone", "+48600100200")

    written = record(sent)

    assert written["subject"] == "loyalty:L1"
    assert [f"{i['kind']}:{i['value']}" for i in written["data"]["identities"]] == [
        "loyalty:L1", f"email_hash:{mail}", f"phone_hash:{phone}", "x-crm:7", "anonymous:a1", "device:d1",
    ]  # fmt: skip


def test_mail_and_phone_never_reach_the_log() -> None:
    sent = named(("email", "Ann@Example.com"), ("phone", "+48 600 100 200"), subject="email:ann.two@example.com")

    value = accepted(sent).value.lower()

    assert b"example" not in value
    assert b"600" not in value


POLISH = SERVER.model_copy(update={"region": "PL"})


@pytest.mark.parametrize(
    "written",
    ["+48 600 100 200", "whatsapp:+48600100200", "tel:+48600100200", "\uff0b48600100200", "+48 (0) 600 100 200",
     "0048-600-100-200", "+48600100200\u200b", "600 100 200"],
)  # fmt: skip
def test_one_phone_number_is_one_person_however_it_is_written(written: str) -> None:
    assert (
        record(named(("phone", written)), POLISH)["subject"] == f"phone_hash:{pseudonym(KEY, 'phone', '+48600100200')}"
    )


@pytest.mark.parametrize(
    "written", ["(000) 000-0000", "000-000-000", "+48600100200 ext. 5", "12", "+48111111111", "call me"]
)
@pytest.mark.parametrize("source", [SERVER, POLISH], ids=["no region", "a region"])
def test_a_number_that_reaches_nobody_or_many_is_refused_with_the_reason(written: str, source: Source) -> None:
    assert reason(named(("phone", written)), source) is Reason.IDENTITY


def test_a_number_without_a_country_code_is_refused_where_its_source_names_no_region() -> None:
    outcome = judge(named(("phone", "600 100 200")))

    assert isinstance(outcome, Rejected)
    assert "country code" in outcome.detail


@pytest.mark.parametrize(
    "written",
    ["jan@example.com", "jan@example.com\u200b", "mailto:jan@example.com", "Jan <JAN@Example.com>", "jan@Example.COM "],
)
def test_one_address_is_one_person_however_it_is_written(written: str) -> None:
    assert record(named(("email", written)))["subject"] == f"email_hash:{pseudonym(KEY, 'email', 'jan@example.com')}"


@pytest.mark.parametrize("kind", ["customer", "loyalty", "x-crm"])
def test_an_address_or_a_number_that_serves_as_an_id_is_never_kept_in_clear(kind: str) -> None:
    for value in ("Ana@Example.com", "+48 600 100 200"):
        outcome = accepted(named((kind, value)))

        assert b"example" not in outcome.key.lower() + outcome.value.lower()
        assert b"600" not in outcome.key + outcome.value
    bare = record({"id": "sub9", "subject": "ana@example.com", "data": data(identities=None)})
    assert bare["subject"] == f"customer:{pseudonym(KEY, 'email', 'ana@example.com')}"


def test_a_card_number_that_is_an_address_is_that_address() -> None:
    assert record(named(("loyalty", "Ana@Example.com")))["subject"] == (
        f"email_hash:{pseudonym(KEY, 'email', 'ana@example.com')}"
    )


def test_a_customer_whose_id_is_an_address_stays_a_customer_and_is_known_by_the_address_too() -> None:
    hashed = pseudonym(KEY, "email", "ana@example.com")

    written = record(named(("customer", "Ana@Example.com"), ("device", "d1")))

    assert written["data"]["identities"] == [
        {"kind": "customer", "value": hashed},
        {"kind": "email_hash", "value": hashed},
        {"kind": "device", "value": "d1"},
    ]


def test_two_customers_whose_ids_are_addresses_are_two_customers() -> None:
    sent = named(("customer", "ana@example.com"), ("customer", "bob@example.com"))

    assert reason(sent) is Reason.TWO_CUSTOMERS


def test_what_is_added_to_whom_an_event_names_makes_no_more_than_a_record_may_hold() -> None:
    named_by_many = named(
        *((kind, value) for kind in ("email",) for value in (f"mailto:a{number}@example.com" for number in range(15))),
        ("device", "d1"),
        subject="ana@example.com",
    )

    written = record(named_by_many, FORMER)

    assert len(written["data"]["identities"]) == RECORD_IDENTITIES_MAX
    assert "formerly" not in written


FORMER = SERVER.model_copy(update={"region": "PL", "former_spellings": True})


@pytest.mark.parametrize(
    ("kind", "written", "formerly"),
    [
        ("email", "mailto:Jan@example.com", "mailto:jan@example.com"),
        ("email", "jan@example.com\u200b", "jan@example.com\u200b"),
        ("phone", "600 100 200", "600100200"),
        ("phone", "whatsapp:+48600100200", "48600100200"),
        ("phone", "+48 (0) 600 100 200", "+480600100200"),
    ],
)
def test_an_event_names_the_hash_of_an_earlier_version_where_its_source_asks_for_it(
    kind: str, written: str, formerly: str
) -> None:
    hashed = hmac.new(KEY, f"{kind}\0{formerly}".encode(), hashlib.sha256).hexdigest()[:32]

    told, silent = record(named((kind, written)), FORMER), record(named((kind, written)), POLISH)

    assert told["formerly"] == f"{kind}_hash:{hashed}"
    assert "formerly" not in silent
    assert told["data"] == silent["data"], "a retry across the change would be a conflict"


@pytest.mark.parametrize(
    ("kind", "written"), [("email", "Jan@Example.com"), ("phone", "+48 600-100-200"), ("customer", "c1")]
)
def test_who_is_kept_under_one_hash_by_both_versions_is_named_once(kind: str, written: str) -> None:
    assert "formerly" not in record(named((kind, written)), FORMER)


def test_no_sender_can_name_former_hashes() -> None:
    assert "formerly" not in record(named(("device", "d1")) | {"formerly": "email_hash:" + "0" * 32})


def test_a_page_that_may_not_name_people_cannot_do_so_by_an_address_as_its_visitors_id() -> None:
    assert reason(named(("anonymous", "ana@example.com")), ANONYMOUS) is Reason.NOT_ALLOWED


def test_one_id_is_one_customer_in_composed_and_decomposed_letters_and_with_marks_that_nobody_sees() -> None:
    subjects = {
        record(named(("customer", value)))["subject"]
        for value in ("zo\u00eb", "zoe\u0308", "zo\u00eb\u200b", " zo\u00eb")
    }

    assert subjects == {"customer:zo\u00eb"}


@pytest.mark.parametrize(
    "value",
    ["(null)", "<null>", "[NULL]", "{{user.id}}", "${userId}", "%%USER_ID%%", "#N/A", "*|EMAIL|*", "<%= id %>", "{user_id}",
     "%USER_ID%", "shop-{{user.id}}", "\u200bnull\u200b", "N\u200bull", "${jndi:ldap://x}", "[object Object]", "(0)"],
)  # fmt: skip
def test_what_a_template_left_unfilled_names_nobody(value: str) -> None:
    assert reason(named(("customer", value))) is Reason.IDENTITY


@pytest.mark.parametrize(
    "value", ["a{b}c", "100%", "50%-off", "$100", "<3", "[1]", "user[7]", "(c) 2026", "#7", "null-7", "%d%1"]
)
def test_an_id_that_only_looks_odd_names_somebody(value: str) -> None:
    assert record(named(("customer", value)))["subject"] == f"customer:{value}"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("c9", "customer:c9"),
        ("customer:c9", "customer:c9"),
        ("anonymous:a9", "anonymous:a9"),
        ("urn:people:9", "customer:urn:people:9"),
        ("loyalty:a:b", "loyalty:a:b"),
        ("x-shop_7:9", "x-shop_7:9"),
        ("x--shop:9", "customer:x--shop:9"),
        ("x-" + "a" * 31 + ":9", "customer:x-" + "a" * 31 + ":9"),
    ],
)
def test_a_subject_names_the_person_and_a_bare_one_the_customer(subject: str, expected: str) -> None:
    assert record(named(subject=subject))["subject"] == expected


def test_a_subject_beside_identities_is_one_more_identity() -> None:
    written = record(named(("anonymous", "a1"), subject="loyalty:L1"))

    assert written["subject"] == "loyalty:L1"
    assert len(written["data"]["identities"]) == 2


def test_an_identity_named_twice_counts_once() -> None:
    assert len(record(named(("customer", "c1"), ("customer", "c1"), subject="c1"))["data"]["identities"]) == 1


def test_two_customers_in_one_event_are_refused() -> None:
    assert reason(named(("customer", "c1"), ("customer", "c2"))) is Reason.TWO_CUSTOMERS
    assert reason(named(("customer", "c1"), subject="c2")) is Reason.TWO_CUSTOMERS


def joined(alias: object, *identities: tuple[str, str], touchpoint: str = "identity.linked") -> dict[str, object]:
    listed = [{"kind": kind, "value": value} for kind, value in identities or [("customer", "c1")]]
    return event() | {
        "data": data(identities=listed, touchpoint=touchpoint, alias={"kind": "customer", "value": alias})
    }


def test_a_server_s_alias_stands_in_the_log_in_the_one_spelling() -> None:
    written = record(joined(" c2 ", ("device", "d1"), ("customer", "c1")))
    address = record(joined("Ana@Example.com"))

    assert (written["subject"], written["data"]["alias"]) == ("customer:c1", {"kind": "customer", "value": "c2"})
    assert [one["value"] for one in written["data"]["identities"]] == ["c1", "d1"]
    assert address["data"]["alias"]["value"] == pseudonym(KEY, "email", "ana@example.com")


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (joined("null"), Reason.IDENTITY),
        (joined("0"), Reason.IDENTITY),
        (joined("{{user.id}}"), Reason.IDENTITY),
        (joined("c1\u200b"), Reason.INVALID),
        (joined("c2", ("loyalty", "L7"), ("device", "d1")), Reason.INVALID),
        (joined("c2", touchpoint="order.completed"), Reason.INVALID),
        (joined("c3", ("customer", "c1"), ("customer", "c2")), Reason.TWO_CUSTOMERS),
    ],
)
def test_an_alias_that_says_nothing_or_too_much_is_refused(sent: object, why: Reason) -> None:
    assert reason(sent) is why


@pytest.mark.parametrize("source", [BROWSER, ANONYMOUS, SERVER.model_copy(update={"kind": "till"})])
def test_only_a_server_s_key_makes_one_person_of_two_customers(source: Source) -> None:
    who = ("anonymous", "v-7") if source is ANONYMOUS else ("customer", "c1")

    assert reason(joined("c2", who), source) is Reason.NOT_ALLOWED


def test_whoever_names_two_customers_is_told_how_to_say_that_they_are_one() -> None:
    outcome = judge(named(("customer", "c1"), ("customer", "c2")))

    assert isinstance(outcome, Rejected)
    assert "data.alias" in outcome.detail


@pytest.mark.parametrize(
    "value",
    [
        "null",
        "undefined",
        "0",
        "00000000-0000-0000-0000-000000000000",
        "anonymous",
        "[object Object]",
        "NaN",
        " ",
        "N/A",
    ],
)
@pytest.mark.parametrize("kind", ["customer", "loyalty", "device", "x-crm"])
def test_a_value_that_must_never_name_anyone_is_refused(kind: str, value: str) -> None:
    assert reason(named((kind, value))) is Reason.IDENTITY
    assert reason(named(("customer", "c1"), subject=f"{kind}:{value}")) is Reason.IDENTITY


@pytest.mark.parametrize(("kind", "value"), [("email", "ann"), ("email", "a@"), ("phone", "12"), ("phone", "call me")])
def test_what_is_no_address_or_number_is_refused(kind: str, value: str) -> None:
    assert reason(named((kind, value))) is Reason.IDENTITY


@pytest.mark.parametrize("kind", ["email_hash", "phone_hash", "cookie", "Customer", "x-", ""])
def test_other_kinds_are_refused(kind: str) -> None:
    assert reason(named((kind, "v"))) is Reason.INVALID


@pytest.mark.parametrize("identities", [[], None])
def test_an_event_about_nobody_is_refused(identities: object) -> None:
    assert reason({"id": "e1", "data": data(identities=identities)}) is Reason.INVALID


def test_an_event_without_a_time_takes_the_time_of_arrival() -> None:
    written = record(event())

    assert written["time"] == written["receivedat"] == write_instant(NOW)
    assert written["timeorigin"] == "arrival"


def at(offset: timedelta) -> dict[str, object]:
    return event(time=write_instant(NOW + offset))


def test_a_time_up_to_arrival_is_the_clients_own() -> None:
    written = record(at(timedelta(0)))

    assert written["time"] == write_instant(NOW)
    assert "timeorigin" not in written


def test_a_time_later_than_arrival_counts_at_arrival_and_is_marked() -> None:
    for ahead in (timedelta(microseconds=1), timedelta(minutes=5), timedelta(days=30_000)):
        written = record(at(ahead))
        assert written["time"] == written["receivedat"]
        assert written["timeorigin"] == "clamped"
        assert written["clienttime"] == write_instant(NOW + ahead)


def test_events_older_than_a_day_take_the_late_topic() -> None:
    assert accepted(at(-timedelta(hours=24))).topic == EVENTS
    assert accepted(at(-timedelta(hours=24, microseconds=1))).topic == LATE


def test_events_older_than_400_days_need_the_backfill_right() -> None:
    assert accepted(at(-timedelta(days=400))).topic == LATE
    assert reason(at(-timedelta(days=400, microseconds=1))) is Reason.TOO_OLD
    assert accepted(at(-timedelta(days=2000)), BACKFILL).topic == LATE


def test_before_1970_no_key_may_send() -> None:
    assert reason(event(time="1969-12-31T23:59:59.999999Z"), BACKFILL) is Reason.TOO_OLD
    assert accepted(event(time="1970-01-01T00:00:00Z"), BACKFILL).topic == LATE


@pytest.mark.parametrize(
    "time",
    ["2026-03-01", "2026-03-01T12:00:00", "2026-03-01_12:00:00Z", "2026-02-30T00:00:00Z", "2026-03-01T24:00:00Z",
     "2026-03-01T12:00:00+99:99", "10000-01-01T00:00:00Z", "1772366400", "", 1_772_366_400.5, -1, True, "9999-12-31T23:59:59-23:59"],
)  # fmt: skip
def test_what_is_no_instant_is_refused(time: object) -> None:
    assert reason(event(time=time)) is Reason.INVALID


@pytest.mark.parametrize(
    ("time", "instant"),
    [("2026-02-28 23:59:60Z", "2026-03-01T00:00:00Z"), ("2026-03-01 13:00:00+01:00", "2026-03-01T12:00:00Z")],
)
def test_a_time_of_happening_and_a_promised_one_are_read_alike(time: str, instant: str) -> None:
    happened = record(event(time=time))
    promised = {
        "id": "e1",
        "time": instant,
        "data": data(touchpoint="delivery.delivered", properties={"promised_at": time}),
    }

    assert happened["time"] == instant
    assert record(promised)["data"]["properties"] == {"promised_at": time}


@pytest.mark.parametrize(
    "fields",
    [
        {"touchpoint": "survey.nps", "rating": {"value": 11}},
        {"touchpoint": "survey.nps", "rating": {"value": -1}},
        {"touchpoint": "survey.csat", "rating": {"value": 0}},
        {"touchpoint": "survey.csat", "rating": {"value": 1e300}},
        {"touchpoint": "survey.csat", "rating": {"value": 3, "scale": {"lo": 1, "mid": 1, "hi": 5}}},
        {"touchpoint": "survey.csat", "rating": {"value": 3, "scale": "stars9"}},
        {"touchpoint": "web.page_viewed", "rating": {"value": 9, "scale": "csat5"}},
        {"stake": 2.1}, {"stake": -0.1}, {"stake": True}, {"stake": "1"}, {"valence": "good"},
        {"touchpoint": "call.answered", "properties": {"wait_seconds": -1}},
        {"touchpoint": "email.clicked", "properties": {"machine_made": "true"}},
        {"touchpoint": "Web.Page"}, {"touchpoint": "a" * 300}, {"touchpoint": "a..b"}, {"touchpoint": "a\n"},
        {"channel": "WEB"}, {"place": "store"}, {"text": "\0"}, {"text": "x" * 10_000}, {"more": 1},
        {"properties": {"\0": 1}}, {"properties": {"a": {"b": "\0"}}}, {"properties": {"a": 2**64}},
        {"properties": [1]}, {"properties": {"a": "\ud800"}}, {"identities": [{"kind": "customer"}]},
    ],
)  # fmt: skip
def test_what_the_schema_or_the_catalogue_forbids_is_refused(fields: dict[str, object]) -> None:
    assert reason({"id": "e1", "data": data(**fields)}) is Reason.INVALID


@pytest.mark.parametrize(
    "attributes",
    [{"id": ""}, {"id": "x" * 129}, {"id": 7}, {"id": "a\0b"}, {"id": "a\nb"}, {"id": None}, {"source": ""},
     {"source": "x" * 129}, {"specversion": "0.3"}, {"type": "tactus.touchpoint.v2"}, {"tenant_id": "t"},
     {"subject": ""}, {"subject": "email_hash:abc"}, {"data": "{}"}, {"data": None}, {"data": []},
     {"datacontenttype": "text/xml"}],
)  # fmt: skip
def test_an_envelope_that_does_not_fit_is_refused(attributes: dict[str, object]) -> None:
    assert reason(event() | attributes) is Reason.INVALID


@pytest.mark.parametrize("sent", [None, 1, "x", [], [[]], True, {}])
def test_what_is_no_event_is_refused(sent: object) -> None:
    assert reason(sent) is Reason.INVALID


@pytest.mark.parametrize(
    "value",
    ["__proto__", "' OR 1=1--", "../../etc/passwd", "<script>alert(1)</script>",
     "=cmd|'/c'!A1", "zażółć", "cafe\u0301", "👩‍👩‍👧‍👦"],
)  # fmt: skip
def test_hostile_values_are_kept_inert(value: str) -> None:
    written = record(
        event() | {"data": data(identities=[{"kind": "customer", "value": value}], properties={value: value})}
    )

    assert written["subject"] == f"customer:{unicodedata.normalize('NFC', value)}"
    assert written["data"]["properties"] == {value: value}


def test_extension_attributes_are_dropped_and_none_can_forge_ours() -> None:
    written = record(
        event(
            traceparent="00-x",
            knativekafkapartition="3",
            receivedat="1999-01-01T00:00:00Z",
            timeorigin="clamped",
            partitionkey="p",
        )
    )

    assert written["receivedat"] == write_instant(NOW)
    assert written["timeorigin"] == "arrival"
    assert not {"traceparent", "partitionkey", "knativekafkapartition"} & written.keys()


@pytest.mark.parametrize("media_type", ["Application/JSON", "application/json;charset=UTF-8"])
def test_a_media_type_is_read_in_any_case(media_type: str) -> None:
    assert record(event(datacontenttype=media_type))["datacontenttype"] == "application/json"


def test_an_unknown_touchpoint_is_kept_under_its_own_name() -> None:
    outcome = accepted({"id": "e1", "data": data(touchpoint="x.new_thing", channel=None)})

    assert not outcome.known
    assert outcome.channel == "any"
    assert json.loads(outcome.value)["data"]["touchpoint"] == "x.new_thing"
    assert accepted(event()).known


def test_a_browser_key_cannot_forge_a_delivery_or_a_till() -> None:
    for touchpoint in ("delivery.lost_or_returned", "pos.sale_completed", "case.resolved"):
        assert reason({"id": "e1", "data": data(touchpoint=touchpoint)}, BROWSER) is Reason.NOT_ALLOWED
    for touchpoint in ("web.page_viewed", "x.anything", "product.activated"):
        accepted({"id": "e1", "data": data(touchpoint=touchpoint)}, BROWSER)


def test_whom_a_browser_key_may_link_hangs_on_whom_it_may_name() -> None:
    linked = {"id": "e1", "data": data(touchpoint="identity.linked")}

    accepted(linked, BROWSER)
    assert reason(linked, ANONYMOUS) is Reason.NOT_ALLOWED


def test_a_browser_key_sets_no_place_unless_its_source_says_so() -> None:
    here = {"id": "e1", "data": data(touchpoint="survey.csat", place="store/042")}

    assert reason(here, BROWSER) is Reason.NOT_ALLOWED
    accepted({"id": "e1", "data": data(touchpoint="survey.csat")}, BROWSER)
    for source in (BROWSER.model_copy(update={"places": True}), SERVER):
        assert json.loads(accepted(here, source).value)["data"]["place"] == "store/042"


def test_a_page_names_no_customer_unless_its_key_has_a_rule_that_says_so() -> None:
    assert reason(event(), ANONYMOUS) is Reason.NOT_ALLOWED
    assert reason(named(("anonymous", "a1"), subject="email:ann@example.com"), ANONYMOUS) is Reason.NOT_ALLOWED
    accepted(named(("anonymous", "a1"), ("device", "d1")), ANONYMOUS)
    accepted(event(), BROWSER)


def test_a_page_says_what_happened_and_the_catalogue_says_how_good_that_is() -> None:
    bad, heavy = data(touchpoint="x.seen", valence=-1), data(touchpoint="web.page_viewed", stake=2)
    trusted = BROWSER.model_copy(update={"impressions": "own"})

    for judged in (bad, heavy):
        assert reason({"id": "e1", "data": judged}, BROWSER) is Reason.NOT_ALLOWED
        accepted({"id": "e1", "data": judged}, trusted)
        accepted({"id": "e1", "data": judged}, SERVER)
    assert reason({"id": "e1", "data": heavy}, SERVER.model_copy(update={"impressions": "catalogue"}))


def test_a_page_cannot_rewrite_the_past() -> None:
    day, week = at(-timedelta(days=1)), at(-timedelta(days=7))
    allowed = BROWSER.model_copy(update={"age_days_max": 7})

    accepted(day, BROWSER)
    assert reason(at(-timedelta(days=1, microseconds=1)), BROWSER) is Reason.TOO_OLD
    accepted(week, allowed)
    assert reason(at(-timedelta(days=7, microseconds=1)), allowed) is Reason.TOO_OLD
    accepted(at(-timedelta(days=2000)), BROWSER.model_copy(update={"backfill": True}))


def test_the_log_tells_by_what_kind_of_key_an_event_came_whatever_its_sender_says() -> None:
    assert record(event(keykind="server"), BROWSER)["keykind"] == "browser"
    assert record(event())["keykind"] == "server"


@pytest.mark.parametrize(
    ("role", "hint"),
    [
        (None, ""),
        ("champion", ""),
        ("Decision Maker", ""),
        ("chief", "data.properties.role: is no role and counts as user; write one of user, champion, decision_maker"),
        (3, "data.properties.role: is no role and counts as user; write one of user, champion, decision_maker"),
    ],
)
def test_a_role_that_there_is_not_is_kept_with_a_hint(role: object, hint: str) -> None:
    properties = {} if role is None else {"properties": {"role": role}}

    assert accepted({"id": "e1", "data": data(account="acme", **properties)}).hint == hint


def test_a_page_is_told_that_its_word_about_companies_does_not_count() -> None:
    judged = accepted({"id": "e1", "data": data(account="acme", properties={"role": "champion"})}, BROWSER)

    assert judged.hint == "data.account: a page's word about companies does not count; send it by a server's key"
    assert accepted({"id": "e1", "data": data(properties={"role": "chief"})}, BROWSER).hint == ""


SECRET = "sEcReT-7391"


@pytest.mark.parametrize(
    "sent",
    [
        event() | {SECRET: 1},
        event() | {"id": SECRET + "\n"},
        event() | {"data": data(**{SECRET: 1})},
        event() | {"data": data(channel=SECRET)},
        event() | {"data": data(properties={SECRET: "\0"})},
        event() | {"data": data(identities=[{"kind": SECRET, "value": SECRET}])},
        event() | {"data": data(rating={"scale": SECRET, "value": 1})},
        event(time=SECRET),
        event(subject="email:" + SECRET),
        SECRET,
    ],
)
def test_a_refusal_never_repeats_the_input(sent: object) -> None:
    outcome = judge(sent)

    assert isinstance(outcome, Rejected)
    assert SECRET.lower() not in outcome.detail.lower()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
FIELDS = ("id", "source", "time", "subject", "type", "specversion", "touchpoint", "channel", "place", "identities",
          "kind", "value", "rating", "scale", "valence", "stake", "text", "properties", "data", "account")  # fmt: skip


@PATIENT
@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
)
def test_whatever_json_comes_the_verdict_is_a_record_that_fits_or_a_refusal(
    envelope: dict[str, object], inside: dict[str, object]
) -> None:
    for sent in (envelope, event() | envelope, event() | {"data": data(**inside)}):
        match judge(sent):
            case Accepted(value=value):
                RECORD.validate_json(value)
            case Rejected(detail=detail):
                assert detail
