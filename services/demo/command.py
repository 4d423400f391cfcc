"""`tactus demo`: the whole product for as long as you watch, with a simulated shop, an outage and a recovery."""

from __future__ import annotations

import asyncio
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console, RenderableType

from services.client.connection import Connection
from services.client.endpoints import Endpoint
from services.client.keys import READ
from services.client.scores import open_reader
from services.commands.explain import WIDTH_MIN, ask
from services.commands.explanation import SHORT, Explained, Explanation
from services.demo.board import Board
from services.demo.counts import Counts
from services.demo.demonstration import Demonstration
from services.demo.doors import open_doors
from services.demo.picture import ROWS, WIDTH, Picture
from services.demo.screen import Status, frame, open_screen
from services.demo.shop import Phase, open_shop
from services.demo.shop_sources import ShopKeys, open_shop_sources
from services.demo.ticker import Ticker
from services.embedded.stack import LocalStack
from services.infra.catalogue.reading import labels
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError, TactusError
from services.infra.settings import read_settings

SEED: Final = 2026
"""Every demo tells the same story, so that two people can speak of the same customer."""

FAILED: Final = 1
REFUSED: Final = 2
INTERRUPTED: Final = 130
"""Ctrl-C: the run ended in order, but before its time."""

SHORT_LIVED: Final[Mapping[str, str]] = {"TACTUS_OUTBOUND__INCIDENT_QUIET_S": "5"}
"""What lasts hours elsewhere must end while somebody looks on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person asked for."""

    seconds: int | None
    customers: int
    rate: float
    browser: bool
    keep: bool
    picture: Path | None


@dataclass(slots=True)
class Ending:
    """What a run leaves for its last lines."""

    began_s: float = field(default_factory=time.monotonic)
    counts: Counts | None = None
    findings: list[str] = field(default_factory=list)
    explained: Explained | None = None
    table: RenderableType | None = None
    """The board at the end of the outage."""

    def keep(self, phase: Phase, board: Board, status: Status, labels: Mapping[str, str]) -> None:
        """Keep what a picture would show, when the phase that is over is the outage."""
        if phase is Phase.OUTAGE:
            # The address and the command are of this run only: nobody who sees the picture can use them.
            shown = replace(status, address="", command="")
            self.table = frame(board, shown, labels, rows=ROWS, width=WIDTH)


def run(options: Options) -> int:
    """Run the demo; without seconds until Ctrl-C.

    0: nothing is lost and the counts are what the shop knows it sent. 1: they are not, or the stack failed.
    2: an operator must act. 130: ended by Ctrl-C, in order. The counts are the last line on stdout, unless the
    run ended before its first event.
    """
    console = Console(soft_wrap=True)
    ending = Ending()
    try:
        # The directory outlives the loop, which ends only when threads that still write into it have ended.
        with _data(keep=options.keep, console=console) as data:
            code = asyncio.run(_demo(options, data, console, ending))
            _tell_end(options, ending, console=console)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (TactusError, ExceptionGroup) as error:
        reason = _first(error)
        console.print(f"tactus demo: {reason}", markup=False, highlight=False)
        code = REFUSED if isinstance(reason, ConfigurationError) else FAILED
    for finding in ending.findings:
        console.print(f"The counts do not add up: {finding}", markup=False, highlight=False)
        code = FAILED
    if ending.counts is not None:
        sys.stdout.write(f"{ending.counts.line()}\n")
        sys.stdout.flush()
    return code


def _tell_end(options: Options, ending: Ending, *, console: Console) -> None:
    """Show one explanation, and draw the picture that was asked for."""
    explanation = Explanation.in_language("en", override=read_settings().catalogue, detail=SHORT)
    if ending.explained is not None:
        console.print("\nWhy one of their scores is what it is:\n", highlight=False)
        shown = Console(highlight=False, markup=False, emoji=False)
        shown.width = max(shown.width, WIDTH_MIN)
        explanation.show(shown, ending.explained)
        console.print()
    if options.picture is None:
        return
    picture = Picture("make demo")
    if ending.table is not None:
        picture.draw(ending.table)
    if ending.counts is not None:
        picture.draw(ending.counts.line())
    picture.write(options.picture)


def called() -> str:
    """This program as the person called it, so that a command to copy works where they are."""
    return "tactus" if shutil.which("tactus") == sys.argv[0] else shlex.quote(sys.argv[0])


