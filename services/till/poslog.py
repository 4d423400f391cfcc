"""Read the transactions of a POSLog file (version 6 of ARTS, and what tills make of it) as lines of a till.

Only elements are looked for, by their names without namespaces: makers extend the format, and leave out what they please.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from services.till.elements import Element
from services.till.limits import ASIDE_BYTES_MAX
from services.till.lines import DAY, NAME, Line, Reading, Unfit, instant, line_of, unfit

STATUSES: Final = {
    "Voided": "void",
    "PostVoided": "void",
    "Canceled": "void",
    "Cancelled": "void",
    "Suspended": "suspended",
    "SuspendedDeleted": "void",
    "SuspendedCancelled": "void",
    "SuspendedRetrieved": "reopened",
}
"""Of `TransactionStatus`; any other one is of a transaction that happened."""

ORDERS: Final = (
    "CustomerOrderTransaction",
    "SpecialOrder",
    "CustomerOrderForDelivery",
    "CustomerOrderForPickup",
    "Layaway",
)
"""What is taken home, and paid in full, under a later receipt."""

ORDER_NUMBERS: Final = ("CustomerOrderNumber", "SpecialOrderNumber", "OrderID", "OrderNumber", "InventoryReservationID")

LOYALTY_NUMBERS: Final = ("LoyaltyAccountID", "LoyaltyID", "LoyaltyCardNumber", "MembershipID", "AccountNumber", "ID")

TEST_CARDS: Final = frozenset(
    {
        ("411111", "1111"), ("424242", "4242"), ("400000", "0002"), ("401288", "1881"), ("422222", "2222"),
        ("555555", "4444"), ("510510", "5100"), ("222300", "3222"), ("378282", "0005"), ("371449", "8431"),
        ("601111", "1117"), ("353011", "0000"), ("305693", "5904"),
    }
)  # fmt: skip
"""First six and last four digits of the numbers that card schemes give out for tests; a masked number shows these."""

PROPERTY_CHARS_MAX: Final = 64
NUMBER_CHARS_MAX: Final = 16
ORDER_CHARS_MAX: Final = 128
"""The door's limit for an order's number."""

CARD_CHARS_MIN: Final = 13
"""Of a card's number; shorter ones are of vouchers and members."""

AMOUNT_MAX: Final = 10**12
"""Beyond it a sum is a mistake, and no float tells its cents."""

TOTALS: Final = ("TransactionGrandAmount", "TransactionTotalAmount", "TransactionNetAmount")
"""The best first."""


def lines_of(transaction: Element, reading: Reading, *, store: str) -> Line | Unfit:
    """Make the line of a transaction, or say why it is none."""
    text = transaction.source()[:ASIDE_BYTES_MAX]
    named = transaction.value("RetailStoreID") or transaction.value("BusinessUnit", "UnitID") or store
    if named != store:
        return unfit("other-store", f"the transaction is another store's: this agent sends for store {store}", text)
    till = transaction.value("WorkstationID") or reading.till or ""
    if reading.till is not None and till != reading.till:
        return unfit(
            "other-till",
            f"the transaction is of another till than {reading.till}: leave --till out to send for all",
            text,
        )
    if NAME.fullmatch(till) is None:
        return unfit("invalid-line", "WorkstationID: must be 1 to 40 of A-Z, a-z, 0-9, . _ -", text)
    said = _said(transaction, reading)
    return said if isinstance(said, Unfit) else line_of(said, text, till, reading)


def _said(transaction: Element, reading: Reading) -> dict[str, Any] | Unfit:
    text = transaction.source()
    number, day = _number(transaction), transaction.value("BusinessDayDate")
    begun, ended = _moment(transaction, "BeginDateTime", reading), _moment(transaction, "EndDateTime", reading)
    at = ended or _moment(transaction, "POSLogDateTime", reading) or begun
    if number is None:
        return unfit("invalid-line", "SequenceNumber: must be the transaction's number", text)
    if DAY.fullmatch(day[:10]) is None and at is None:
        return unfit("invalid-line", "BusinessDayDate: must be the business day, such as 2026-03-01", text)
    retail = transaction.child("RetailTransaction") or transaction.child("CustomerOrderTransaction")
    said: dict[str, Any] = {"seq": number, "day": day[:10] or (at.date().isoformat() if at else "")}
    if at is not None:
        said["time"] = at.isoformat()
    if transaction.flag("TrainingModeFlag"):
        said["training"] = True
    if retail is None:
        # Signing on, opening the drawer: no customer is there, and the numbers stay without gaps.
        return {**said, "type": "control"}
    said["type"] = _type(transaction, retail)
    said.update(_links(transaction, retail, said["type"]))
    if any(_is_test_card(one) for one in retail.find("PrimaryAccountNumber", "AccountNumber", "CardNumber")):
        said["test"] = True
    said["properties"] = _properties(transaction, retail, _seconds(begun, ended) if said["type"] == "return" else None)
    return said


