"""`tactus webhooks`: make endpoints, look at their deliveries, try them, send again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from schemas.webhooksapi import WebhookAnswer, WebhookDelivery
from services.client.endpoints import find_webhooks
from services.client.webhooks import WebhooksClient
from services.infra.errors import TactusError

LOOK_S: Final = 0.2

Act = Callable[[WebhooksClient], int]


def list_all(*, data: Path | None) -> int:
    """Print a line for each webhook."""

    def act(client: WebhooksClient) -> int:
        found = client.all().webhooks
        for one in found:
            _say(_line(one))
        if not found:
            _note("there is no webhook: tactus webhooks add URL")
        return 0

    return _run(act, data=data)


def add(wanted: Mapping[str, object], *, data: Path | None) -> int:
    """Make a webhook; print its id and its secret."""

    def act(client: WebhooksClient) -> int:
        made = client.make(wanted)
        _say(f"webhook {made.id}")
        _say(f"secret {made.secret}")
        _note("the secret is not shown again: its receiver verifies messages by it")
        return 0

    return _run(act, data=data)


def show(webhook: str, *, data: Path | None) -> int:
    """Print a webhook and what was done to it."""

    def act(client: WebhooksClient) -> int:
        one = client.one(webhook)
        _say(_line(one))
        for change in one.changes:
            _say(f"  {change.at}  {change.what} by {change.by}")
        return 0

    return _run(act, data=data)


def turn(webhook: str, state: str, *, data: Path | None) -> int:
    """Enable or disable a webhook."""

    def act(client: WebhooksClient) -> int:
        _say(_line(client.change(webhook, {"state": state})))
        return 0

    return _run(act, data=data)


def rotate(webhook: str, *, data: Path | None) -> int:
    """Print the secret that signs from here on."""

    def act(client: WebhooksClient) -> int:
        answer = client.rotate(webhook)
        _say(f"secret {answer.secret}")
        _note(f"the former one signs too until {answer.former_until}")
        return 0

    return _run(act, data=data)


def test(webhook: str, *, wait_s: float, data: Path | None) -> int:
    """Send a test message and print what came of its first attempt; 0 when it was taken."""

    def act(client: WebhooksClient) -> int:
        number = client.test(webhook)
        until = time.monotonic() + wait_s
        while (delivery := client.delivery(webhook, number)).outcome is None and time.monotonic() < until:
            time.sleep(LOOK_S)
        _say(_delivery(delivery))
        if delivery.outcome is None:
            _note("nobody has sent it yet: is the webhook enabled, and does `tactus outbound` run?")
        return 0 if delivery.state == "delivered" else 1

    return _run(act, data=data)


def deliveries(webhook: str, *, state: str | None, limit: int, data: Path | None) -> int:
    """Print a line for each delivery."""

    def act(client: WebhooksClient) -> int:
        parameters = {"limit": str(limit)} if state is None else {"limit": str(limit), "state": state}
        page = client.deliveries(webhook, parameters)
        for one in page.deliveries:
            _say(_delivery(one))
        if page.next is not None:
            _note(f"there are more: --limit shows more than {limit}")
        return 0

    return _run(act, data=data)


def replay(webhook: str, delivery: int, *, data: Path | None) -> int:
    """Send a delivery again."""

    def act(client: WebhooksClient) -> int:
        client.replay(webhook, delivery)
        _say(f"{delivery} goes again")
        return 0

    return _run(act, data=data)


def remove(webhook: str, *, data: Path | None) -> int:
    """Remove a webhook."""

    def act(client: WebhooksClient) -> int:
        client.remove(webhook)
        _say(f"{webhook} is removed")
        return 0

    return _run(act, data=data)


def _run(act: Act, *, data: Path | None) -> int:
    try:
        with WebhooksClient(find_webhooks(data)) as client:
            return act(client)
    except TactusError as error:
        _note(f"tactus webhooks: {error}")
        return 1


def _line(one: WebhookAnswer) -> str:
    parts = [one.id, one.state if one.state == "enabled" else f"disabled ({one.reason})", one.url]
    filters = [*one.kinds, *one.bands, *one.severities]
    parts.append(",".join(filters) or "everything")
    if one.failures:
        parts.append(f"failing since {one.failing_since}")
    if one.waiting:
        parts.append(f"{one.waiting} waiting")
    return "  ".join(parts)


def _delivery(one: WebhookDelivery) -> str:
    parts = [str(one.id), one.state, one.at, one.kind, one.subject]
    if one.outcome is not None:
        said = f"{one.outcome} {one.status or ''}".strip()
        parts.append(said if one.outcome == "delivered" else f"{said} {one.answer or ''}".strip())
    if one.next_at is not None:
        parts.append(f"tried again at {one.next_at}" if one.attempts else "to be sent")
    return "  ".join(" ".join(part.split()) for part in parts)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _note(line: str) -> None:
    sys.stderr.write(f"{line}\n")
