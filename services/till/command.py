"""The agent's command line: run, status, aside."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.parse
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Any

from services.till import words
from services.till.agent import Agent, Limits, Shown, Taking
from services.till.door import Door, key_from
from services.till.folder import Folder
from services.till.limits import BACKLOG_MIB
from services.till.lines import NAME, Reading
from services.till.sending import Sender
from services.till.stdin import Stdin
from services.till.store import Store, StoreError, held, open_store, open_to_look

KEY: str = "TACTUS_TILL_KEY"

DESCRIPTION = """Keep what a till says on disk, and send it in order when the line is there.

A line is one transaction, as JSON: {"seq": 991, "time": "2026-03-01T11:40:00+01:00", "type": "sale", ...}. Store, till, business
day and seq are its id: read it as often as you like, it counts once. A folder may hold NDJSON files that grow and POSLog XML."""

EPILOG = """the key stands in the file of --key-file, or in TACTUS_TILL_KEY; never on the command line.

as a service (systemd, /etc/systemd/system/tactus-till.service):
  [Service]
  ExecStart=/usr/bin/python3 /opt/tactus/tactus-till.pyz run /var/lib/pos/journal --url https://ingest.example \\
    --store 042 --till 3 --key-file /etc/tactus/till.key --data /var/lib/tactus-till
  Restart=always
  RestartSec=5
  [Install]
  WantedBy=multi-user.target
then: systemctl enable --now tactus-till

as a scheduled task (Windows; every five minutes):
  schtasks /Create /TN tactus-till /SC MINUTE /MO 5 /RU SYSTEM /TR "py C:\\tactus\\tactus-till.pyz run C:\\pos\\journal --once
    --url https://ingest.example --store 042 --till 3 --key-file C:\\tactus\\till.key --data C:\\tactus\\data"

exit codes: 0 all is sent, or told to end; 1 with --once: lines wait, run it again; 2 something must be mended first."""


def main(arguments: Sequence[str] | None = None, *, program: str = "tactus-till") -> int:
    """Run a command; an error is one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # what a till says may hold letters that its terminal has not
    parsed = _parser(program).parse_args(arguments)
    try:
        return int(parsed.command(parsed))
    except StoreError as error:
        sys.stderr.write(f"{program}: {error}\n")
    except OSError as error:
        sys.stderr.write(f"{program}: {error}: check the path and its rights\n")
    return 2


def _parser(program: str) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=program, description=DESCRIPTION, epilog=EPILOG, formatter_class=raw)
    # Nothing is abbreviated: else `--key SECRET` would be taken for a file's name, and the key be seen by everybody.
    commands = parser.add_subparsers(required=True, metavar="run|status|aside")
    run = commands.add_parser(
        "run", allow_abbrev=False, description=DESCRIPTION, epilog=EPILOG, formatter_class=raw, help="take and send"
    )
    _run_options(run)
    run.set_defaults(command=_run)
    status = commands.add_parser("status", allow_abbrev=False, help="show the backlog and the clock's error")
    status.set_defaults(command=_status)
    aside = commands.add_parser(
        "aside", allow_abbrev=False, help="list what was set aside, and why; mend it and feed it again"
    )
    aside.set_defaults(command=_aside)
    for one in (run, status, aside):
        one.add_argument(
            "--data", type=Path, default=Path("tactus-till"), help="the agent's own folder (default: %(default)s)"
        )
    for one in (status, aside):
        one.add_argument("--json", action="store_true", help="for programs")
    return parser


def _run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("input", help="a folder, or - for standard input")
    run.add_argument("--url", type=_url, required=True, help="where ingest is, such as https://ingest.example")
    run.add_argument("--store", type=_name, required=True, help="the store's name")
    run.add_argument("--till", type=_name, help="the till's name; left out, each POSLog transaction's own")
    run.add_argument("--key-file", type=Path, help=f"holds the key; without it {KEY} does")
    run.add_argument(
        "--zone", type=_zone, help="of times that name none, such as Europe/Warsaw or +01:00; else the machine's"
    )
    run.add_argument(
        "--limit-mib",
        type=_limit,
        default=BACKLOG_MIB,
        help="of waiting lines, then nothing more is taken (default: %(default)s)",
    )
    run.add_argument("--once", action="store_true", help="end when all is sent, or cannot be sent for now")
    run.add_argument(
        "--acknowledge", action="store_true", help="with -: write `kept N` when N lines of the input are safe"
    )


