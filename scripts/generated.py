"""Write what is generated from the code, or check that it is fresh: `python scripts/generated.py [--check]`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

import annotated_types
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from schemas.documents.generate import GENERATED, documents  # noqa: E402 - the checkout's own packages, once they can be found
from schemas.documents.problem_page import problems_page  # noqa: E402
from scripts.dashboards import dashboards  # noqa: E402
from scripts.mapping_page import mapping_page  # noqa: E402
from services.commands.explain_words import WORDS  # noqa: E402
from services.core.bands import BANDS, CONFIDENCE_KNOWN, UNKNOWN_BAND  # noqa: E402
from services.infra import metrics  # noqa: E402
from services.infra.collectors import Distribution, Levels, Means, Totals, Waits  # noqa: E402
from services.infra.settings import Settings  # noqa: E402
from services.ingest import adapters  # noqa: E402
from services.ingest.adapter import Adapter, Example  # noqa: E402
from services.ingest.discovery import discovered  # noqa: E402

Declared = MetricWrapperBase | Totals | Levels | Distribution | Means | Waits

COMMENT: Final = re.compile(r"^COMMENT ON (VIEW|COLUMN) ([a-z0-9_.]+) IS '((?:[^']|'')*)';$", re.MULTILINE)

SUFFIXES: Final = {"counter": "_total", "info": "_info"}


def generated() -> dict[Path, str]:
    """Return the text of every generated file by its path."""
    reference = ROOT / "docs" / "reference"
    return {
        reference / "settings.md": settings_page(),
        reference / "metrics.md": metrics_page(),
        reference / "problems.md": problems_page(),
        reference / "bands.md": bands_page(),
        reference / "sql.md": views_page(),
        reference / "channels.md": channels_page(),
        reference / "mapping.md": mapping_page(reference / "maps"),
        **{ROOT / "deploy" / "grafana" / "dashboards" / name: text for name, text in dashboards().items()},
        **{GENERATED / name: text for name, text in documents().items()},
    }


def bands_page() -> str:
    """Return the table of bands with their limits, in the languages that people read them in."""
    ends = (*BANDS.starts, 100.0)
    rows = [
        f"| `{name}` | {WORDS['pl'].bands[name]} | {start:g} | {'up to' if end == 100 else 'below'} {end:g} |"  # noqa: PLR2004 - the end
        for (name, start), end in zip(BANDS.begins.items(), ends, strict=True)
    ]
    rows.append(f"| `{UNKNOWN_BAND}` | {WORDS['pl'].bands[UNKNOWN_BAND]} | | |")
    return "\n".join(
        [
            "# Bands",
            "",
            "Generated from `services/core/bands.py`. A score lies between 0 and 100; 50 is neutral. Its band is a word",
            "for where it lies:",
            "",
            "| band | in Polish | from | |",
            "|---|---|---|---|",
            *rows,
            "",
            f"A score with a confidence below {CONFIDENCE_KNOWN:g} has the band `{UNKNOWN_BAND}`, wherever it lies: too little was",
            "seen of the customer. The limits are the same for every dimension and window. A model may have others, under names of",
            "its own: [tune the score](../how-to/tune-the-score.md).",
            "",
        ]
    )


def channels_page() -> str:
    """Return what each channel reads, with its examples."""
    lines = [
        "# Channels",
        "",
        "Generated from `services/ingest/adapters`: a file there is a channel. The examples are sent in the tests. Beside what",
        "stands here, every channel answers 401 without a valid key, 413 above the limits, 429 and 503 with `Retry-After`.",
        "",
    ]
    for channel in discovered():
        lines += [f"## {channel.name}", "", *_about(channel), ""]
        for example in channel.examples:
            lines += [*_example(example), ""]
    return "\n".join(lines)


def _about(channel: Adapter) -> Iterator[str]:
    yield (import_module(f"{adapters.__name__}.{channel.name}").__doc__ or "").strip()
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| events | {', '.join(f'`POST {path}`' for path in channel.routes)} |"
    if channel.pages:
        yield f"| besides | {', '.join(f'`GET {page.path}`' for page in channel.pages)} |"
    yield f"| key | {channel.key_stands} |"
    yield f"| gzip | {channel.packing.value} |"
    yield f"| pages of other origins | {'may send' if channel.serves_pages else 'may not send'} |"


def _example(example: Example) -> Iterator[str]:
    yield f"{example.title}:"
    yield ""
    yield "```http"
    yield f"POST {example.path} HTTP/1.1"
    yield from (f"{name}: {value}" for name, value in example.headers.items())
    yield ""
    yield from example.body.decode().splitlines()
    yield "```"
    yield ""
    kept = ", ".join(f"`{name}`" for name in example.touchpoints)
    yield f"is answered with {example.answers} and kept as {kept}." if kept else f"is answered with {example.answers}."


def views_page() -> str:
    """Return what the views for SQL users hold, from the comments that the database itself has on them."""
    text = (ROOT / "services" / "state" / "sql" / "schema.sql").read_text(encoding="utf-8")
    said = [(kind, name, words.replace("''", "'")) for kind, name, words in COMMENT.findall(text)]
    lines = []
    for kind, view, words in said:
        if kind != "VIEW":
            continue
        columns = [
            f"| `{name.partition('.')[2]}` | {meaning} |" for _, name, meaning in said if name.startswith(f"{view}.")
        ]
        lines += ["", f"## {view}", "", words]
        lines += ["", "| column | meaning |", "|---|---|", *columns] if columns else []
    return "\n".join(
        [
            "# Views for SQL",
            "",
            "Generated from `services/state/sql/schema.sql`; `\\d+` in psql shows the same words, and who may read what is in",
            "[ask by SQL](../how-to/sql.md). Names and meanings of their columns stay; the tables below them may change with any version.",
            *lines,
            "",
        ]
    )


def settings_page() -> str:
    """Return the table of settings, with their names as environment variables."""
    rows = [
        f"| `{name}` | {default(field)} | {limits(field)} | {field.description} |"
        for name, field in settings_of(Settings, prefix="TACTUS_")
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Generated from `services/infra/settings.py`. Every process reads them from its environment.",
            "",
            "| variable | default | limits | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def settings_of(model: type[BaseModel], *, prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    """Walk the settings in their order, sections first in the name."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings_of(kind, prefix=f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}", field


