"""Hand records to a system and know of each what became of it: nothing counts as written that was not said to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.outbound.crm.contract import Absent, Again, Answer, Connector, Push, Refused, Trouble

SILENT: Final = "the system said nothing of it"
SEVERAL: Final = "the system has several records with this key: merge them there, then `tactus crm redrive`"


class Delivered(NamedTuple):
    """What became of records, and what stopped the others; each record is in at most one answer."""

    answers: tuple[Answer, ...]
    remotes: tuple[tuple[str, str], ...] = ()
    """The system's numbers that were found for keys."""
    trouble: Trouble | None = None


async def deliver(connector: Connector, pushes: Sequence[Push]) -> Delivered:
    """Write records, each key once; what is in trouble is left without an answer and is to be tried again."""
    if connector.traits.lookup == "native":
        return await _written(connector, pushes)
    unknown = [push for push in pushes if push.remote is None]
    known = [push for push in pushes if push.remote is not None]
    first = await _sought(connector, unknown)
    if first.trouble is not None:
        return first
    remotes = dict(first.remotes)
    found = [push._replace(remote=remotes[push.key]) for push in unknown if push.key in remotes]
    written = await _written(connector, [*known, *found])
    # A number that we remembered may be that of a record which was merged into another or made anew.
    lost = {one.key for one in written.answers if isinstance(one, Absent)}
    moved = [push for push in known if push.key in lost]
    second = Delivered(())
    if moved and written.trouble is None:
        second = await _again(connector, moved)
    seconds = {one.key for one in second.answers}
    kept = tuple(one for one in written.answers if one.key not in seconds)
    return Delivered(
        (*first.answers, *kept, *second.answers),
        (*first.remotes, *second.remotes),
        written.trouble or second.trouble,
    )


async def _again(connector: Connector, pushes: Sequence[Push]) -> Delivered:
    sought = await _sought(connector, pushes)
    if sought.trouble is not None:
        return sought
    remotes = dict(sought.remotes)
    moved = [
        push._replace(remote=remotes[push.key]) for push in pushes if remotes.get(push.key, push.remote) != push.remote
    ]
    written = await _written(connector, moved)
    return Delivered((*sought.answers, *written.answers), sought.remotes, written.trouble)


async def _sought(connector: Connector, pushes: Sequence[Push]) -> Delivered:
    """Find the system's numbers; whoever has none, or several, is answered already."""
    if not pushes:
        return Delivered(())
    found = await connector.find([push.key for push in pushes])
    if isinstance(found, Trouble):
        return Delivered((), (), found)
    answers: list[Answer] = []
    for push in pushes:
        if push.key in found.several:
            answers.append(Refused(push.key, SEVERAL))
        elif push.key not in found.remotes:
            answers.append(Absent(push.key))
    remotes = tuple((key, remote) for key, remote in found.remotes.items() if key not in found.several)
    return Delivered(tuple(answers), remotes)


async def _written(connector: Connector, pushes: Sequence[Push]) -> Delivered:
    """Write; a call that is refused as a whole is made again in parts, until the row is found that it was for."""
    answers: list[Answer] = []
    todo = [list(pushes)] if pushes else []
    while todo:
        batch = todo.pop(0)
        said = await connector.push(batch)
        if not isinstance(said, Trouble):
            answers += _one_each(batch, said)
        elif said.kind != "refused":
            return Delivered(tuple(answers), (), said)
        elif len(batch) == 1:
            answers.append(Refused(batch[0].key, said.words))
        else:
            todo = [*_parts(connector, batch), *todo]
    return Delivered(tuple(answers))


def _parts(connector: Connector, batch: list[Push]) -> list[list[Push]]:
    if connector.traits.bad_row == "halve":
        middle = len(batch) // 2
        return [batch[:middle], batch[middle:]]
    return [[push] for push in batch]


def _one_each(batch: Sequence[Push], said: Sequence[Answer]) -> list[Answer]:
    """Match answers to records by their keys: who was not asked for is no answer, and no answer is a no."""
    asked = {push.key for push in batch}
    answers: dict[str, Answer] = {}
    for answer in said:
        if answer.key in asked:
            answers.setdefault(answer.key, answer)
    return [answers.get(push.key) or Again(push.key, SILENT) for push in batch]
