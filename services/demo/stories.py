"""The stories that happen to a shop's customers, step by step, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Via = Literal["site", "account", "login", "till", "card", "mail", "newsletter", "order"]
"""Which of a customer's identities a step names; `login`, `card`, `newsletter` and `order` name two, which links them."""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens: a touchpoint, and the bounds its numbers are drawn from."""

    touchpoint: str
    channel: str
    via: Via = "account"
    after_h: Range = (0.0, 0.02)
    place: str = ""
    scale: str = ""
    rating: tuple[int, int] = (0, 0)
    numbers: Mapping[str, Range] = field(default_factory=dict)
    case: bool = False
    order: bool = False


STORES: Final = ("store/001", "store/014", "store/042")
CARRIERS: Final = ("carrier/swift", "carrier/parcelpoint")
TEAMS: Final = ("team/billing", "team/orders")
PLACES: Final = {"store": STORES, "carrier": CARRIERS, "team": TEAMS, "site": ("site/checkout",)}

SOON: Final = (0.01, 0.2)
NEXT_DAYS: Final = (20.0, 60.0)

BROWSE: Final = (
    Step(touchpoint="web.page_viewed", channel="web", via="site"),
    Step(touchpoint="web.search_performed", channel="web", via="site", numbers={"results": (3, 90)}),
    Step(touchpoint="web.product_viewed", channel="web", via="site"),
)
LOGIN: Final = Step(touchpoint="web.page_viewed", channel="web", via="login")
BASKET: Final = (
    Step(touchpoint="web.cart_added", channel="web", order=True),
    Step(touchpoint="web.checkout_started", channel="web", order=True),
)
PAID: Final = (
    Step(
        touchpoint="web.checkout_completed",
        channel="web",
        order=True,
        after_h=(0.02, 0.1),
        numbers={"wait_seconds": (60, 240)},
    ),
    Step(touchpoint="order.completed", channel="web", via="order", order=True),
)
SENT: Final = Step(
    touchpoint="delivery.dispatched",
    channel="delivery",
    place="carrier",
    order=True,
    after_h=(3.0, 20.0),
    numbers={"hours_late": (-20, -2)},
)


def delivered(*, hours_late: Range) -> Step:
    """The parcel's arrival, against its promise."""
    return Step(
        touchpoint="delivery.delivered",
        channel="delivery",
        place="carrier",
        order=True,
        after_h=NEXT_DAYS,
        numbers={"hours_late": hours_late},
    )


def rated(touchpoint: str, *, channel: str, scale: str, low: int, high: int, via: Via = "account") -> Step:
    """A question answered on a scale."""
    return Step(touchpoint=touchpoint, channel=channel, via=via, scale=scale, rating=(low, high), after_h=(1.0, 12.0))


def resolved(*, hours: Range) -> Step:
    """A case closed to the customer's satisfaction after so many hours."""
    return Step(
        touchpoint="case.resolved",
        channel="email",
        place="team",
        case=True,
        after_h=hours,
        numbers={"wait_seconds": (hours[0] * 3600, hours[1] * 3600)},
    )


def called(*, wait_seconds: Range) -> Step:
    """A call that reached a person after so long."""
    return Step(
        touchpoint="call.answered",
        channel="contact_centre",
        place="team",
        case=True,
        after_h=SOON,
        numbers={"wait_seconds": wait_seconds},
    )


ASKED: Final = Step(touchpoint="case.opened", channel="contact_centre", place="team", case=True, after_h=SOON)
COMPLAINT: Final = Step(touchpoint="complaint.made", channel="contact_centre", place="team", case=True)

