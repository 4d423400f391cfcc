"""The seam between two services that never import each other: what the door accepts, the worker can count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.counting.records import Event, read_record
from services.core.catalogue import Catalogue
from services.infra.catalogue.reading import load_catalogue
from services.ingest.judge import Accepted, Judge, arrival
from tests.support.chunks import LogRecord
from tests.support.senders import BACKFILL, PATIENT, judge_of_test

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW_US = 1_800_000_000_000_000
CATALOGUE = load_catalogue()
JUDGE = judge_of_test()
UNDECLARED = CATALOGUE.entry("x.lift_used")


def sent_of(fields: dict[str, object]) -> dict[str, object]:
    who = [{"kind": "customer", "value": "c1"}]
    return {
        "id": "e1",
        "time": "2026-12-01T00:00:00Z",
        "data": {"touchpoint": "x.lift_used", "identities": who, **fields},
    }


def counted(judge: Judge, sent: Mapping[str, object]) -> Event:
    judged = judge.judge(sent, source=BACKFILL, received=arrival(NOW_US))
    assert isinstance(judged, Accepted)
    record = LogRecord(0, NOW_US // 1000, judged.key, judged.value)
    read = read_record(record, catalogue=CATALOGUE, known={})
    assert isinstance(read, Event)
    return read


KINDS = st.sampled_from(["customer", "loyalty", "email", "phone", "anonymous", "device", "x-till", "x-a_b-9"])
VALUES = st.text(min_size=1, max_size=30) | st.sampled_from(["a@b.example", "+48600100200"])
IDENTITIES = st.lists(st.fixed_dictionaries({"kind": KINDS, "value": VALUES}), min_size=1, max_size=16)
SUBJECTS = st.builds("{}:{}".format, KINDS | st.from_regex(r"x-[a-z0-9_-]{1,40}", fullmatch=True), VALUES) | VALUES
TIMES = st.integers(min_value=-86_400, max_value=4_102_444_800).map(
    lambda since_1970_s: (EPOCH + timedelta(seconds=since_1970_s)).isoformat()
)
TOUCHPOINTS = st.sampled_from([*CATALOGUE.entries, "x.unheard_of"])
PROPERTIES = st.dictionaries(
    st.sampled_from(["wait_seconds", "hours_late", "sentiment", "confidence", "results", "minutes", "hops", "other"]),
    st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(max_size=9) | st.none(),
    max_size=4,
)
EVENTS = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=40),
        "data": st.fixed_dictionaries(
            {"touchpoint": TOUCHPOINTS},
            optional={
                "identities": IDENTITIES,
                "properties": PROPERTIES,
                "stake": st.floats(0, 2),
                "valence": st.floats(-3, 3),
                "rating": st.fixed_dictionaries({"value": st.floats(0, 10)}),
                "class": st.sampled_from(["bot", "monitor", "staff", "test", "training", "void"]),
                "place": st.sampled_from(["store/042", "carrier/x y"]),
            },
        ),
    },
    optional={"subject": SUBJECTS, "time": TIMES},
)


def test_what_has_a_class_is_counted_and_never_scored() -> None:
    trained = counted(JUDGE, sent_of({"touchpoint": "pos.sale_completed", "class": "training"}))
    sold = counted(JUDGE, sent_of({"touchpoint": "pos.sale_completed"}))

    assert (trained.v, trained.q) == (sold.v, 0)
    assert sold.q > 0


@given(sent=EVENTS)
@PATIENT
def test_what_the_door_accepts_the_worker_can_count(sent: dict[str, object]) -> None:
    judged = JUDGE.judge(sent, source=BACKFILL, received=arrival(NOW_US))

    if isinstance(judged, Accepted):
        read = read_record(LogRecord(0, NOW_US // 1000, judged.key, judged.value), catalogue=CATALOGUE, known={})
        assert isinstance(read, Event), read
        assert read.subject.encode() == judged.key


def test_sixteen_identities_and_another_subject_are_counted() -> None:
    devices = [{"kind": "device", "value": f"d{number}"} for number in range(16)]
    sent = {"id": "e1", "subject": "c1", "data": {"touchpoint": "web.page_viewed", "identities": devices}}

    read = counted(JUDGE, sent)

    assert (read.subject, len(read.others)) == ("customer:c1", 16)


def test_the_channel_that_the_door_puts_in_makes_no_other_body() -> None:
    declared = replace(UNDECLARED, channel="kiosk")
    later = Judge(
        catalogue=Catalogue({**CATALOGUE.entries, "x.lift_used": declared}, CATALOGUE.parameters),
        hash_key=JUDGE.hash_key,
    )
    silent = sent_of({"text": '"channel":"web",'})
    spoken = sent_of({"text": '"channel":"web",', "channel": "any"})

    first, retry, other = (
        counted(judge, sent).body_hash for judge, sent in ((JUDGE, silent), (later, silent), (JUDGE, spoken))
    )

    assert first == retry
    assert first != other
