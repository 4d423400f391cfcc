"""Turn two receipts into the answer of what would change. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.instant import write_instant
from schemas.score import parts_as_told
from schemas.whatifapi import WhatIfAnswer, WhatIfLeaf, WhatIfOthers, WhatIfReading
from services.api.answers import Moment
from services.core.catalogue import Catalogue
from services.core.dimensions import Leaf
from services.core.scoring import Receipt
from services.core.whatif import side_by_side
from services.infra.catalogue.reading import Labels
from services.state.persons import Person


class Worked(NamedTuple):
    """A receipt as it is and as it would be, with the leaves by number, and how many of them are told."""

    before: Receipt
    after: Receipt
    leaves: Sequence[Leaf]
    leaves_max: int


def whatif_answer(
    person: Person, worked: Worked, *, catalogue: Catalogue, other: Catalogue, labels: Labels, moment: Moment
) -> WhatIfAnswer:
    """Set the two side by side; rounded parts still add up to what would change."""
    before, after = worked.before, worked.after
    differences = side_by_side(before, after)
    shown, rest = differences[: worked.leaves_max], differences[worked.leaves_max :]
    parts = [*(one.points for one in shown), sum(one.points for one in rest)]
    *told, others = parts_as_told(after.prior - before.prior, parts)
    return WhatIfAnswer(
        customer=person.customer,
        before=_reading(before, catalogue),
        after=_reading(after, other),
        difference=after.score - before.score,
        leaves=[
            WhatIfLeaf(
                touchpoint=leaf.touchpoint,
                label=labels.touchpoints.get(leaf.touchpoint, leaf.touchpoint),
                channel=leaf.channel,
                place=leaf.place,
                before=one.before,
                after=one.after,
                difference=points,
                events_before=one.events_before,
                events_after=one.events_after,
            )
            for one, points in zip(shown, told, strict=True)
            for leaf in [worked.leaves[one.leaf]]
        ],
        others=WhatIfOthers(leaves=len(rest), difference=others),
        model_version=catalogue.model_version,
        version=person.version,
        at=write_instant(moment.at),
    )


def _reading(receipt: Receipt, catalogue: Catalogue) -> WhatIfReading:
    return WhatIfReading(
        score=receipt.score,
        confidence=receipt.confidence,
        se=receipt.se,
        band=catalogue.bands.name(receipt.score, receipt.confidence),
        p_bad=None if catalogue.calibration is None else catalogue.calibration.at(receipt.score),
        prior=receipt.prior,
    )
