"""The models that weigh: what each of them weighs by, and which one is in use."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from services.core.bands import Bands
from services.core.catalogue import UNKNOWN_WEIGHT, Parameters
from services.core.weighing import UNSTRETCHED, Calibration, Stretch, Weighing
from services.infra.errors import ConfigurationError
from services.state.pool import Statements

PARAMETERS: Final = (
    "lambda_",
    "beta",
    "kappa",
    "prior",
    "cap",
    "half_life_days",
    "factor_decision_maker",
    "factor_champion",
    "factor_user",
)


class InUse(NamedTuple):
    """Which model weighs, in which of the two sets its scores stand, and which is being written into the other one."""

    active: int
    slot: int
    filling: int | None = None

    @property
    def generations(self) -> list[Generation]:
        """What whoever scores writes: the scores that are read first."""
        filling = [] if self.filling is None else [Generation(self.filling, 1 - self.slot)]
        return [Generation(self.active, self.slot), *filling]


class Generation(NamedTuple):
    """Scores by one model, in one of the two sets."""

    model: int
    slot: int


class ActiveModel(NamedTuple):
    """What the model in use is called."""

    version: str
    name: str | None
    """As its file calls it; None when it is a catalogue's own."""


class KnownModel(NamedTuple):
    """A model as the database lists it."""

    number: int
    version: str
    name: str | None
    """As its file calls it; None when it is a catalogue's own."""
    first_used_at: datetime
    activated_at: datetime | None
    active: bool
    document: str | None
    whole: bool
    """Whether all that it weighs by is known: an earlier release wrote less down."""


class ModelTable:
    """The statements of `model`, `model_weight` and `model_in_use`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def keep(self, weighing: Weighing) -> int:
        """Write down what a model weighs by, for whoever scores; returns its number.

        Raises ConfigurationError when the database has no tables.
        """
        number = int(await self._say.value("use_model", weighing.version))
        stretches = [weighing.stretches.get(name, UNSTRETCHED) for name in weighing.weights]
        good, bad = [one.good for one in stretches], [one.bad for one in stretches]
        await self._say.run("note_weights", number, [*weighing.weights], [*weighing.weights.values()], good, bad)
        scalars = (getattr(weighing.parameters, name) for name in PARAMETERS)
        knots = weighing.calibration or (None, None)
        await self._say.run(
            "note_model", number, *scalars, UNKNOWN_WEIGHT, *knots, *map(list, weighing.bands), weighing.place_past
        )
        return number

    async def name(self, number: int, *, name: str, document: str) -> None:
        """Keep the file that a model came from."""
        await self._say.run("name_model", number, name, document)

    async def claim(self, number: int) -> int:
        """Let a model weigh if none does; returns the one that does."""
        return int(await self._say.value("claim_model", number))

    async def in_use(self) -> InUse | None:
        """Which model weighs; None before anybody has scored."""
        row = await self._say.row("model_in_use")
        return None if row is None else InUse(*row)

    async def active(self) -> ActiveModel | None:
        """The model that weighs; None before anybody has scored."""
        row = await self._say.row("active_version")
        return None if row is None else ActiveModel(*row)

    async def weighing(self, number: int) -> Weighing:
        """What a model weighs by; raises ConfigurationError for one of which that is not known."""
        row = await self._say.row("weighing", number)
        if row is None or row["half_life_days"] is None:
            raise ConfigurationError(
                f"the database does not say what model {number} weighs by: activate it from its file"
            )
        weights = await self._say.rows("weights", number)
        scores, risks = row["calibration_scores"], row["calibration_risks"]
        return Weighing(
            version=row["version"],
            parameters=Parameters(**{name: row[name] for name in PARAMETERS}),
            weights={one["touchpoint"]: one["weight"] for one in weights},
            stretches={
                one["touchpoint"]: Stretch(one["good_scale"], one["bad_scale"])
                for one in weights
                if (one["good_scale"], one["bad_scale"]) != UNSTRETCHED
            },
            calibration=None if scores is None else Calibration(tuple(scores), tuple(risks)),
            bands=Bands(tuple(row["band_names"]), tuple(row["band_starts"])),
            place_past=row["place_past"],
        )

    async def known(self, *, limit: int) -> list[KnownModel]:
        """The models that were ever used or activated, the newest first."""
        return [KnownModel(*row) for row in await self._say.rows("models", limit)]
