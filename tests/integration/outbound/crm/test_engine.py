"""The engine's rules, by the letters of the acceptance tests of CRM systems; a system played by the test answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from services.infra.pseudonyms import erasure_hash
from services.outbound.crm.contract import Again, Answer, Push, Refused, Taken, Traits, Trouble
from services.outbound.crm.sync import TRIES_MAX, each_key_once
from services.state.crm import Due
from tests.support.clocks import NOON
from tests.support.crm import Played, connector_table, people, store_people
from tests.support.customers import Lived, store_person
from tests.support.readapi import HASH_KEY

pytestmark = pytest.mark.integration

ANNA = "customer:anna"


async def test_a_record_gets_the_score_with_its_reasons(played: Played) -> None:
    await store_person(
        played.dsn,
        [
            Lived(
                ANNA,
                "parcel.delivered",
                NOON - timedelta(days=2),
                -0.713495,
                channel="delivery",
                place="carrier/inpost",
            ),
            Lived(ANNA, "survey.answered", NOON, 0.5, channel="survey"),
        ],
        customer=ANNA,
        version=7,
    )
    played.system.records["anna"] = {"name": "Anna"}

    await played.settle()

    record = played.system.records["anna"]
    assert record["name"] == "Anna"
    assert record["t_version"] == 7
    assert record["t_score"] == pytest.approx(38.5, abs=5)
    assert record["t_band"] == "low"
    assert record["t_reasons"].startswith("parcel.delivered (carrier/inpost) −")
    assert "survey.answered (survey) +" in record["t_reasons"]
    assert record["t_merged"] is None


async def test_a_of_a_hundred_inputs_with_99_results_the_missing_one_is_told_again(played: Played) -> None:
    names = people(100)
    await store_people(played.dsn, names)
    played.system.records = {name.removeprefix("customer:"): {} for name in names}
    played.system.says = [lambda pushes: played.system.take(pushes)[:-1]]

    await played.settle()
    [missing] = await played.fetch("SELECT key, state, words, sent_at FROM crm_record WHERE state <> 'sent'")
    await played.later(minutes=1)

    assert missing["state"] == "waiting"
    assert missing["sent_at"] is None
    assert missing["words"] == "the system said nothing of it"
    assert [push.key for push in played.system.calls[-1]] == [missing["key"]]
    assert await played.fetch("SELECT 1 FROM crm_record WHERE state <> 'sent'") == []


async def test_b_a_success_without_results_is_a_failure(played: Played) -> None:
    await store_people(played.dsn, people(3))
    played.system.says = [lambda _: []]

    await played.settle()

    rows = await played.fetch("SELECT state, sent_at FROM crm_record")
    assert {(row["state"], row["sent_at"]) for row in rows} == {("waiting", None)}


def test_c_one_key_cannot_be_twice_in_a_batch() -> None:
    dues = [Due(number, key, "score", None, None, 1, 50.0, 3, 0) for number, key in enumerate(["a", "b", "a"])]

    assert [due.person for due in each_key_once(dues)] == [0, 1]


async def test_d_whoever_is_not_in_the_system_is_listed_and_not_made(played: Played) -> None:
    await store_people(played.dsn, ["customer:known", "customer:stranger", "anonymous:browser"])
    played.system.records["known"] = {}

    await played.settle()

    assert set(played.system.records) == {"known"}
    row = await played.row("stranger")
    assert row is not None
    assert (row["state"], row["due_at"]) == ("absent", None)
    assert await played.row("browser") is None


@pytest.mark.parametrize(
    ("trouble", "wait_s"),
    [
        (Trouble("throttled", "slow down", 30.0), 30.0),
        (Trouble("throttled", "slow down"), 5.0),
        (Trouble("throttled", "REQUEST_LIMIT_EXCEEDED", 3600.0), 3600.0),
        (Trouble("away", "SERVER_UNAVAILABLE"), 5.0),
    ],
)
async def test_e_a_system_that_asks_to_wait_is_waited_for_and_nothing_is_lost(
    played: Played, trouble: Trouble, wait_s: float
) -> None:
    await store_people(played.dsn, people(5))
    played.system.records = {name.removeprefix("customer:"): {} for name in people(5)}
    played.system.says = [lambda _: trouble]

    await played.sync.round()
    await played.sync.round()
    calls = len(played.system.calls)
    await played.later(seconds=wait_s)

    assert calls == 1
    assert all(record["t_band"] for record in played.system.records.values())
    assert {row["tries"] for row in await played.fetch("SELECT tries FROM crm_record")} == {0}
    [standing] = await played.fetch("SELECT trouble, paused_until FROM crm_connector")
    assert standing["trouble"] is None


async def test_e_a_system_that_is_away_keeps_no_other_waiting(postgres_dsn: str) -> None:
    away, well = (Played(postgres_dsn, table=connector_table(name=name)) for name in ("away", "well"))
    await store_people(postgres_dsn, people(2))
    for played in (away, well):
        played.system.records = {name.removeprefix("customer:"): {} for name in people(2)}
    away.system.says = [lambda _: Trouble("away", "no answer")]

    await away.sync.round()
    await well.settle()
    for played in (away, well):
        await played.close()

    assert all(record["t_band"] for record in well.system.records.values())
    assert not any(record for record in away.system.records.values())


async def test_f_after_a_401_the_right_is_renewed_once_and_the_batch_goes_on(played: Played) -> None:
    await store_people(played.dsn, people(5))
    played.system.records = {name.removeprefix("customer:"): {} for name in people(5)}
    played.system.says = [lambda _: Trouble("unauthorised", "INVALID_SESSION_ID")]

    await played.settle()

    assert played.system.renewed == 1
    assert all(record["t_band"] for record in played.system.records.values())


async def test_f_a_second_401_leaves_the_system_alone(played: Played) -> None:
    await store_people(played.dsn, people(1))
    played.system.says = [lambda _: Trouble("unauthorised", "no"), lambda _: Trouble("unauthorised", "still no")]

    await played.settle()

    [standing] = await played.fetch("SELECT trouble, paused_until FROM crm_connector")
    assert standing["trouble"] == "still no"
    assert standing["paused_until"] > played.clock.at


async def test_g_a_locked_record_is_tried_again_at_spread_times_and_not_for_ever(played: Played) -> None:
    await store_people(played.dsn, people(1))

    def locked(pushes: Sequence[Push]) -> list[Answer]:
        return [Again(push.key, "UNABLE_TO_LOCK_ROW") for push in pushes]

    played.system.says = [locked] * (TRIES_MAX + 5)
    waits = []
    await played.settle()
    for _ in range(TRIES_MAX - 1):
        row = await played.row("c0000")
        assert row is not None
        waits.append((row["due_at"] - played.clock.at).total_seconds())
        await played.later(hours=1)
    await played.later(hours=5)

    row = await played.row("c0000")
    assert row is not None
    assert (row["state"], row["words"], row["due_at"]) == ("failed", "UNABLE_TO_LOCK_ROW", None)
    assert len(played.system.calls) == TRIES_MAX
    assert all(5 * 2**n <= wait <= 10 * 2**n for n, wait in enumerate(waits))


async def test_g_two_processes_never_write_one_record_side_by_side(played: Played) -> None:
    await store_people(played.dsn, people(1))
    other = played.process("two")

    await played.sync.round()
    waits = await other.round()
    played.clock.at += timedelta(minutes=10)
    await other.round()

    assert waits > 1
    [standing] = await played.fetch("SELECT holder FROM crm_connector")
    assert standing["holder"] == "two"


async def test_h_the_loser_of_a_merge_is_told_whose_it_is_and_the_winner_its_score(played: Played) -> None:
    await store_people(played.dsn, ["customer:a", "customer:b"])
    played.system.records = {"a": {}, "b": {}}
    await played.settle()

    await played.merge("customer:b", "customer:a")
    await played.score("customer:a", 30, band=2)
    await played.settle()

    assert played.system.records["b"]["t_merged"] == "a"
    assert played.system.records["b"]["t_score"] is None
    assert played.system.records["a"]["t_merged"] is None
    row = await played.row("a")
    assert row is not None
    assert row["sent_band"] == 2


async def test_h_a_merge_that_is_taken_back_gives_the_record_its_score_again(played: Played) -> None:
    await store_people(played.dsn, ["customer:a", "customer:b"])
    played.system.records = {"a": {}, "b": {}}
    await played.merge("customer:b", "customer:a")
    await played.settle()

    await played.fetch("UPDATE identity SET person = id")
    await played.fetch("UPDATE person SET merged_into = NULL")
    await played.score("customer:b", 30, band=2)
    await played.settle()

    assert played.system.records["b"]["t_merged"] is None
    assert played.system.records["b"]["t_score"] is not None


@pytest.mark.parametrize("erased", ["blank", "delete"])
async def test_i_whoever_is_erased_is_blanked_or_deleted_there_and_forgotten_here(
    postgres_dsn: str, erased: str
) -> None:
    played = Played(postgres_dsn, table=connector_table(erased=erased))
    await store_people(played.dsn, ["customer:a", "customer:b"])
    played.system.records = {"a": {"name": "A"}, "b": {"name": "B"}}
    await played.settle()

    await played.fetch("INSERT INTO erased (identity_hash) VALUES ($1)", erasure_hash(HASH_KEY, "customer:a"))
    await played.settle()
    await played.score("customer:a", 30, band=2)
    await played.settle()
    await played.close()

    if erased == "delete":
        assert set(played.system.records) == {"b"}
    else:
        assert {played.system.records["a"][name] for name in ("t_score", "t_band", "t_reasons")} == {None}
        assert played.system.records["a"]["name"] == "A"
    assert await played.row("a") is None
    assert played.system.records["b"]["t_band"]


async def test_j_tomorrow_the_newest_score_of_each_wins_and_the_oldest_change_of_band_goes_first(
    postgres_dsn: str,
) -> None:
    played = Played(postgres_dsn)
    played.system.traits = Traits(batch_max=1, bad_row="singly", lookup="native")
    names = people(4)
    await store_people(played.dsn, names)
    played.system.records = {name.removeprefix("customer:"): {} for name in names}
    await played.settle()
    played.system.says = [lambda _: Trouble("throttled", "the budget of a day is used up", 3600.0)]
    played.system.calls.clear()

    await played.score(names[0], 66, band=4)  # moved, the same band
    await played.sync.round()
    for name, minutes in ((names[2], 1), (names[1], 2), (names[2], 3)):
        played.clock.at += timedelta(minutes=minutes)
        await played.score(name, 35 - minutes, band=2)
        await played.sync.round()
    await played.later(hours=2)
    await played.close()

    told = [push.key for call in played.system.calls[1:] for push in call]
    assert told == ["c0002", "c0001", "c0000"]
    [row] = await played.fetch("SELECT sent_score FROM crm_record WHERE key = 'c0002'")
    assert row["sent_score"] == 32


async def test_j_a_day_s_budget_is_not_forgotten_by_a_restart(postgres_dsn: str) -> None:
    table = connector_table(budget={"burst_calls": 100, "burst_s": 1, "day_calls": 10})
    played = Played(postgres_dsn, table=table)
    await played.sync.round()
    assert [await played.meter.spend(1) for _ in range(10)] == [None] * 10

    after = played.meter_of(table)
    after.hold("one")
    refused = await after.spend(1)
    played.clock.at += timedelta(hours=25)
    tomorrow = await after.spend(1)
    await played.close()

    assert refused is not None
    assert refused.kind == "throttled"
    assert tomorrow is None


async def test_m_what_was_sent_before_a_kill_and_not_noted_is_sent_again_alike(played: Played) -> None:
    await store_people(played.dsn, people(3))
    played.system.records = {name.removeprefix("customer:"): {} for name in people(3)}

    def sent_and_killed(pushes: Sequence[Push]) -> list[Answer]:
        played.system.take(pushes)
        raise KeyboardInterrupt

    played.system.says = [sent_and_killed]
    with pytest.raises(KeyboardInterrupt):
        await played.settle()
    before = {key: dict(record) for key, record in played.system.records.items()}
    played.sync = played.process("after")
    played.clock.at += timedelta(minutes=10)
    await played.settle()

    first, second = played.system.calls
    assert [(push.key, push.fields) for push in first] == [(push.key, push.fields) for push in second]
    assert played.system.records == before
    assert {row["state"] for row in await played.fetch("SELECT state FROM crm_record")} == {"sent"}


async def test_one_bad_row_is_found_and_the_others_are_written(played: Played) -> None:
    await store_people(played.dsn, people(9))
    played.system.records = {name.removeprefix("customer:"): {} for name in people(9)}

    def strict(pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        if any(push.key == "c0004" for push in pushes):
            return Trouble("refused", "c0004 has a field that does not exist")
        return played.system.take(pushes)

    for bad_row in ("halve", "singly"):
        played.system.traits = Traits(batch_max=100, bad_row=bad_row, lookup="native")
        played.system.says = [strict] * 40
        await played.settle()
        states = {row["key"]: row["state"] for row in await played.fetch("SELECT key, state FROM crm_record")}
        assert [key for key, state in states.items() if state != "sent"] == ["c0004"]
        assert states["c0004"] == "failed"
        await played.fetch("UPDATE crm_record SET due_at = $1", NOON)


async def test_small_moves_wait_for_a_day_and_large_ones_and_bands_do_not(played: Played) -> None:
    await store_people(played.dsn, people(3))
    played.system.records = {name.removeprefix("customer:"): {} for name in people(3)}
    await played.settle()
    played.system.calls.clear()

    await played.score("customer:c0000", 72.9, band=4)
    await played.score("customer:c0001", 73.0, band=4)
    await played.score("customer:c0002", 71.0, band=3)
    await played.settle()
    at_once = sorted(push.key for call in played.system.calls for push in call)
    await played.later(hours=23)
    before_a_day = len(played.system.calls)
    await played.later(hours=2)

    assert at_once == ["c0001", "c0002"]
    assert before_a_day == 1
    assert [push.key for push in played.system.calls[-1]] == ["c0000"]


async def test_a_remembered_number_that_is_gone_is_sought_again(played: Played) -> None:
    played.system.traits = Traits(batch_max=100, bad_row="singly", lookup="search")
    await store_people(played.dsn, people(2))
    played.system.records = {"c0000": {}}
    await played.settle()
    await played.fetch("UPDATE crm_record SET remote = 'r-of-a-merged-record' WHERE key = 'c0000'")
    await played.score("customer:c0000", 30, band=2)

    await played.settle()

    row = await played.row("c0000")
    assert row is not None
    assert (row["state"], row["remote"], row["sent_band"]) == ("sent", "r-c0000", 2)


async def test_words_of_the_system_stay_with_the_record(played: Played) -> None:
    await store_people(played.dsn, people(1))
    played.system.says = [lambda pushes: [Refused(pushes[0].key, "FIELD_CUSTOM_VALIDATION_EXCEPTION: no")]]

    await played.settle()

    row = await played.row("c0000")
    assert row is not None
    assert (row["state"], row["words"]) == ("failed", "FIELD_CUSTOM_VALIDATION_EXCEPTION: no")


async def test_an_answer_for_somebody_who_was_not_asked_for_is_no_answer(played: Played) -> None:
    await store_people(played.dsn, people(1))
    played.system.says = [lambda _: [Taken("somebody else")]]

    await played.settle()

    row = await played.row("c0000")
    assert row is not None
    assert (row["state"], row["sent_at"]) == ("waiting", None)