def _type(transaction: Element, retail: Element) -> str:
    status = retail.attribute("TransactionStatus") or transaction.attribute("TransactionStatus")
    if transaction.flag("CancelFlag") or transaction.flag("VoidFlag"):
        return "void"
    if status in STATUSES:
        return STATUSES[status]
    items = [kind for item in _items(retail) for kind in item.children]
    sold, returned = any(one.name == "Sale" for one in items), any(one.name == "Return" for one in items)
    if not sold and not returned and (retail.name in ORDERS or any(one.name in ORDERS for one in items)):
        return "order"
    total = _total(retail)
    # An exchange is a return when money goes back.
    return "return" if returned and (not sold or (total is not None and total < 0)) else "sale"


def _items(retail: Element) -> Iterator[Element]:
    """Return the lines that hold: what was rung up by mistake stays in the journal, with a flag."""
    return (one for one in retail.named("LineItem") if not (one.flag("VoidFlag") or one.flag("CancelFlag")))


def _links(transaction: Element, retail: Element, kind: str) -> dict[str, Any]:
    """Say who bought, which order it belongs to, and which receipt a return takes back."""
    links: dict[str, Any] = {}
    people = _identities(retail)
    if people:
        links["identities"] = people
    order = next(
        (one.text for name in ORDER_NUMBERS for one in [*retail.find(name), *transaction.named(name)] if one.text), ""
    )
    if order and len(order) <= ORDER_CHARS_MAX:
        links["order"] = order
    if kind == "return":
        receipt = next(filter(None, map(_receipt, retail.find("TransactionLink"))), None)
        if receipt is not None:
            links["returns"] = receipt
    return links


def _identities(retail: Element) -> list[dict[str, str]]:
    loyalty = [
        number
        for one in retail.find("LoyaltyAccount", "LoyaltyMembership", "LoyaltyMember")
        for number in [next((one.value(name) for name in LOYALTY_NUMBERS if one.value(name)), "")]
    ]
    loyalty += [one.text for one in retail.find("LoyaltyID", "LoyaltyCardNumber")]
    customers = [one.value("CustomerID") for one in retail.find("Customer")]
    named = [("loyalty", one) for one in loyalty if one] + [("customer", one) for one in customers if one]
    return [{"kind": kind, "value": value} for kind, value in dict.fromkeys(named)]


def _receipt(link: Element) -> dict[str, Any] | None:
    number, day = _number(link), link.value("BusinessDayDate")[:10]
    if number is None or DAY.fullmatch(day) is None:
        return None
    store, till = link.value("RetailStoreID") or link.value("BusinessUnit", "UnitID"), link.value("WorkstationID")
    elsewhere = {"store": store, "till": till}
    return {"seq": number, "day": day, **{name: one for name, one in elsewhere.items() if NAME.fullmatch(one)}}


def _number(transaction: Element) -> int | None:
    number = transaction.value("SequenceNumber")
    return int(number) if number.isascii() and number.isdigit() and len(number) <= NUMBER_CHARS_MAX else None


def _properties(transaction: Element, retail: Element, wait_s: float | None) -> dict[str, Any]:
    total = _total(retail)
    tenders = dict.fromkeys(
        one.attribute("TenderType")
        for item in _items(retail)
        for one in item.named("Tender")
        if one.attribute("TenderType")
    )
    found: dict[str, Any] = {
        "total": None if total is None else float(total),
        "currency": transaction.value("CurrencyCode") or None,
        "items": sum(1 for item in _items(retail) for one in item.children if one.name in ("Sale", "Return")) or None,
        "tender": ",".join(tenders) or None,
        "offline": True if transaction.flag("OfflineFlag") else None,
        "wait_seconds": wait_s,
    }
    return {
        name: value[:PROPERTY_CHARS_MAX] if isinstance(value, str) else value
        for name, value in found.items()
        if value is not None
    }


def _total(retail: Element) -> Decimal | None:
    """Return what was paid in all; the net amount where no grand one is told."""
    for name in TOTALS:
        for one in retail.named("Total"):
            amount = _amount(one) if one.attribute("TotalType") == name else None
            if amount is not None:
                return amount
    return None


def _amount(total: Element) -> Decimal | None:
    try:
        amount = Decimal(total.text)
    except InvalidOperation:
        return None
    if not amount.is_finite() or abs(amount) >= AMOUNT_MAX:
        return None
    return -abs(amount) if total.flag("NegativeFlag") or total.flag("NegativeTotalFlag") else amount


def _moment(transaction: Element, name: str, reading: Reading) -> datetime | None:
    """Read a time of the transaction; of several with a type each, the last."""
    moments = [instant(one.text, reading.zone) for one in transaction.named(name)]
    return max((one for one in moments if one is not None), default=None)


def _seconds(begun: datetime | None, ended: datetime | None) -> float | None:
    if begun is None or ended is None or ended < begun:
        return None
    return (ended - begun).total_seconds()


def _is_test_card(number: Element) -> bool:
    shown = number.text.strip().replace(" ", "").replace("-", "")
    return len(shown) >= CARD_CHARS_MIN and (shown[:6], shown[-4:]) in TEST_CARDS