STORIES: Final[Mapping[str, tuple[Step, ...]]] = {
    "browses": (*BROWSE, Step(touchpoint="web.wishlist_added", channel="web", via="site")),
    "orders": (*BROWSE, LOGIN, *BASKET, *PAID, SENT, delivered(hours_late=(-30, -4))),
    "orders_and_praises": (
        *BROWSE,
        LOGIN,
        *BASKET,
        *PAID,
        SENT,
        delivered(hours_late=(-40, -10)),
        rated("survey.csat", channel="survey", scale="csat5", low=4, high=5),
    ),
    "buys_in_store": (
        Step(
            touchpoint="pos.queue_waited", channel="pos", via="till", place="store", numbers={"wait_seconds": (10, 110)}
        ),
        Step(touchpoint="pos.sale_completed", channel="pos", via="till", place="store", order=True),
        Step(touchpoint="loyalty.points_earned", channel="pos", via="card", place="store"),
    ),
    "rates_staff": (
        Step(touchpoint="pos.sale_completed", channel="pos", via="till", place="store", order=True),
        Step(touchpoint="store.staff_rated", channel="pos", via="till", place="store", scale="stars5", rating=(4, 5)),
    ),
    "recommends": (
        rated("survey.nps", channel="survey", scale="nps", low=9, high=10),
        Step(touchpoint="referral.made", channel="web", after_h=SOON),
    ),
    "signs_up": (
        *BROWSE,
        Step(touchpoint="account.signed_up", channel="web", via="login"),
        Step(touchpoint="email.delivered", channel="email", via="newsletter", after_h=SOON),
        Step(touchpoint="email.opened", channel="email", via="mail", after_h=SOON),
    ),
    "hunts_coupons": (
        Step(touchpoint="email.clicked", channel="email", via="mail"),
        Step(touchpoint="promo.clicked", channel="web", via="site"),
        LOGIN,
        *BASKET,
        Step(touchpoint="web.coupon_denied", channel="web", order=True),
        Step(touchpoint="web.cart_abandoned", channel="web", order=True, after_h=SOON),
    ),
    "redeems": (
        Step(touchpoint="email.clicked", channel="email", via="newsletter"),
        Step(touchpoint="loyalty.reward_redeemed", channel="web"),
        *PAID,
        SENT,
        delivered(hours_late=(-10, 2)),
    ),
    "pays_the_wrong_price": (
        Step(touchpoint="pos.price_mismatch", channel="pos", via="till", place="store"),
        Step(
            touchpoint="pos.return_processed",
            channel="pos",
            via="till",
            place="store",
            numbers={"wait_seconds": (300, 1500)},
        ),
        Step(touchpoint="loyalty.points_earned", channel="pos", via="card", place="store"),
    ),
    "waits_for_parcel": (
        *BROWSE,
        LOGIN,
        *BASKET,
        *PAID,
        SENT,
        Step(touchpoint="delivery.attempt_failed", channel="delivery", place="carrier", order=True, after_h=NEXT_DAYS),
        delivered(hours_late=(10, 70)),
        rated("survey.csat", channel="survey", scale="csat5", low=1, high=3),
    ),
    "complains": (ASKED, COMPLAINT, called(wait_seconds=(150, 600)), resolved(hours=(30.0, 90.0))),
    "uses_account_manager": (
        Step(touchpoint="product.milestone", channel="product"),
        Step(touchpoint="subscription.renewed", channel="product", after_h=SOON),
        rated("csm.sentiment_set", channel="crm", scale="stars5", low=3, high=5),
    ),
    "waits_for_invoice": (
        Step(touchpoint="invoice.late_or_refused", channel="back_office", place="team", order=True),
        called(wait_seconds=(20, 150)),
        resolved(hours=(4.0, 30.0)),
    ),
    "outage_at_checkout": (
        Step(touchpoint="web.checkout_error", channel="web", place="site", order=True),
        Step(touchpoint="payment.failed", channel="web", place="site", order=True),
        ASKED,
        COMPLAINT,
        called(wait_seconds=(400, 1500)),
    ),
    "outage_of_service": (
        Step(touchpoint="service.outage", channel="product", numbers={"minutes": (120, 240)}),
        ASKED,
        COMPLAINT,
        called(wait_seconds=(400, 1500)),
    ),
    "outage_of_delivery": (
        Step(touchpoint="delivery.promise_missed", channel="delivery", via="order", place="carrier"),
        ASKED,
        COMPLAINT,
        called(wait_seconds=(300, 1200)),
    ),
    "made_good_at_checkout": (
        Step(
            touchpoint="case.resolved", channel="email", place="team", case=True, numbers={"wait_seconds": (600, 3000)}
        ),
        Step(touchpoint="refund.completed", channel="web", order=True, numbers={"wait_seconds": (3600, 40000)}),
        Step(touchpoint="staff.kindness_rated", channel="contact_centre", place="team", scale="stars5", rating=(5, 5)),
        Step(touchpoint="survey.csat", channel="survey", scale="csat5", rating=(4, 5)),
    ),
    "made_good_by_delivery": (
        Step(
            touchpoint="case.resolved", channel="email", place="team", case=True, numbers={"wait_seconds": (600, 3000)}
        ),
        Step(
            touchpoint="delivery.delivered",
            channel="delivery",
            place="carrier",
            order=True,
            numbers={"hours_late": (-60, -20)},
        ),
        Step(touchpoint="staff.kindness_rated", channel="contact_centre", place="team", scale="stars5", rating=(5, 5)),
        Step(touchpoint="survey.csat", channel="survey", scale="csat5", rating=(4, 5)),
    ),
}
"""Every story there is; personas, the outage and the recovery name them."""

OUTAGES: Final = ("outage_at_checkout", "outage_of_service", "outage_of_delivery")
RECOVERIES: Final = {
    "outage_at_checkout": "made_good_at_checkout",
    "outage_of_service": "made_good_at_checkout",
    "outage_of_delivery": "made_good_by_delivery",
}
