"""A model that takes over: its scores are written into the second set, person after person, and then it is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.infra.errors import ConfigurationError
from services.state.models import InUse
from services.state.pool import Statements

REBUILDING: Final = (
    "a rebuild is under way, which lets scores be written anew at its end: let `tactus rebuild` finish it, or give it up by "
    "`tactus rebuild drop`"
)


class Held(NamedTuple):
    """The activation under way, held for the length of a transaction."""

    number: int
    model: int
    slot: int
    """The set that is read; the other one is written."""
    horizon: str | None
    """The number of a transaction: earlier ones may not know of the activation. None before it was looked up."""
    last: int | None
    """The last person to be written in turn; None before anybody may begin."""
    cursor: int


class Status(NamedTuple):
    """How far an activation is."""

    version: str
    name: str | None
    begun_at: datetime
    moved_at: datetime
    ended_at: datetime | None
    outcome: str | None
    """active, replaced by another one, or None while it is under way."""
    done: int
    total: int | None
    known: bool
    """Whether a worker has taken it up."""
    begun: bool
    """Whether everybody who did not know of it has ended, so that writing could begin."""
    still_s: float
    """Since when it has not moved."""

    @property
    def under_way(self) -> bool:
        """Whether it goes on."""
        return self.outcome is None


class Writer(NamedTuple):
    """A session of the server that has changed something and has not ended its transaction."""

    pid: int
    application: str
    since: datetime


class ActivationTable:
    """The statements of `activation`; within a transaction but for `under_way` and `status`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def under_way(self) -> bool:
        """Whether a model is taking over."""
        return any(one.under_way for one in await self.status(limit=1))

    async def status(self, *, limit: int) -> list[Status]:
        """The last activations, the newest first."""
        return [Status(*row) for row in await self._say.rows("activation_status", limit)]

    async def oldest_writer(self) -> Writer | None:
        """Whose transaction is the oldest; of other roles' sessions only their superior sees."""
        row = await self._say.row("oldest_writer")
        return None if row is None else Writer(*row)

    async def begin(self, model: int) -> InUse | None:
        """Let a model take over; returns what was in use, None when no model was and this one is at once.

        Another activation under way is replaced, by none when the model is active already. Raises ConfigurationError while
        a rebuild is under way.
        """
        await self._say.rows("wait_for_activation")
        row = await self._say.row("hold_pointer")
        if row is None:
            await self._say.value("claim_model", model)
            return None
        if await self._say.value("rebuild_under_way"):
            raise ConfigurationError(REBUILDING)
        *in_use, stale = row
        before = InUse(*in_use)
        # Scores that were read of former tallies are written anew, also of the model that is active.
        wanted = None if model == before.active and not stale else model
        if wanted != before.filling:
            await self._say.run("end_activation", "replaced")
            await self._say.run("point_at_filling", wanted)
            if wanted is not None:
                await self._say.run("begin_activation", wanted)
        return before

    async def held(self) -> Held | None:
        """Hold the activation under way; None when there is none, or another worker holds it."""
        row = await self._say.row("hold_activation")
        return None if row is None else Held(*row)

    async def set_horizon(self, held: Held) -> None:
        """Note which transactions may not know of the activation."""
        await self._say.run("set_horizon", held.number)

    async def past_horizon(self, held: Held) -> bool:
        """Whether all of those have ended."""
        return bool(await self._say.value("past_horizon", held.horizon))

    async def set_out(self, held: Held) -> None:
        """Count who is to be written; whoever comes later is written by whoever counts their events."""
        await self._say.run("set_out", held.number)

    async def persons(self, held: Held, *, limit: int) -> list[int]:
        """The next persons in turn."""
        return [row["id"] for row in await self._say.rows("persons_to_fill", held.cursor, held.last, limit)]

    async def behind(self, held: Held, *, limit: int) -> list[int]:
        """Persons of whom the set that is written does not hold the latest state; reads every person's row."""
        query = "persons_behind_b" if held.slot == 0 else "persons_behind_a"
        return [row["id"] for row in await self._say.rows(query, held.model, limit)]

    async def move(self, held: Held, written: Sequence[int]) -> None:
        """Note that these persons are written."""
        cursor = max((one for one in written if one <= (held.last or 0)), default=0)
        await self._say.run("move_cursor", held.number, cursor, len(written))

    async def flip(self, held: Held) -> None:
        """Let everybody read what was written, and have it told to whoever follows."""
        await self._say.run("flip", held.model)
        await self._say.run("announce_everybody", "model")
        await self._say.run("end_activation", "active")


async def take_over(statements: Statements, model: int) -> InUse | None:
    """Begin, in a transaction of its own; see ActivationTable.begin."""
    async with statements.transaction() as transaction:
        return await ActivationTable(transaction).begin(model)
