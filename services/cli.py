"""The `tactus` command: reads the line, then imports only what that command needs."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from enum import StrEnum
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Final

import typer

from services.commands.alerts_command import app as alerts
from services.commands.census_command import drivers, journey
from services.commands.classes_command import app as classes
from services.commands.crm_command import crm
from services.commands.dlq_command import dlq
from services.commands.import_command import import_file
from services.commands.map_command import app as map_
from services.commands.model_command import app as model
from services.commands.notify_command import app as notify
from services.commands.rebuild_command import app as rebuild
from services.commands.sources_command import sources
from services.commands.till_command import app as till
from services.commands.webhooks_command import app as webhooks
from services.commands.whatif_command import whatif
from services.infra.errors import TactusError
from services.infra.signals import end_on_sigterm

app = typer.Typer(
    name="tactus",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
topics = typer.Typer(help="The log's topics.", no_args_is_help=True)
catalogue = typer.Typer(help="The touchpoints and their weights.", no_args_is_help=True)
app.add_typer(topics, name="topics")
keys = typer.Typer(help="Who may send and read: show, make, rotate and revoke keys.", no_args_is_help=True)
app.add_typer(catalogue, name="catalogue")
app.add_typer(keys, name="keys")
identity = typer.Typer(help="Who is kept under which name.", no_args_is_help=True)
app.add_typer(identity, name="identity")
app.add_typer(alerts, name="alerts")
app.add_typer(dlq, name="dlq")
app.add_typer(webhooks, name="webhooks")
app.add_typer(crm, name="crm")
app.add_typer(map_, name="map")
app.command("import")(import_file)
app.add_typer(till, name="till")
app.add_typer(sources, name="sources")
app.add_typer(classes, name="classes")
app.add_typer(model, name="model")
app.add_typer(notify, name="notify")
app.add_typer(rebuild, name="rebuild")
app.command("whatif")(whatif)
app.command("drivers")(drivers)
app.command("journey")(journey)


STAYING: Final = frozenset({"up", "ingest", "aggregator", "api", "outbound"})
"""Commands that run until they are told to stop: for them that is success, for the others what shells say of it."""


class Bench(StrEnum):
    """What `tactus bench` can measure."""

    WORKER = "worker"
    INGEST = "ingest"
    LATENCY = "latency"


class Period(StrEnum):
    """Over what a change is told."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


Data = Annotated[Path | None, typer.Option("--data", help="The directory of the stack.")]
Override = Annotated[Path | None, typer.Option(help="A YAML file that overrides parts of the catalogue.")]
Language = Annotated[str, typer.Option("--lang", "--language", help="en or pl.")]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"tactus {version('tactus')}")
        raise typer.Exit


