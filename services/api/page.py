"""The plain page that a browser sees at the API's address: what this is, and where to look."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from string import Template
from types import MappingProxyType
from typing import Final, NamedTuple


class Link(NamedTuple):
    """An address, and what is there; one that needs a key is shown and cannot be followed."""

    path: str
    text: str
    needs_key: bool = False


LINKS: Final = (
    Link("/v1/customers", "Everybody with the stored score, by band or below a score", needs_key=True),
    Link("/v1/scores/changes", "Whose score is another one since; waits for it with wait=30", needs_key=True),
    Link("/v1/customers/{kind}:{value}", "A customer's score, its windows and every dimension", needs_key=True),
    Link("/v1/customers/{kind}:{value}/receipt", "The reasons: points that add up to the score", needs_key=True),
    Link("/v1/customers/{kind}:{value}/change", "What moved the score: what came, faded and fell out", needs_key=True),
    Link("/v1/customers/{kind}:{value}/history", "The score day by day, along a dimension too", needs_key=True),
    Link("/v1/customers/{kind}:{value}/journey", "The customer's touchpoints in time", needs_key=True),
    Link("/v1/drivers", "What everybody weighs: points lost by driver, and their trend", needs_key=True),
    Link("/v1/touchpoints", "The touchpoints that lost most points", needs_key=True),
    Link("/v1/journey", "Stages of the journey by channels", needs_key=True),
    Link("/v1/places", "The places that lost most points", needs_key=True),
    Link("/v1/accounts", "Accounts, those that need somebody first", needs_key=True),
    Link("/v1/accounts/{account}", "A company's score, read from all who act for it", needs_key=True),
    Link("/v1/accounts/{account}/receipt", "Its reasons", needs_key=True),
    Link("/v1/accounts/{account}/change", "What moved it", needs_key=True),
    Link("/v1/accounts/{account}/history", "The score day by day, along a dimension too", needs_key=True),
    Link("/v1/accounts/{account}/journey", "The touchpoints of all its contacts in time", needs_key=True),
    Link("/v1/whatif", "By POST: what a score would be by other numbers or another past", needs_key=True),
    Link("/v1/alerts", "Whose score fell, why, and what is done about it", needs_key=True),
    Link("/v1/alerts/{alert}", "One of these, with all reasons and who did what", needs_key=True),
    Link("/v1/alerts/{alert}/ack", "By POST: somebody has seen it", needs_key=True),
    Link("/v1/alerts/{alert}/assign", "By POST: who deals with it", needs_key=True),
    Link("/v1/alerts/{alert}/due", "By POST: by when", needs_key=True),
    Link("/v1/alerts/{alert}/note", "By POST: what is to be remembered", needs_key=True),
    Link("/v1/alerts/{alert}/snooze", "By POST: not before a time", needs_key=True),
    Link("/v1/alerts/{alert}/close", "By POST: what came of it", needs_key=True),
    Link("/v1/alerts/{alert}/reopen", "By POST: it is not dealt with after all", needs_key=True),
    Link("/v1/incidents", "Places, touchpoints and channels where many scores fell at once", needs_key=True),
    Link("/v1/webhooks", "Endpoints that are told; by POST another one", needs_key=True),
    Link("/v1/webhooks/{webhook}", "One of these; by PATCH it is changed, by DELETE told no more", needs_key=True),
    Link("/v1/webhooks/{webhook}/secret", "By POST: sign by another secret", needs_key=True),
    Link("/v1/webhooks/{webhook}/test", "By POST: send it a message to try it", needs_key=True),
    Link("/v1/webhooks/{webhook}/deliveries", "What it was told, and how that went", needs_key=True),
    Link("/v1/webhooks/{webhook}/deliveries/{delivery}", "One of these, with what it says", needs_key=True),
    Link("/v1/webhooks/{webhook}/deliveries/{delivery}/replay", "By POST: send it again", needs_key=True),
    Link("/v1/dead-letters", "What did not count, and why", needs_key=True),
    Link("/v1/dead-letters/{letter}", "One of these, with what it holds", needs_key=True),
    Link("/v1/dead-letters/replay", "What sending them again would do; by POST it is done", needs_key=True),
    Link("/v1/dead-letters/discard", "By POST: close those that are not wanted", needs_key=True),
    Link("/v1/openapi.json", "All of it, as OpenAPI 3.1"),
    Link("/readyz", "Whether the database answers"),
)

_STYLE: Final = (
    "body{margin:0;font:1rem/1.5 system-ui,sans-serif;color:#1b1b1f;background:#fff}"
    "main{max-width:42rem;margin:3rem auto;padding:0 1rem}"
    "dt{margin-top:1rem;font-family:ui-monospace,monospace;overflow-wrap:anywhere}dd{margin:0}"
    "a{color:#0b57d0}"
    "@media(prefers-color-scheme:dark){body{color:#e6e6ea;background:#1b1b1f}a{color:#a8c7fa}}"
)
_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
)
"""What the page is sent with: it loads nothing, runs nothing, and stands in nobody's frame."""


def page(links: Sequence[Link]) -> str:
    """Write the page; the addresses are relative, so it is right behind any proxy."""
    template = Template(resources.files("services.api").joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(style=_STYLE, links="\n".join(map(_item, links)))


def _item(link: Link) -> str:
    path, text = escape(link.path), escape(link.text)
    shown = path if link.needs_key else f'<a href="{path.removeprefix("/")}">{path}</a>'
    return f"<dt>{shown}</dt><dd>{text}</dd>"