def _run(parsed: argparse.Namespace) -> int:
    if parsed.input == "-" and parsed.till is None:
        sys.stderr.write("name the till with --till: only POSLog files say whose transactions they hold\n")
        return 2
    stop = threading.Event()
    with held(parsed.data):
        taking_store, store = (open_store(parsed.data, store=parsed.store) for _ in range(2))
        _warn(parsed)
        limits = Limits(parsed.limit_mib * 1024 * 1024, parsed.once)
        door = Door(
            url=parsed.url, store=parsed.store, key=key_from(parsed.key_file, os.environ.get(KEY)), wall_s=time.time
        )
        agent = Agent(
            store=store,
            sender=Sender(store, door, wall_s=time.time, jitter=random.random),
            taking=Taking(_source(parsed, taking_store), taking_store, stop, limits),
            stop=stop,
            limits=limits,
            shown=Shown(time.time),
            wall_s=time.time,
            folder=parsed.data,
        )
        _end_on_signals(stop)
        return agent.run()


def _source(parsed: argparse.Namespace, store: Store) -> Folder | Stdin:
    def reading() -> Reading:
        return Reading(parsed.till, parsed.zone, datetime.now(timezone.utc).isoformat(timespec="milliseconds"))

    def kept(lines: int) -> None:
        if parsed.acknowledge:
            sys.stdout.write(f"kept {lines}\n")
            sys.stdout.flush()

    if parsed.input == "-":
        return Stdin(sys.stdin.fileno(), store, reading=reading, wall_s=time.time, kept=kept)
    folder = Path(parsed.input)
    if not folder.is_dir():
        raise StoreError(f"{folder} is no folder: name the one that the till writes into, or - for standard input")
    return Folder(folder, store, name=parsed.store, reading=reading, wall_s=time.time)


def _status(parsed: argparse.Namespace) -> int:
    store = open_to_look(parsed.data)
    backlog = store.backlog()
    names = ("sent", "again", "accepted_through", "trouble", "asked_at", "clock_ahead_s", "clock_within_s", "full")
    told: dict[str, Any] = {name: store.fact(name) for name in names}
    told |= {
        "sent": told["sent"] or 0,
        "again": told["again"] or 0,
        "running": _is_held(parsed.data),
        "waiting": backlog.lines,
        "waiting_bytes": backlog.bytes,
        "oldest_s": None if backlog.oldest_at is None else time.time() - backlog.oldest_at,
        "aside": store.aside_count(),
        "unended": words.unended(store.unended()),
    }
    sys.stdout.write((json.dumps(told) if parsed.json else "\n".join(words.status(told))) + "\n")
    return 0


def _aside(parsed: argparse.Namespace) -> int:
    for one in open_to_look(parsed.data).aside():
        told = {
            "origin": one.origin,
            "reason": one.reason,
            "detail": one.detail,
            "text": one.text.decode("utf-8", "replace"),
        }
        if parsed.json:
            sys.stdout.write(json.dumps({"at": words.at(one.at), **told}) + "\n")
        else:
            origin, reason, detail, text = map(words.plain, told.values())
            sys.stdout.write(f"{words.at(one.at)}  {origin}\n  {reason}: {detail}\n  {text}\n")
    return 0


def _is_held(folder: Path) -> bool:
    try:
        with held(folder, wait_s=0):
            return False
    except StoreError:
        return True


def _end_on_signals(stop: threading.Event) -> None:
    """End at Ctrl-C and SIGTERM wherever the sending is: what is on its way goes again, and counts once."""

    def end(_: int, __: FrameType | None) -> None:
        if not stop.is_set():
            stop.set()
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def _warn(parsed: argparse.Namespace) -> None:
    address = urllib.parse.urlsplit(parsed.url)
    if address.scheme == "http" and address.hostname not in ("localhost", "127.0.0.1", "::1"):
        sys.stderr.write("the key goes over the network in clear: use https\n")
    if parsed.key_file is not None and os.name == "posix":
        try:
            open_to_all = parsed.key_file.stat().st_mode & 0o077
        except OSError:
            return  # the sending says so, again and again, until it is there
        if open_to_all:
            sys.stderr.write(f"others can read {parsed.key_file}: chmod 600 it\n")


def _url(text: str) -> str:
    address = urllib.parse.urlsplit(text)
    if (
        address.scheme not in ("http", "https")
        or not address.hostname
        or address.query
        or address.fragment
        or address.username
    ):
        raise argparse.ArgumentTypeError("must be where ingest is, such as https://ingest.example, and hold no key")
    return text


def _name(text: str) -> str:
    if NAME.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("must be 1 to 40 of A-Z, a-z, 0-9, . _ -")
    return text


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1024 * 1024:
        raise argparse.ArgumentTypeError("must be a whole number of MiB, 1 or more")
    return int(text)


def _zone(text: str) -> tzinfo:
    try:
        if text[:1] in "+-":
            hours, _, minutes = text[1:].partition(":")
            offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
            return timezone(-offset if text[0] == "-" else offset)
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - Windows has no zones without a package, and mostly needs none

        return ZoneInfo(text)
    except (ValueError, OSError, KeyError, IndexError) as error:
        raise argparse.ArgumentTypeError(
            "is not known here: name it as Europe/Warsaw or, where that fails, +01:00"
        ) from error
