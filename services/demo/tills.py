"""The shop's tills: each has the agent that a real one runs, keeps its lines and brings them by itself."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Self

import msgspec

from schemas.instant import write_instant
from services.demo.traffic import Message
from services.embedded.processes import ENVIRONMENT, Program, launcher
from services.infra.errors import UnavailableError
from services.infra.files import write_private

TILL: Final = "1"
"""Of every store: none of the simulated ones is large."""

KEY_FILE: Final = "key"
AGENT: Final = (sys.executable, "-m", "services.till")

TYPES: Final[Mapping[str, str]] = {"pos.sale_completed": "sale", "pos.return_processed": "return"}

FINISHED_S: Final = 30.0
"""Within which an agent brings what it holds; as long as the demo waits for the workers."""

_JSON: Final = msgspec.json.Encoder()


class TillCounts(NamedTuple):
    """What the tills brought: accepted, set aside, and sent again without knowing whether it had arrived."""

    accepted: int = 0
    rejected: int = 0
    repeated: int = 0


class _Status(msgspec.Struct):
    """What an agent tells of itself."""

    sent: int
    aside: int
    again: int


_STATUS: Final = msgspec.json.Decoder(_Status)


def till_line(message: Message, number: int) -> bytes:
    """What a till says of it."""
    body, touchpoint = message.body, str(message.body["touchpoint"])
    line = {name: value for name, value in body.items() if name not in {"touchpoint", "channel", "place"}}
    line |= {"seq": number, "time": write_instant(message.happening.at), "type": TYPES.get(touchpoint, "other")}
    if touchpoint not in TYPES:
        line["touchpoint"] = touchpoint
    return _JSON.encode(line) + b"\n"


class _Agent(NamedTuple):
    """A till's agent, and what it is fed by."""

    process: Process
    input: asyncio.StreamWriter

    @classmethod
    def of(cls, process: Process) -> Self:
        if process.stdin is None:
            raise TypeError("an agent is fed by its standard input")
        return cls(process, process.stdin)


@dataclass(slots=True, kw_only=True)
class Tills:
    """One till a store, from its first line on."""

    url: str
    folder: Path
    _agents: dict[str, _Agent] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for agent in self._agents.values():
            with suppress(ProcessLookupError):
                agent.process.kill()
            await agent.process.wait()

    async def ring(self, messages: Sequence[Message]) -> None:
        """Give each to the till of its store. Raises UnavailableError when one has ended."""
        for message in messages:
            store = str(message.body["place"]).removeprefix("store/")
            self._numbers[store] = self._numbers.get(store, 0) + 1
            agent = self._agents.get(store) or await self._start(store)
            try:
                agent.input.write(till_line(message, self._numbers[store]))
                await agent.input.drain()
            except (BrokenPipeError, ConnectionResetError) as error:
                raise UnavailableError(f"the till of store {store} has ended: see {self._log(store)}") from error

    async def finish(self) -> TillCounts:
        """Wait until all is brought, and tell what became of it."""
        told = [await self._finished(store, agent) for store, agent in self._agents.items()]
        return TillCounts(
            accepted=sum(one.sent for one in told),
            rejected=sum(one.aside for one in told),
            repeated=sum(one.again for one in told),
        )

    async def _start(self, store: str) -> _Agent:
        (self.folder / store).mkdir(parents=True, exist_ok=True)
        options = ("--url", self.url, "--store", store, "--till", TILL, "--key-file", str(self.folder / KEY_FILE))
        command = (*AGENT, "run", "-", *options, "--data", str(self.folder / store))
        with self._log(store).open("ab") as log:
            # In a session of its own: a Ctrl-C is the demo's, which lets its tills finish.
            process = await asyncio.create_subprocess_exec(
                *launcher(Program(command, ENVIRONMENT), signal.SIGTERM),
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self._agents[store] = agent = _Agent.of(process)
        return agent

    async def _finished(self, store: str, agent: _Agent) -> _Status:
        agent.input.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(agent.process.wait(), FINISHED_S)
        asked = await asyncio.create_subprocess_exec(
            *AGENT, "status", "--json", "--data", str(self.folder / store), stdin=DEVNULL, stdout=PIPE
        )
        said, _ = await asked.communicate()
        return _STATUS.decode(said)

    def _log(self, store: str) -> Path:
        return self.folder / store / "agent.log"


def open_tills(*, url: str, key: str, folder: Path) -> Tills:
    """Tills that keep their lines in this folder until the door has them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_private(folder / KEY_FILE, key)
    return Tills(url=url, folder=folder)
