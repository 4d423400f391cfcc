"""Turn the sums of a census into the answers of the read API. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from schemas.censusapi import (
    CELLS_MAX,
    CellSums,
    ControlSums,
    DriversAnswer,
    DriverSums,
    JourneyMapAnswer,
    Measured,
    PeriodSums,
    PlacesAnswer,
    PlaceSums,
    TouchpointsAnswer,
    TouchpointSums,
)
from schemas.instant import write_instant
from services.api.census_sums import Ranked
from services.core.catalogue import STAGES, Catalogue
from services.core.census import NOT_COUNTED, PERIOD_H, Counted, Sums
from services.core.instants import EPOCH
from services.core.tallies import MICRO
from services.infra.catalogue.reading import Labels
from services.state.census import KeptCensus

ORDER: Final = {stage: place for place, stage in enumerate(STAGES)}


class Frame(NamedTuple):
    """What every answer begins with."""

    census: KeptCensus
    account: str | None
    place: str | None
    segment: str | None
    everything: Counted | None

    def fields(self) -> dict[str, object]:
        """The fields that all answers have."""
        return {
            "account": self.account,
            "place": self.place,
            "segment": self.segment,
            "persons": self.census.persons,
            "everything": Measured.model_validate(_measured(self.everything or NOT_COUNTED)),
            "days": PERIOD_H // 24,
            "at": write_instant(EPOCH + timedelta(hours=self.census.hour)),
            "counted_at": write_instant(self.census.ended_at),
            "model_version": self.census.model_version,
        }


class Chosen(NamedTuple):
    """Which touchpoints a question is about; None: of any."""

    stage: str | None
    driver: str | None
    control: str | None


def drivers_answer(frame: Frame, drivers: Ranked, controls: Ranked, *, labels: Labels) -> DriversAnswer:
    """Rank what people weigh."""
    return DriversAnswer.model_validate(
        {
            **frame.fields(),
            "drivers": [
                DriverSums.model_validate(
                    {"driver": driver, "label": labels.drivers.get(driver, driver), **_measured(sums)}
                )
                for driver, sums in drivers.items()
            ],
            "controls": _controls(controls, labels),
        }
    )


def touchpoints_answer(  # noqa: PLR0913 -- what is shown, of which, in which words
    frame: Frame,
    touchpoints: Ranked,
    controls: Ranked,
    *,
    chosen: Chosen,
    limit: int,
    catalogue: Catalogue,
    labels: Labels,
) -> TouchpointsAnswer:
    """Rank the touchpoints that are asked for."""
    entries = {name: catalogue.entry(name) for name in touchpoints}
    wanted = [
        name
        for name, entry in entries.items()
        if all(
            one is None or one == of for one, of in zip(chosen, (entry.stage, entry.driver, entry.control), strict=True)
        )
    ]
    return TouchpointsAnswer.model_validate(
        {
            **frame.fields(),
            "touchpoints": [
                TouchpointSums.model_validate(
                    {
                        "touchpoint": name,
                        "label": labels.touchpoints.get(name, name),
                        "stage": entries[name].stage,
                        "driver": entries[name].driver,
                        "control": entries[name].control,
                        **_measured(touchpoints[name]),
                    }
                )
                for name in wanted[:limit]
            ],
            "left_out": len(wanted[limit:]),
            "controls": _controls(controls, labels),
        }
    )


def journey_map_answer(frame: Frame, cells: Ranked, *, stage: str | None, labels: Labels) -> JourneyMapAnswer:
    """Show stages by channels, in the order of the journey."""
    placed = [(*value.partition("/")[::2], sums) for value, sums in cells.items()]
    in_order = sorted(placed, key=lambda cell: ORDER.get(cell[0], len(ORDER)))
    return JourneyMapAnswer.model_validate(
        {
            **frame.fields(),
            "cells": [
                CellSums.model_validate(
                    {"stage": of, "stage_label": labels.stages.get(of, of), "channel": channel, **_measured(sums)}
                )
                for of, channel, sums in in_order[:CELLS_MAX]
                if stage in {None, of}
            ],
        }
    )


def places_answer(frame: Frame, places: Ranked, *, limit: int) -> PlacesAnswer:
    """Rank the places, of which there may be one more than are shown."""
    shown = [*places.items()]
    return PlacesAnswer.model_validate(
        {
            **frame.fields(),
            "places": [PlaceSums.model_validate({"place": place, **_measured(sums)}) for place, sums in shown[:limit]],
            "more": len(shown) > limit,
        }
    )


def _controls(controls: Ranked, labels: Labels) -> Sequence[ControlSums]:
    return [
        ControlSums.model_validate(
            {"control": control, "label": labels.controls.get(control, control), **_measured(sums)}
        )
        for control, sums in controls.items()
    ]


def _measured(counted: Counted) -> Mapping[str, object]:
    now, before = counted
    return {"period": _period(now), "before": _period(before), "trend": (now.lost - before.lost) / MICRO}


def _period(sums: Sums) -> PeriodSums:
    return PeriodSums(
        score=sums.scores / MICRO / sums.customers if sums.customers else None,
        points_lost=sums.lost / MICRO,
        points_won=sums.won / MICRO,
        customers=sums.customers,
        events=sums.events,
    )
