from __future__ import annotations

import io
import json
from contextlib import suppress
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.till import elements as module
from services.till.elements import CutOffError, XmlError, elements
from services.till.lines import Line, Reading, Unfit
from services.till.poslog import lines_of

READING = Reading(None, ZoneInfo("Europe/Warsaw"), "2026-03-02T08:00:00+00:00")

NUMBERS = (
    "<RetailStoreID>042</RetailStoreID><WorkstationID>3</WorkstationID><SequenceNumber>991</SequenceNumber>"
    "<BusinessDayDate>2026-07-01</BusinessDayDate>"
    "<BeginDateTime>2026-07-01T17:33:35</BeginDateTime><EndDateTime>2026-07-01T17:36:05</EndDateTime>"
)
SALE = "<LineItem><Sale><ItemID>1</ItemID></Sale></LineItem>"
RETURN = "<LineItem><Return><ItemID>1</ItemID></Return></LineItem>"


def transaction(
    inside: str = f"<RetailTransaction>{SALE}</RetailTransaction>", *, flags: str = "", numbers: str = NUMBERS
) -> str:
    return f"<Transaction {flags}>{numbers}{inside}</Transaction>"


def retail(items: str, *, status: str = "") -> str:
    told = f' TransactionStatus="{status}"' if status else ""
    return f"<RetailTransaction{told}>{items}</RetailTransaction>"


def read(text: str, reading: Reading = READING) -> list[Line | Unfit]:
    whole = f'<POSLog xmlns="http://www.nrf-arts.org/IXRetail/namespace/">{text}</POSLog>'.encode()
    return [lines_of(one, reading, store="042") for one in elements(io.BytesIO(whole), "Transaction", root="POSLog")]


def said(text: str) -> dict[str, Any]:
    (line,) = read(text)
    assert isinstance(line, Line), line
    told: dict[str, Any] = json.loads(line.body)
    return told


def test_a_sale_becomes_a_line_with_the_natural_key_and_the_store_s_time() -> None:
    (line,) = read(
        transaction(
            retail(
                SALE * 2
                + '<LineItem><Tender TenderType="Cash"><Amount>10.00</Amount></Tender></LineItem>'
                + '<LineItem><Tender TenderType="Voucher"><Amount>2.50</Amount></Tender></LineItem>'
                + '<Total TotalType="TransactionNetAmount">11.00</Total>'
                + '<Total TotalType="TransactionGrandAmount">12.50</Total>'
                + "<Customer><CustomerID>c-1</CustomerID></Customer>"
            )
            + "<CurrencyCode>EUR</CurrencyCode>",
            flags='CancelFlag="false" TrainingModeFlag="false" OfflineFlag="true"',
        )
    )

    assert isinstance(line, Line)
    assert (line.till, line.key) == ("3", "2026-07-01/991")
    assert json.loads(line.body) == {
        "seq": 991,
        "day": "2026-07-01",
        "time": "2026-07-01T17:36:05+02:00",
        "type": "sale",
        "identities": [{"kind": "customer", "value": "c-1"}],
        "properties": {"total": 12.5, "currency": "EUR", "items": 2, "tender": "Cash,Voucher", "offline": True},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (transaction(flags='TrainingModeFlag="true"'), {"type": "sale", "training": True}),
        (transaction(flags='CancelFlag="1"'), {"type": "void"}),
        (transaction(retail(SALE, status="Voided")), {"type": "void"}),
        (transaction(retail(SALE, status="PostVoided")), {"type": "void"}),
        (transaction(retail(SALE, status="Suspended")), {"type": "suspended"}),
        (transaction(retail(SALE, status="SuspendedRetrieved")), {"type": "reopened"}),
        (transaction(retail(SALE, status="Totaled")), {"type": "sale"}),
        (transaction(retail(RETURN)), {"type": "return"}),
        (transaction(retail('<LineItem VoidFlag="true"><Return/></LineItem>' + SALE)), {"type": "sale"}),
        (transaction(retail(SALE + RETURN)), {"type": "sale"}),
        (
            transaction(retail(SALE + RETURN + '<Total TotalType="TransactionGrandAmount">-3.00</Total>')),
            {"type": "return"},
        ),
        (
            transaction(
                retail(SALE + RETURN + '<Total TotalType="TransactionGrandAmount" NegativeFlag="true">3</Total>')
            ),
            {"type": "return"},
        ),
        (transaction(retail("<LineItem><CustomerOrderForPickup/></LineItem>")), {"type": "order"}),
        (transaction("<CustomerOrderTransaction/>"), {"type": "order"}),
        (transaction("<ControlTransaction><SignOn/></ControlTransaction>"), {"type": "control"}),
        (
            transaction(
                retail(
                    SALE + "<LineItem><Tender TenderType='CreditDebit'><CreditDebit><PrimaryAccountNumber>"
                    "411111XXXXXX1111</PrimaryAccountNumber></CreditDebit></Tender></LineItem>"
                )
            ),
            {"type": "sale", "test": True},
        ),
    ],
)
def test_what_happened_is_told_and_what_did_not_too(text: str, told: dict[str, object]) -> None:
    line = said(text)

    assert {name: line.get(name) for name in ("type", "training", "test")} == {"training": None, "test": None, **told}


