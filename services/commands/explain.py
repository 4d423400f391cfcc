"""`tactus explain`: a customer's score and the reasons for it, in points that add up."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.instant import parse_instant
from schemas.readapi import CustomerAnswer, ReceiptAnswer, ReceiptLeaf
from schemas.score import Cell
from schemas.touchpoint import identity_of_subject
from services.client.endpoints import find_api
from services.infra.catalogue.reading import labels
from services.infra.errors import ConfigurationError, InvalidEventError, TactusError, UnavailableError

TIMEOUT_S: Final = 10.0
"""The API answers within five seconds, if only to say that it cannot."""

TRIES_MAX: Final = 5
"""Score and receipt are two questions; when events came between them, both are asked again."""

LEAVES_MAX: Final = 12
"""What fits on a screen; the rest is one line."""

EVENTS_MAX: Final = 3
"""The newest events shown behind a leaf; the journey has them all."""

WIDTH_MIN: Final = 60
"""Below this a table of reasons cannot be read."""

STYLES: Final = {"critical": "bold red", "low": "red", "fair": "yellow", "good": "green", "great": "bold green"}

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class Explained(NamedTuple):
    """A score and its receipt, of one version."""

    score: CustomerAnswer
    receipt: ReceiptAnswer


def run(customer: str, *, at: str | None, data: Path | None) -> int:
    """Print the explanation; 0 when there is one, 1 when the reason why not was printed."""
    kind, value = identity_of_subject(customer)
    try:
        endpoint = find_api(data)
        with httpx.Client(
            base_url=endpoint.url,
            headers={"Authorization": f"Bearer {endpoint.key}"},
            timeout=TIMEOUT_S,
            trust_env=False,
        ) as client:
            explained = ask(client, f"{kind}:{value}", at=at)
    except TactusError as error:
        sys.stderr.write(f"tactus explain: {error}\n")
        return 1
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(console.width, WIDTH_MIN)
    show(console, explained)
    return 0


def ask(client: httpx.Client, identity: str, *, at: str | None) -> Explained:
    """Ask for the score and for its receipt at the same moment and version.

    Raises InvalidEventError when there is no such customer or moment, UnavailableError when the API is away.
    """
    path = f"/v1/customers/{quote(identity, safe='')}"
    for _ in range(TRIES_MAX):
        score = _get(client, path, CustomerAnswer, at=at)
        receipt = _get(client, f"{path}/receipt", ReceiptAnswer, at=score.at)
        if score.version == receipt.version:
            return Explained(score, receipt)
    raise UnavailableError("events of this customer come faster than the score can be read: ask for a moment with --at")


def _get(client: httpx.Client, path: str, answer: type[AnswerT], *, at: str | None) -> AnswerT:
    try:
        response = client.get(path, params={} if at is None else {"at": at})
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"the API at {client.base_url} does not answer: start it with `tactus up`, or look with `tactus doctor`"
        ) from error
    if response.status_code == HTTPStatus.OK:
        return answer.model_validate_json(response.content)
    raise _refusal(response)


def _refusal(response: httpx.Response) -> TactusError:
    match response.status_code:
        case HTTPStatus.NOT_FOUND:
            return InvalidEventError(
                "no customer has this identity: write it as kind:value as its events do; a customer appears with the "
                "first event that names it"
            )
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return ConfigurationError(
                "the API does not take the read key: restart `tactus up`, or set TACTUS_READ_KEY to a valid one"
            )
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            return InvalidEventError(str(response.json()["detail"]))
        case status:
            return UnavailableError(f"the API cannot answer ({status}): try again, or look with `tactus doctor`")


def show(console: Console, explained: Explained) -> None:
    """Print a score, its windows, its reasons, and the sum of them."""
    score, receipt = explained
    _show_head(console, score)
    console.print()
    if not receipt.leaves:
        console.print("Nothing was seen of this customer in the 400 days before.")
        return
    shown, rest = receipt.leaves[:LEAVES_MAX], receipt.leaves[LEAVES_MAX:]
    points = [leaf.points for leaf in shown] + [sum(leaf.points for leaf in rest)]
    hundredths = add_up(points, start=receipt.prior, total=receipt.score)
    console.print(_reasons(shown, rest, hundredths))
    console.print()
    console.print(Text(sum_line(receipt.prior, hundredths, receipt.score), style="bold"))


def _show_head(console: Console, score: CustomerAnswer) -> None:
    others = [name for name in score.identities if name != score.customer]
    console.print(Text(score.customer, style="bold"))
    if others:
        console.print(Text(f"also {', '.join(others)}", style="dim"))
    console.print(f"at {_time(score.at)}, version {score.version}")
    console.print()
    line = Text("Score ")
    line.append(f"{score.score:.2f} {score.band}", style=STYLES.get(score.band, "bold"))
    line.append(f"  ± {score.se:.2f}  confidence {score.confidence:.2f}")
    console.print(line)
    weight = "significant" if score.change.significant else "within the usual spread"
    console.print(f"Change in 7 days {signed(score.change.points)}, {weight}")
    windows = score.windows
    for name, cell in (
        ("24 hours", windows.hours_24),
        ("7 days", windows.days_7),
        ("30 days", windows.days_30),
        ("90 days", windows.days_90),
    ):
        console.print(_window(name, cell))


def _window(name: str, cell: Cell) -> str:
    return f"  last {name:<8}  {cell.score:6.2f}  confidence {cell.confidence:.2f}"


def _reasons(shown: Sequence[ReceiptLeaf], rest: Sequence[ReceiptLeaf], hundredths: Sequence[int]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("events", justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    names = labels("en").touchpoints
    for leaf, points in zip(shown, hundredths, strict=False):
        where = " · ".join(part for part in (leaf.channel, leaf.place) if part)
        reason = Text(names.get(leaf.touchpoint, leaf.touchpoint))
        reason.append(f"  {where}", style="dim")
        for line in _latest(leaf):
            reason.append(f"\n{line}", style="dim")
        style = "red" if points < 0 else "green" if points > 0 else "dim"
        table.add_row(Text(signed(points / 100), style=style), str(leaf.events), reason)
    if rest:
        events = sum(leaf.events for leaf in rest)
        table.add_row(signed(hundredths[-1] / 100), str(events), f"{len(rest)} other reasons")
    return table


def _latest(leaf: ReceiptLeaf) -> Iterator[str]:
    for event in leaf.latest[:EVENTS_MAX]:
        yield f"{_time(event.occurred_at)}  {event.source} {event.id}"
    older = leaf.events - min(len(leaf.latest), EVENTS_MAX)
    if older:
        yield f"and {older} more"


def add_up(points: Sequence[float], *, start: float, total: float) -> list[int]:
    """Round points to hundredths so that start + their sum is the rounded total.

    What rounding leaves over goes to those that it moved most, a hundredth each.
    """
    exact = [100 * each for each in points]
    rounded = [round(each) for each in exact]
    missing = _hundredths(total) - _hundredths(start) - sum(rounded)
    step = 1 if missing > 0 else -1
    by_loss = sorted(range(len(exact)), key=lambda i: step * (rounded[i] - exact[i]))
    for index in by_loss[: abs(missing)]:
        rounded[index] += step
    return rounded


def _hundredths(number: float) -> int:
    # By way of what is printed, so that both round the same.
    return round(100 * float(f"{number:.2f}"))


def sum_line(prior: float, hundredths: Sequence[int], score: float) -> str:
    """Write the sum that makes the score."""
    terms = "".join(f" {'+' if each > 0 else '−'} {abs(each) / 100:.2f}" for each in hundredths if each)
    return f"{prior:.2f}{terms} = {score:.2f}"


def signed(points: float) -> str:
    """Write points with their sign."""
    written = f"{abs(points):.2f}"
    if float(written) == 0:
        return written
    return f"{'+' if points > 0 else '−'}{written}"


def _time(text: str) -> str:
    return f"{parse_instant(text):%Y-%m-%d %H:%M} UTC"
