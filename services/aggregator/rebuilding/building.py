"""Rebuild portion after portion while events go on to be counted, then let the result be read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.aggregator.rebuilding.judging import Judge, Verdicts
from services.core.instants import HOUR_US
from services.core.tallies import fold
from services.infra.errors import ConfigurationError
from services.state.leaves import Brought, LeafTable, Triple
from services.state.pool import Statements
from services.state.rebuilding import ALL_HOURS, CAUGHT_LEFT_MAX, Judged, Portion, Progress, RebuildTable, Rows

Tell = Callable[[Progress], None]


class Rebuilding:
    """One rebuild, over two connections: one for portions, one for the numbers of leaves."""

    def __init__(self, statements: Statements, names: Statements, judge: Judge) -> None:
        self._say = statements
        self._table = RebuildTable(statements)
        self._leaves = LeafTable(names)
        self._judge = judge
        self._numbers: dict[Triple, int] = {}

    async def build(self, tell: Tell) -> None:
        """Judge everything that is stored, from where it was left off, and then what came meanwhile; may be ended at any time."""
        progress = await self._progress()
        while progress.cursor < ALL_HOURS:
            portion = await self._table.next_portion(progress.cursor)
            await self._judge_hours(portion)
            progress = await self._progress()
            tell(progress)
        if progress.built_at is None:
            await self._table.finish()
        while await self._table.traced() > CAUGHT_LEFT_MAX:
            async with self._say.as_of_one_moment() as say:
                await self._catch(RebuildTable(say))
            tell(await self._progress())

    async def swap(self) -> None:
        """Catch up with the last of what came meanwhile and let the result be read, in one transaction."""
        async with self._say.transaction() as say:
            table = RebuildTable(say)
            await table.begin_swap()
            while await table.traced():
                await self._catch(table)
            await table.swap()

    async def _judge_hours(self, portion: Portion) -> None:
        """One transaction: events that it does not see are traced, and those that it sees are traced no more."""
        async with self._say.as_of_one_moment() as say:
            table = RebuildTable(say)
            await table.forget_trace(portion)
            for part in range(portion.parts):
                rows = await table.within(portion, part)
                await self._keep(table, rows, cursor=0, caught=False)
            await table.move(portion.until, events=0, changed=0, refused=0)

    async def _catch(self, table: RebuildTable) -> None:
        await self._keep(table, await table.catch(), cursor=0, caught=True)

    async def _keep(self, table: RebuildTable, rows: Rows, *, cursor: int, caught: bool) -> None:
        if not len(rows.key):
            return
        judged = await self._judged(rows)
        await table.write(rows, judged, caught=caught)
        changed = len(set(judged.changed.tolist()) | {place for place, _ in judged.bodies})
        await table.move(cursor, events=len(rows.key), changed=changed, refused=judged.refused)

    async def _judged(self, rows: Rows) -> Judged:
        verdicts = self._judge.judge(rows.bodies, rows.occurred_us.tolist())
        leaf = await self._numbered(verdicts)
        identities, owner = np.unique(rows.identity, return_inverse=True)
        tallies = fold(owner=owner, leaf=leaf, hour=rows.occurred_us // HOUR_US, v=verdicts.v, q=verdicts.q)
        changed = np.flatnonzero((leaf != rows.leaf) | (verdicts.v != rows.v) | (verdicts.q != rows.q))
        bodies = self._judge.bodies_of(rows.bodies, verdicts.reclassed) if verdicts.reclassed else []
        facts = [
            (fact._replace(identity=int(rows.identity[place])), int(leaf[place]))
            for place, mine in verdicts.facts
            for fact in mine
        ]
        return Judged(
            identity=identities[tallies.owner],
            sums=tallies.rows,
            changed=changed,
            leaf=leaf,
            v=verdicts.v,
            q=verdicts.q,
            bodies=bodies,
            facts=[fact for fact, _ in facts],
            fact_leaves=[number for _, number in facts],
            refused=verdicts.refused,
        )

    async def _numbered(self, verdicts: Verdicts) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        unknown = set(verdicts.leaves) - self._numbers.keys()
        if unknown:
            await self._learn(unknown)
        numbers = self._numbers
        return np.array([numbers[leaf] for leaf in verdicts.leaves], dtype=np.int64)

    async def _learn(self, leaves: set[Triple]) -> None:
        found = await self._leaves.find(leaves)
        missing = leaves - {row.triple for row in found}
        if missing:
            # They stand in nobody's budget: what is stored was paid for under the name that it had.
            await self._leaves.add([Brought(leaf, None, 0) for leaf in sorted(missing)])
            found += await self._leaves.find(missing)
        self._numbers.update((row.triple, row.number) for row in found)
        if lacking := leaves - self._numbers.keys():
            raise ConfigurationError(
                f"there is no room for {len(lacking)} more leaves; see docs/how-to/own-touchpoints.md"
            )

    async def _progress(self) -> Progress:
        progress = await self._table.last()
        if progress is None or not progress.under_way:
            raise ConfigurationError("no rebuild is under way: `tactus rebuild` begins one")
        return progress