def test_no_number_of_a_card_leaves_the_till() -> None:
    card = "<PrimaryAccountNumber>4556737586899855</PrimaryAccountNumber>"
    (line,) = read(transaction(retail(SALE + f"<LineItem><Tender TenderType='CreditDebit'>{card}</Tender></LineItem>")))

    assert isinstance(line, Line)
    assert b"4556" not in line.body
    assert "test" not in json.loads(line.body)


def test_a_return_says_which_receipt_it_takes_back_and_how_long_it_took() -> None:
    link = (
        "<TransactionLink><RetailStoreID>042</RetailStoreID><WorkstationID>5</WorkstationID><SequenceNumber>17"
        "</SequenceNumber><BusinessDayDate>2026-06-28</BusinessDayDate></TransactionLink>"
    )

    line = said(transaction(retail(f"<LineItem><Return>{link}</Return></LineItem>")))

    assert line["returns"] == {"seq": 17, "day": "2026-06-28", "store": "042", "till": "5"}
    assert line["properties"]["wait_seconds"] == 150
    assert "returns" not in said(transaction(retail(RETURN)))


@pytest.mark.parametrize(
    "member",
    [
        "<LoyaltyAccount><LoyaltyAccountID>L7</LoyaltyAccountID></LoyaltyAccount>",
        "<LineItem><LoyaltyReward><LoyaltyID>L7</LoyaltyID></LoyaltyReward></LineItem>",
        "<LineItem><LoyaltyMembership><AccountNumber>L7</AccountNumber></LoyaltyMembership></LineItem>",
    ],
)
def test_a_member_is_known_by_the_loyalty_number(member: str) -> None:
    assert said(transaction(retail(SALE + member)))["identities"] == [{"kind": "loyalty", "value": "L7"}]


@pytest.mark.parametrize("name", ["CustomerOrderNumber", "SpecialOrderNumber", "OrderID"])
def test_an_order_s_receipt_names_the_order(name: str) -> None:
    assert said(transaction(retail(f"{SALE}<{name}>O-5</{name}>")))["order"] == "O-5"


def test_version_6_names_the_store_as_a_unit_of_the_business_and_several_times() -> None:
    numbers = (
        "<BusinessUnit><UnitID TypeCode='Store'>042</UnitID></BusinessUnit><WorkstationID>3</WorkstationID>"
        "<SequenceNumber>000991</SequenceNumber><BusinessDayDate>2026-07-01+02:00</BusinessDayDate>"
        "<EndDateTime TypeCode='Sales'>2026-07-01T17:36:05.1234567+02:00</EndDateTime>"
        "<EndDateTime TypeCode='Payment'>2026-07-01T17:37:00+02:00</EndDateTime>"
    )

    line = said(transaction(numbers=numbers))

    assert (line["seq"], line["day"], line["time"]) == (991, "2026-07-01", "2026-07-01T17:37:00+02:00")


