"""The reference page of the problems, for docs/reference."""

from __future__ import annotations

from schemas.problem import PROBLEMS


def problems_page() -> str:
    """Return the page in Markdown."""
    rows = [f"| `{kind.uri}` | {kind.status} | {kind.title} | {kind.remedy} |" for kind in PROBLEMS.values()]
    head = [
        "# Problems",
        "",
        "Generated from `schemas/problem.py`. Every error of an HTTP door is an RFC 9457 problem of one of these types;",
        "`detail` says more where there is more to say, and never repeats the input.",
        "",
        "| type | status | what happened | what to do |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"
