"""`tactus dlq …`: reads the line of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

dlq = typer.Typer(help="Dead letters: what did not count; look, send again, discard.", no_args_is_help=True)

RATE: Final = 50.0
"""Letters a second: beside live traffic nobody notices them, and ten thousand are sent in some minutes."""

Data = Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")]
Ids = Annotated[list[int] | None, typer.Argument(help="These letters; left out, all that the options mean.")]
Reason = Annotated[str | None, typer.Option(help="Set aside for this reason.")]
Source = Annotated[str | None, typer.Option(help="Of this source.")]
Channel = Annotated[str | None, typer.Option(help="Read by this channel, such as till.")]
Origin = Annotated[str | None, typer.Option(help="ingest or aggregator: who set it aside.")]
Since = Annotated[str | None, typer.Option(help="Set aside then or later, RFC 3339.")]
Until = Annotated[str | None, typer.Option(help="Set aside before then, RFC 3339.")]
Text = Annotated[str | None, typer.Option(help="With these words in the detail.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@dlq.command("list")
def dlq_list(  # noqa: PLR0913, PLR0917 - one for each option of the command
    state: Annotated[str, typer.Option(help="open, replayed, discarded or all.")] = "open",
    reason: Reason = None,
    source: Source = None,
    channel: Channel = None,
    origin: Origin = None,
    since: Since = None,
    until: Until = None,
    text: Text = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Letters to show, the oldest first.")] = 100,
    data: Data = None,
) -> None:
    """Show dead letters, the oldest first."""
    from services.commands import dlq as command

    meant = command.Meant(
        state=state, reason=reason, source=source, channel=channel, origin=origin, since=since, until=until, words=text
    )
    raise SystemExit(command.list_letters(meant, limit=limit, data=data))


@dlq.command("show")
def dlq_show(letter: Annotated[int, typer.Argument(min=0, help="The letter's id.")], data: Data = None) -> None:
    """Show a letter: what it holds, what was done about it, and what a replay would do."""
    from services.commands import dlq as command

    raise SystemExit(command.show(letter, data=data))


@dlq.command("replay")
def dlq_replay(  # noqa: PLR0913, PLR0917 - one for each option of the command
    ids: Ids = None,
    reason: Reason = None,
    source: Source = None,
    channel: Channel = None,
    origin: Origin = None,
    since: Since = None,
    until: Until = None,
    text: Text = None,
    rate: Annotated[float, typer.Option(min=0.1, max=10_000, help="Letters a second at most.")] = RATE,
    masked: Annotated[
        bool, typer.Option("--masked", help="Also those from which something was removed that does not count.")
    ] = False,
    dry_run: DryRun = False,
    data: Data = None,
) -> None:
    """Send open letters again through ingest's door; what counts already counts once."""
    from services.commands import dlq as command

    meant = command.Meant(
        ids=ids, reason=reason, source=source, channel=channel, origin=origin, since=since, until=until, words=text
    )
    act = command.try_letters if dry_run else command.replay
    raise SystemExit(act(meant, masked=masked, rate=rate, data=data))


@dlq.command("discard")
def dlq_discard(  # noqa: PLR0913, PLR0917 - one for each option of the command
    ids: Ids = None,
    reason: Reason = None,
    source: Source = None,
    channel: Channel = None,
    origin: Origin = None,
    since: Since = None,
    until: Until = None,
    text: Text = None,
    dry_run: DryRun = False,
    data: Data = None,
) -> None:
    """Close open letters that are not wanted; some must be named."""
    from services.commands import dlq as command

    meant = command.Meant(
        ids=ids, reason=reason, source=source, channel=channel, origin=origin, since=since, until=until, words=text
    )
    act = command.try_to_discard if dry_run else command.discard
    raise SystemExit(act(meant, data=data))