@pytest.mark.parametrize(
    ("wrong", "reason", "told"),
    [
        ("<RetailStoreID>043</RetailStoreID>", "other-store", "042"),
        ("<WorkstationID>a b</WorkstationID>", "invalid-line", "WorkstationID"),
        ("<SequenceNumber>12a</SequenceNumber>", "invalid-line", "SequenceNumber"),
        ("<SequenceNumber>99999999999999999</SequenceNumber>", "invalid-line", "SequenceNumber"),
    ],
)
def test_a_transaction_without_its_natural_key_or_of_somebody_else_is_told(wrong: str, reason: str, told: str) -> None:
    name = wrong[1 : wrong.index(">")]
    numbers = wrong + NUMBERS.replace(f"<{name}>", "<Other>").replace(f"</{name}>", "</Other>")

    (unfit,) = read(transaction(numbers=numbers))

    assert isinstance(unfit, Unfit)
    assert unfit.reason == reason
    assert told in unfit.detail


def test_an_agent_of_one_till_takes_no_other_s() -> None:
    (unfit,) = read(transaction(), READING._replace(till="4"))
    (line,) = read(transaction(), READING._replace(till="3"))

    assert isinstance(unfit, Unfit)
    assert unfit.reason == "other-till"
    assert isinstance(line, Line)


BOMB = (
    '<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<POSLog><Transaction>&b;</Transaction></POSLog>"
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, "DTD"),
        ('<!DOCTYPE POSLog SYSTEM "file:///etc/passwd"><POSLog/>', "DTD"),
        ("<POSLog>&undeclared;</POSLog>", "undefined entity"),
        ("<POSLog>" + "<a>" * 40 + "</a>" * 40 + "</POSLog>", "deeper"),
        ("<POSLog><Transaction>" + "<a/>" * 100 + "</Transaction></POSLog>", "elements"),
        ("<POSLog><Transaction>" + "x" * 2000 + "</Transaction></POSLog>", "characters"),
        ('<POSLog><Transaction a="' + "x" * 2000 + '"/></POSLog>', "characters"),
        ("<Receipt/>", "not of POSLog"),
        ("", "ends before"),
        ("<POSLog><Transaction>", "ends before"),
        ("<POSLog></Transaction>", "mismatched"),
    ],
)
def test_what_is_no_document_of_a_till_is_refused(text: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "XML_ELEMENTS_MAX", 50)
    monkeypatch.setattr(module, "XML_TEXT_MAX", 1000)

    with pytest.raises(XmlError, match=told):
        list(elements(io.BytesIO(text.encode()), "Transaction", root="POSLog"))


@given(st.integers(min_value=0))
def test_wherever_a_document_is_cut_off_its_whole_transactions_are_read(cut: int) -> None:
    whole = ("<POSLog>" + transaction() * 3 + "</POSLog>").encode()
    cut %= len(whole)
    read = elements(io.BytesIO(whole[:cut]), "Transaction", root="POSLog")

    found = list(islice(read, whole[:cut].count(b"</Transaction>")))

    assert [one.value("SequenceNumber") for one in found] == ["991"] * len(found)
    with pytest.raises(CutOffError):
        next(read)


@given(st.binary(max_size=400), st.integers(min_value=0))
def test_random_bytes_end_in_transactions_or_in_words(noise: bytes, at: int) -> None:
    whole = ("<POSLog>" + transaction() + "</POSLog>").encode()
    at %= len(whole)
    spoilt = whole[:at] + noise + whole[at:]

    with suppress(XmlError):
        for one in elements(io.BytesIO(spoilt), "Transaction", root="POSLog"):
            assert isinstance(lines_of(one, READING, store="042"), Line | Unfit)
