"""`tactus identity renormalise`: give identities that an earlier version kept in clear the spelling that the door gives."""

from __future__ import annotations

import asyncio
import functools
import sys
from pathlib import Path
from typing import Final

from services.aggregator.counting.renaming import Mended, Renamer
from services.commands.stack_settings import stack_settings
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import ConfigurationError
from services.infra.pseudonyms import hash_key, respelt
from services.infra.settings import Settings
from services.state.database import WORKER_APPLICATION, Database
from services.state.pool import connected
from services.state.rebuilding import RebuildTable
from services.state.renaming import workers_connected

NAME: Final = "tactus-identity"
"""As the server shows our connections."""


def run(*, data: Path | None) -> int:
    """Mend what is kept in clear, and say what was done; raises ConfigurationError while workers run."""
    done = asyncio.run(renormalise(stack_settings(data)))
    sys.stdout.write(f"{said(done)}\n")
    return 0


async def renormalise(settings: Settings) -> Mended:
    """Mend the database of these settings; raises ConfigurationError while workers run, UnavailableError without it."""
    key = hash_key(settings.hash_key)
    catalogue = load_catalogue(settings.catalogue)
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as statements:
        running = await workers_connected(statements, application=WORKER_APPLICATION)
        last = await RebuildTable(statements).last()
    if last is not None and last.under_way:
        raise ConfigurationError(
            "a rebuild is under way: let `tactus rebuild` finish it, or give it up by `tactus rebuild drop`"
        )
    if running:
        raise ConfigurationError(
            f"workers are counting ({running} connections): stop them (`tactus up --workers 0`, or `docker compose stop "
            "aggregator`), run this, and start them again"
        )
    store = await Database.open(settings.postgres, lanes=1, application=NAME)
    try:
        renamer = Renamer(store, catalogue, respell=functools.partial(names_of, key))
        return await renamer.mend()
    finally:
        await store.close()


def said(done: Mended) -> str:
    """Say what was done."""
    lines = [
        f"{done.identities} identities have another spelling, {done.joined} of them are one with somebody known; "
        f"{done.events} events name them so"
        if done.identities
        else "nothing to do: every identity in clear has its one spelling"
    ]
    if done.nameless:
        lines.append(f"{done.nameless} identities were left as they are: the door refuses them by now, as placeholders")
    return "\n".join(lines)


def names_of(key: bytes, identity: str) -> tuple[str, ...] | None:
    """Return the names of somebody kept in clear, the person's own first; None for a placeholder."""
    stored = respelt(key, identity)
    return None if stored is None else tuple(":".join(one) for one in (stored.itself, *stored.beside))