def default(field: FieldInfo) -> str:
    """Return the default as it would be written; none of them is a secret."""
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "–" if value is None else f"`{value}`"


def limits(field: FieldInfo) -> str:
    """Return the bounds of a number, or nothing."""
    words = []
    for limit in field.metadata:
        match limit:
            case annotated_types.Ge(ge=bound):
                words.append(f"≥ {bound}")
            case annotated_types.Gt(gt=bound):
                words.append(f"> {bound}")
            case annotated_types.Le(le=bound):
                words.append(f"≤ {bound}")
            case _:  # a pattern's words are in the description
                pass
    return ", ".join(words)


def metrics_page() -> str:
    """Return the table of metrics."""
    declared = [value for value in vars(metrics).values() if isinstance(value, Declared)]
    rows = sorted(metric_row(value) for value in declared)
    return "\n".join(
        [
            "# Metrics",
            "",
            "Generated from `services/infra/metrics.py`. Each process shows them on its operators' port, beside the",
            "`process_` and `python_` metrics of the client library. Labels take only values known beforehand.",
            "",
            "| metric | type | labels | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def metric_row(metric: Declared) -> str:
    """Return one metric's line."""
    family = next(iter(metric.describe()))
    labels: tuple[str, ...] = getattr(metric, "labelnames", ())
    if isinstance(metric, MetricWrapperBase):
        labels = ("version",) if family.type == "info" else metric._labelnames  # noqa: SLF001 - the library shows them nowhere else
    name = family.name + SUFFIXES.get(family.type, "")
    named = ", ".join(f"`{label}`" for label in labels)
    return f"| `{name}` | {family.type} | {named} | {family.documentation} |"


def stale() -> list[Path]:
    """Name the files that differ from what the code says, and those it no longer makes."""
    texts = generated()
    differing = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return differing + [path for path in GENERATED.iterdir() if path not in texts]


def main() -> None:
    """Write or check."""
    if "--check" in sys.argv[1:]:
        names = [str(path.relative_to(ROOT)) for path in stale()]
        if names:
            sys.exit(f"not fresh: {', '.join(names)}; run `python scripts/generated.py`")
        return
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in stale():
        path.unlink()


if __name__ == "__main__":
    main()