async def _demo(options: Options, data: Path, console: Console, ending: Ending) -> int:
    keys = open_shop_sources(data)
    stack = LocalStack(data, workers=1, console=console, unless_set=SHORT_LIVED)
    signals = _Signals(stack)
    signals.listen()
    try:
        async with stack as connection:
            signals.showing = True
            await _show(options, connection, keys, console=console, stop=signals.stop, ending=ending)
            console.print("Stopping …")
    except asyncio.CancelledError:
        if not signals.told:
            raise
    return INTERRUPTED if signals.told else 0


class _Signals:
    """The first signal ends the show in order, or the start at once; a second one ends the children at once."""

    def __init__(self, stack: LocalStack) -> None:
        self.told = False
        self.showing = False
        self.stop = asyncio.Event()
        self._stack = stack
        self._task = asyncio.current_task()

    def listen(self) -> None:
        """Take over the signals that ask a program to end."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._hear)

    def _hear(self) -> None:
        if self.told:
            self._stack.kill()
        if self._task is not None and (self.told or not self.showing):
            self._task.cancel()
        self.told = True
        self.stop.set()


async def _show(
    options: Options, connection: Connection, keys: ShopKeys, *, console: Console, stop: asyncio.Event, ending: Ending
) -> None:
    shop = open_shop(rng=random.Random(SEED), customers=options.customers)
    names = labels("en", override=read_settings().catalogue).touchpoints
    board = Board()
    status = Status(
        address=await _page(connection, browser=options.browser and console.is_terminal),
        command=f"{called()} explain --data {shlex.quote(str(connection.data))} {shop.customers[0].identity}",
    )
    console.print(f"Open {status.address}\nAsk beside it: {status.command}", markup=False, highlight=False)
    screen = open_screen(console, board=board, status=status, labels=names)
    async with (
        open_doors(connection, keys, server=_key_of(connection, "server"), till=_key_of(connection, "till")) as doors,
        open_reader(url=connection.api, key=_key_of(connection, READ)) as reader,
    ):
        demonstration = Demonstration(
            connection=connection,
            shop=shop,
            clock=SystemClock(),
            doors=doors,
            reader=reader,
            screen=screen,
            ticker=Ticker(screen=screen, labels=names),
            board=board,
            status=status,
            rate=options.rate,
            seconds=options.seconds,
            began_s=ending.began_s,
            stop=stop,
            ended=lambda phase: ending.keep(phase, board, status, names),
        )
        with screen:
            ending.counts = await demonstration.run()
        ending.findings = demonstration.findings(ending.counts)
    ending.explained = await _explained(connection, demonstration.example())


async def _explained(connection: Connection, customer: str | None) -> Explained | None:
    """The customer's explanation; None when there is none to be had, which is no reason to fail at the end."""
    if customer is None:
        return None
    api = Endpoint(connection.api, _key_of(connection, READ), connection.data)
    try:
        return await asyncio.to_thread(ask, api, customer)
    except TactusError:
        return None


def _key_of(connection: Connection, name: str) -> str:
    """The stack's key of this name; raises ConfigurationError when TACTUS_SOURCES has replaced them."""
    key = connection.keys.get(name)
    if key is None:
        raise ConfigurationError(
            f"this stack tells no {name} key, because TACTUS_SOURCES names its sources: unset it and start the demo again"
        )
    return key


async def _page(connection: Connection, *, browser: bool) -> str:
    """The address to open: the API's page if it has one, which is then opened, else what it can be asked."""
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(connection.api)
    if not answer.headers.get("Content-Type", "").startswith("text/html"):
        return f"{connection.api}/v1/openapi.json"
    if browser:
        webbrowser.open(connection.api)
    return connection.api


@contextmanager
def _data(*, keep: bool, console: Console) -> Iterator[Path]:
    """A data directory of this run's own, gone afterwards unless it is to be kept; says which, however the run ends."""
    data = Path(tempfile.mkdtemp(prefix="tactus-demo-"))
    try:
        yield data
    finally:
        kept = f"The data is kept in {data}. It goes on with\n  {called()} up --data {shlex.quote(str(data))}"
        console.print(kept if keep else "The data is removed; --keep keeps it.", markup=False, highlight=False)
        if not keep:
            shutil.rmtree(data, ignore_errors=True)


def _first(error: BaseException) -> TactusError:
    """Our own error, which says what to do; of a group, the first. Anything else is a surprise and goes on."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, TactusError):
        raise error
    return error