@app.callback()
def common(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turn what happens at every touchpoint into a live, explainable experience score."""


@app.command()
def up(data: Data = None, workers: Annotated[int, typer.Option(min=0, max=16, help="Aggregators to run.")] = 1) -> None:
    """Run the whole stack here: Kafka, Postgres and the services. Ctrl-C ends it."""
    from services.embedded import up as command

    raise SystemExit(command.run(data, workers))


@app.command()
def demo(
    seconds: Annotated[int | None, typer.Option(min=5, max=86_400, help="End after so long.")] = None,
    customers: Annotated[int, typer.Option(min=5, max=10_000, help="Customers of the shop.")] = 40,
    rate: Annotated[float, typer.Option(min=0.5, max=1000, help="Events a second.")] = 20,
    browser: Annotated[bool, typer.Option(help="Open what there is to see in a browser.")] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data at the end, and say where.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Draw the run to this SVG file.")] = None,
) -> None:
    """Run the stack with a simulated shop, and watch scores move."""
    from services.demo import command

    options = command.Options(
        seconds=seconds, customers=customers, rate=rate, browser=browser, keep=keep, picture=picture
    )
    raise SystemExit(command.run(options))


@app.command()
def ingest() -> None:
    """Run the HTTP door for events."""
    from services.ingest.__main__ import main as command

    command()


@app.command()
def aggregator() -> None:
    """Run one stream worker."""
    from services.aggregator.__main__ import main as command

    command()


@app.command()
def api() -> None:
    """Run the HTTP door for scores."""
    from services.api.__main__ import main as command

    command()


@app.command()
def outbound() -> None:
    """Tell scores and alerts to topics, people, webhooks and CRM systems."""
    from services.outbound.__main__ import main as command

    command()


@app.command()
def migrate(
    worker_password: Annotated[
        Path | None, typer.Option(help="File with the password by which tactus_worker shall log in.")
    ] = None,
    reader_password: Annotated[
        Path | None, typer.Option(help="File with the password by which tactus_reader shall log in.")
    ] = None,
    outbound_password: Annotated[
        Path | None, typer.Option(help="File with the password by which tactus_outbound shall log in.")
    ] = None,
) -> None:
    """Bring the database to this version's schema, and give its roles their rights."""
    from services.commands.migrate import run as command

    command({"tactus_worker": worker_password, "tactus_reader": reader_password, "tactus_outbound": outbound_password})


@app.command()
def doctor(data: Data = None) -> None:
    """Look for what is wrong with a running stack, and name each fix."""
    from services.commands import doctor as command

    raise SystemExit(command.run(data))


@app.command()
def send(  # noqa: PLR0913, PLR0917 - one for each option of the command
    file: Annotated[Path | None, typer.Argument(help="Events as JSON; - for standard input.")] = None,
    touchpoint: Annotated[str | None, typer.Option(help="As the catalogue names it.")] = None,
    customer: Annotated[str | None, typer.Option(help="The customer's id, or kind:value.")] = None,
    channel: Annotated[str | None, typer.Option(help="Where it happened; else the touchpoint's usual.")] = None,
    rating: Annotated[str | None, typer.Option(help="SCALE=VALUE, or the value alone.")] = None,
    property_: Annotated[list[str] | None, typer.Option("--property", help="name=value, any number.")] = None,
    example: Annotated[bool, typer.Option("--example", help="Print an example event and send it.")] = False,
    data: Data = None,
) -> None:
    """Send an event, and show what became of it."""
    from services.commands import send as command

    described = None
    if touchpoint and customer:
        described = command.Described(
            touchpoint=touchpoint, customer=customer, channel=channel, rating=rating, properties=property_ or []
        )
    if sum(map(bool, (file, described, example))) != 1:
        raise typer.BadParameter("give a file, or --touchpoint with --customer, or --example")
    raise SystemExit(command.run(file or described, data=data))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="NDJSON, gzip or not.")],
    speed: Annotated[str, typer.Option(help="1 is as it happened, 60 a minute a second, or max.")] = "max",
    source: Annotated[str | None, typer.Option(help="Source of the events; replay/<file name>.")] = None,
    map_file: Annotated[Path | None, typer.Option("--map", help="Says what is which touchpoint.")] = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="Keep the times; needs the backfill right.")] = False,
    data: Data = None,
) -> None:
    """Send a recording through the HTTP door, its newest event at the present."""
    from services.commands import replay as command

    raise SystemExit(command.run(file, speed=speed, source=source, map_file=map_file, as_is=as_is, data=data))


@app.command()
def explain(
    customer: Annotated[str, typer.Argument(help="kind:value, the bare id of a customer, or account:NAME.")],
    at: Annotated[str | None, typer.Option(help="Any past time, RFC 3339.")] = None,
    known_then: Annotated[bool, typer.Option("--known-then", help="Only what had arrived by then.")] = False,
    change: Annotated[Period | None, typer.Option(help="What moved the score within this period before.")] = None,
    language: Language = "en",
    data: Data = None,
) -> None:
    """Show a customer's or an account's score and the reasons for it, or what moved it."""
    from services.commands import explain as command

    over = None if change is None else change.value
    when = command.When(at, known_then=known_then)
    raise SystemExit(command.run(customer, when=when, change=over, language=language, data=data))


@app.command()
def bench(
    what: Annotated[Bench, typer.Argument(help="What to measure.")],
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
) -> None:
    """Measure throughput or latency; needs a checkout, because the bench is not installed."""
    if find_spec("bench") is None:
        raise typer.BadParameter("run it in a checkout: make bench")
    command = [sys.executable, "-m", f"bench.{what.value}"]
    option = [] if json is None else ["--json", str(json)]
    done = subprocess.run([*command, *option], check=False)  # noqa: S603 - our own modules, by name
    raise SystemExit(done.returncode)


