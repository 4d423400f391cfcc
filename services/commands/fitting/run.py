"""`tactus model fit`: learn a model from what became of customers, say how good it is, and write its file."""

from __future__ import annotations

import asyncio
import json as json_format
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.commands.fitting.event_file import read_events
from services.commands.fitting.fit import Learned, Told, learn
from services.commands.fitting.judging import Judged, findings, judge
from services.commands.fitting.model_text import model_text
from services.commands.fitting.optimiser import Optimiser
from services.commands.fitting.report import figures_of, show
from services.commands.fitting.stack import read_stack
from services.commands.outcomes import Outcome, read_outcomes
from services.commands.stack_settings import stack_settings
from services.commands.telling import INTERRUPTED, say
from services.core.catalogue import Catalogue
from services.core.instants import instant_of, write_instant
from services.core.lived import History
from services.infra.catalogue.model_file import NAME_CHARS_MAX, read_model
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError, TactusError
from services.infra.settings import read_settings

PROBLEMS_SHOWN_MAX: Final = 5


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person asked for."""

    outcomes: Path
    events: Path | None
    map_file: Path | None
    out: Path
    name: str
    json: Path | None
    data: Path | None


def run(options: Options) -> int:
    """Learn, print and write; 0 when a model was written, however good it is."""
    try:
        _fit(options)
    except KeyboardInterrupt:
        say("tactus model fit: interrupted; nothing was written")
        return INTERRUPTED
    except TactusError as error:
        say(f"tactus model fit: {error}")
        return 1
    return 0


def _fit(options: Options) -> None:
    optimiser = Optimiser()
    _check(options)
    catalogue = load_catalogue(read_settings().catalogue)
    told = _told(options, catalogue)
    say(f"learning from {len(told.outcomes)} outcomes …")
    learned = learn(told, catalogue=catalogue, optimiser=optimiser)
    judged = judge(told, learned, catalogue=catalogue)
    text = model_text(
        learned,
        name=options.name,
        made_at=write_instant(instant_of(SystemClock().now_us()).replace(microsecond=0)),
        provenance=_provenance(options, told, learned, judged, catalogue),
    )
    try:
        options.out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--out {options.out}: cannot be written ({error.strerror})") from error
    model = read_model(options.out, catalogue=catalogue)
    if model.version != learned.catalogue.model_version:
        raise RuntimeError(f"{options.out} is another model than the one that was judged")
    show(learned, judged, told, catalogue)
    sys.stdout.write("\n".join(findings(judged, learned.unbound.against)) + "\n")
    sys.stdout.write(f"{options.out}: model {options.name}, version {model.version}\n")
    if options.json is not None:
        figures = figures_of(learned, judged, told, version=model.version)
        options.json.write_text(json_format.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _check(options: Options) -> None:
    if not 1 <= len(options.name) <= NAME_CHARS_MAX:
        raise ConfigurationError(f"--name: must have 1 to {NAME_CHARS_MAX} characters")
    if options.map_file is not None and options.events is None:
        raise ConfigurationError("--map: says how a file of events is read; name the file with --events")


def _told(options: Options, catalogue: Catalogue) -> Told:
    """Read outcomes and what came before them; raises ConfigurationError when nothing is left to learn from."""
    outcomes = read_outcomes(options.outcomes)
    now = instant_of(SystemClock().now_us())
    ahead = [one for one in outcomes if one.at > now]
    if ahead:
        raise ConfigurationError(
            f"{options.outcomes}:{ahead[0].line}: time: lies in the future, where nothing is known yet; check the year"
        )
    history, known = _history(options, outcomes, catalogue)
    heard = history.heard
    lines = [
        *_left_out(options.outcomes, outcomes, set(known)),
        *_unheard(options.outcomes, outcomes, known, heard.tolist()),
    ]
    for line in lines:
        say(line)
    mine = [outcomes[place] for place, is_heard in zip(known, heard.tolist(), strict=True) if is_heard]
    if len({one.bad for one in mine}) < 2:  # noqa: PLR2004 - yes and no
        raise ConfigurationError(
            f"{options.outcomes}: of the outcomes that can be read none is of one kind; check the columns customer "
            "(kind:value) and time"
        )
    return Told(mine, history.of(heard))


def _history(options: Options, outcomes: Sequence[Outcome], catalogue: Catalogue) -> tuple[History, list[int]]:
    if options.events is None:
        return asyncio.run(read_stack(outcomes, settings=stack_settings(options.data)))
    file = read_events(options.events, map_file=options.map_file, catalogue=catalogue)
    for line in file.told():
        say(line)
    return asyncio.run(file.before(outcomes))


def _left_out(path: Path, outcomes: Sequence[Outcome], known: set[int]) -> list[str]:
    unknown = [one for place, one in enumerate(outcomes) if place not in known]
    return _some(path, unknown, "customer: nobody has this identity; write kind:value, as events name it")


def _unheard(path: Path, outcomes: Sequence[Outcome], known: Sequence[int], heard: Sequence[bool]) -> list[str]:
    unheard = [outcomes[place] for place, is_heard in zip(known, heard, strict=True) if not is_heard]
    return _some(path, unheard, "time: in the 400 days before, nothing had happened to the customer; give a later one")


def _some(path: Path, outcomes: Sequence[Outcome], problem: str) -> list[str]:
    lines = [f"{path}:{one.line}: left out: {problem}" for one in outcomes[:PROBLEMS_SHOWN_MAX]]
    more = len(outcomes) - len(lines)
    return [*lines, f"… and {more} more outcomes left out for it"] if more > 0 else lines


def _provenance(
    options: Options, told: Told, learned: Learned, judged: Judged, catalogue: Catalogue
) -> dict[str, object]:
    earlier, later = (int(side.sum()) for side in (learned.split.earlier, learned.split.later))
    return {
        "by": "tactus model fit",
        "outcomes": options.outcomes.name,
        "events": "the database" if options.events is None else options.events.name,
        "catalogue": catalogue.model_version,
        "learned_from": f"{earlier} outcomes before {write_instant(learned.split.cut)}",
        "held_against": f"{later} outcomes from then on, the last at {write_instant(max(o.at for o in told.outcomes))}",
        "strength_of_priors": learned.strength,
        "auc": f"{judged.learned.value:.3f} ({judged.learned.low:.3f} to {judged.learned.high:.3f})",
        "auc_of_catalogue": f"{judged.catalogue.value:.3f}",
        "calibration_error": f"{100 * judged.trueness.error:.1f} %",
    }
