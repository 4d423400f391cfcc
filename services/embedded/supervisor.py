"""Keep child processes alive: start, watch, start again with growing pauses, stop in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from services.embedded.orphans import Record, record
from services.embedded.processes import last_lines, trim
from services.infra.errors import ConfigurationError, UnavailableError

POLL_S: Final = 0.1
"""How soon a death is noticed."""

PAUSE_FIRST_S: Final = 0.2
PAUSE_MAX_S: Final = 5.0
"""A child that dies at once must not eat the machine; one that died once is back almost at once."""

STEADY_S: Final = 10.0
"""Who has run so long has recovered: the next pause is the first again."""

READY_S: Final = 60.0
"""For a first start on a machine that is busy with everything else."""

DEATHS_MAX: Final = 5
"""A child that never became ready and died so often will not become ready."""

CONFIGURATION_EXIT: Final = 2
"""How our services say that an operator must act."""

CONFIGURATION_EXITS_MAX: Final = 3
"""Once may be bad luck with another child's restart; three times in a row is the configuration."""

TRIM_S: Final = 10.0


class Child(Protocol):
    """A program that can be started again and again."""

    @property
    def pid(self) -> int: ...
    @property
    def command(self) -> tuple[str, ...]: ...
    @property
    def log(self) -> Path: ...
    def prepare(self) -> None: ...
    def launch(self) -> None: ...
    def is_ready(self) -> bool: ...
    def poll(self) -> int | None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class Supervised:
    """One child under care. `tell` is called after each launch, `say` with a line for the person watching."""

    def __init__(
        self,
        name: str,
        child: Child,
        *,
        tell: Callable[[], None],
        say: Callable[[str], None],
        exits: bool = True,
        first_pause_s: float = PAUSE_FIRST_S,
    ) -> None:
        self.name = name
        self.child = child
        self.launched = False
        self._tell = tell
        self._say = say
        self._names_configuration = exits
        self._first_pause_s = first_pause_s
        self._ready_once = asyncio.Event()

    @property
    def record(self) -> Record | None:
        """What recognises this child later, while it lives."""
        return record(self.name, self.child.pid, self.child.command) if self.launched else None

    async def keep(self) -> None:
        """Run the child, once prepared, for ever. Raises when it cannot be made to run."""
        pause_s, deaths, refusals = self._first_pause_s, 0, 0
        while True:
            began = time.monotonic()
            self.child.launch()
            self.launched = True
            self._tell()
            code = await self._ended()
            lived_s = time.monotonic() - began
            deaths = deaths + 1 if lived_s < STEADY_S else 1
            refusals = refusals + 1 if self._names_configuration and code == CONFIGURATION_EXIT else 0
            self._give_up_on(code, deaths=deaths, refusals=refusals)
            pause_s = self._first_pause_s if lived_s >= STEADY_S else min(pause_s, PAUSE_MAX_S)
            self._say(f"{self.name} ended ({_meaning(code)}): starting it again in {pause_s:.2g} s")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
            await asyncio.to_thread(self.child.prepare)

    async def ready(self) -> None:
        """Return when the child has been ready once. Raises UnavailableError past the limit, with its log's end."""
        try:
            await asyncio.wait_for(self._ready_once.wait(), READY_S)
        except TimeoutError as error:
            raise UnavailableError(f"{self.name} is not ready after {READY_S:.0f} s; {self._log()}") from error

    async def _ended(self) -> int:
        trimmed = time.monotonic()
        while (code := self.child.poll()) is None:
            if not self._ready_once.is_set() and await asyncio.to_thread(self.child.is_ready):
                self._ready_once.set()
            if time.monotonic() - trimmed > TRIM_S:
                trimmed = time.monotonic()
                await asyncio.to_thread(trim, self.child.log)
            await asyncio.sleep(POLL_S)
        return code

    def _give_up_on(self, code: int, *, deaths: int, refusals: int) -> None:
        if refusals >= CONFIGURATION_EXITS_MAX:
            raise ConfigurationError(f"{self.name} refuses its configuration; {self._log()}")
        if deaths >= DEATHS_MAX and not self._ready_once.is_set():
            raise UnavailableError(f"{self.name} ended {deaths} times ({_meaning(code)}) before it ran; {self._log()}")

    def _log(self) -> str:
        return f"{self.child.log} ends:\n{last_lines(self.child.log)}"


def _meaning(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