@topics.command("apply")
def topics_apply() -> None:
    """Create the topics that are missing, and tell where the others differ; exit code 1 when one does."""
    from services.infra.kafka import apply_topics
    from services.infra.settings import read_settings

    made, differences = asyncio.run(apply_topics(read_settings().kafka))
    lines = [*made, *differences]
    typer.echo("\n".join(lines) or "nothing to do: the topics are as they should be")
    raise SystemExit(1 if differences else 0)


@topics.command("accept")
def topics_accept(
    partitions: Annotated[
        list[str], typer.Argument(help="TOPIC/PARTITION, as the worker's message names it; or several.")
    ],
    data: Data = None,
) -> None:
    """Go on behind records that retention removed, or from the start of a topic made anew.

    Kafka and Postgres must run, the workers not: `tactus up --workers 0` does that.
    """
    from services.commands import topics as command

    raise SystemExit(command.run(partitions, data=data))


@catalogue.command("check")
def catalogue_check(override: Override = None) -> None:
    """Check the catalogue, with a deployment's overrides: those of TACTUS_CATALOGUE when no file is named."""
    from services.infra.catalogue.reading import check
    from services.infra.settings import read_settings

    typer.echo(check(override or read_settings().catalogue))


@catalogue.command("show")
def catalogue_show(override: Override = None, language: Language = "en") -> None:
    """Print the touchpoints with their weights."""
    from services.infra.catalogue.reading import show
    from services.infra.settings import read_settings

    chosen = override or read_settings().catalogue
    typer.echo(show(override=chosen, language=language))


@keys.command("show")
def keys_show(
    name: Annotated[str | None, typer.Argument(help="server, browser, till, read, …: that key alone.")] = None,
    data: Data = None,
) -> None:
    """Print the generated keys that open something; never the hash key."""
    from services.commands import keys as command

    raise SystemExit(command.run(name, data=data))


@keys.command("add")
def keys_add(
    name: Annotated[str, typer.Argument(help="What the source or the reader is called.")],
    kind: Annotated[str, typer.Option(help="server, till, browser or reader.")] = "server",
    origin: Annotated[
        list[str] | None, typer.Option(help="A page's origin that may use it, such as https://shop.example.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="What a reader may do, such as dead-letters:read; scores:read.")
    ] = None,
    right: Annotated[list[str] | None, typer.Option(help="What a server may beside sending: backfill, replay.")] = None,
    data: Data = None,
) -> None:
    """Make a source or a reader with a key of its own, and print the key, once."""
    from services.commands import keys as command

    may = {"origins": origin or (), "scopes": scope or (), "rights": right or ()}
    raise SystemExit(command.add(name, kind=kind, **may, data=data))


@keys.command("rotate")
def keys_rotate(name: Annotated[str, typer.Argument(help="Of the source or the reader.")], data: Data = None) -> None:
    """Give it one more key, and print it; the former ones hold until they are revoked."""
    from services.commands import keys as command

    raise SystemExit(command.rotate(name, data=data))


@keys.command("revoke")
def keys_revoke(
    name: Annotated[str, typer.Argument(help="Of the source or the reader.")],
    key: Annotated[
        str | None, typer.Argument(help="The key, or - to read it from stdin; left out, all but the newest.")
    ] = None,
    data: Data = None,
) -> None:
    """Withdraw a key for ever; without one, all but the newest."""
    from services.commands import keys as command

    raise SystemExit(command.revoke(name, key=key, data=data))


@app.command()
def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    data: Data = None,
) -> None:
    """Make the months to come, and remove what nobody reads any more; running workers do it once a day."""
    from services.commands import maintain as command

    raise SystemExit(command.run(dry_run=dry_run, data=data))


@identity.command("renormalise")
def identity_renormalise(data: Data = None) -> None:
    """Give identities that an earlier version kept in clear their one spelling, as docs/how-to/name-people.md says.

    Postgres must run, the workers not: `tactus up --workers 0` does that. It may be interrupted and run again.
    """
    from services.commands import identity as command

    raise SystemExit(command.run(data=data))


def main() -> None:
    """Run the command line; an error of ours is one line and exit code 1."""
    end_on_sigterm(0 if STAYING.intersection(sys.argv[1:2]) else 128 + signal.SIGTERM)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no "…" must not end what runs
    try:
        app()
    except TactusError as error:
        typer.echo(f"tactus: {error}", err=True)
        sys.exit(1)
