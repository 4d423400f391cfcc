"""`tactus explain`: ask for a customer's or an account's score and the reasons for it, or for what moved it, and print them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel
from rich.console import Console

from schemas.accountsapi import AccountAnswer, AccountChangeAnswer, AccountReceiptAnswer
from schemas.changeapi import ChangeAnswer
from schemas.readapi import CustomerAnswer, ReceiptAnswer
from schemas.touchpoint import identity_of_subject
from services.client.endpoints import Endpoint, find_api
from services.commands.explain_account import AccountExplained, AccountExplanation
from services.commands.explain_change import ChangeExplanation
from services.commands.explanation import FULL, Explained, Explanation
from services.infra.errors import ConfigurationError, InvalidEventError, TactusError, UnavailableError
from services.infra.settings import read_settings

TIMEOUT_S: Final = 10.0
"""The API answers within five seconds, if only to say that it cannot."""

TRIES_MAX: Final = 5
"""Score and receipt are two questions; when events came between them, both are asked again."""

ACCOUNT: Final = "account:"
"""What stands before an account's name, as a kind does before an identity; no identity is of it."""

WIDTH_MIN: Final = 60
"""Below this a table of reasons cannot be read."""

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class When(NamedTuple):
    """Which moment is asked about."""

    at: str | None = None
    known_then: bool = False
    """Whether only what had arrived by then counts."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """As the API names them."""
        named = {} if self.at is None else {"at": self.at}
        return {**named, "known": "then"} if self.known_then else named


NOW: Final = When()


def run(customer: str, *, when: When, change: str | None, language: str, data: Path | None) -> int:
    """Print the explanation; 0 when there is one, 1 when the reason why not was printed."""
    kind, value = identity_of_subject(customer)
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(console.width, WIDTH_MIN)
    try:
        explanation = Explanation.in_language(language, override=read_settings().catalogue, detail=FULL)
        if customer.startswith(ACCOUNT):
            _explain_account(explanation, console, customer.removeprefix(ACCOUNT), when=when, change=change, data=data)
        elif change is None:
            explanation.show(console, ask(find_api(data), f"{kind}:{value}", when=when))
        else:
            path = f"/v1/customers/{quote(f'{kind}:{value}', safe='')}/change"
            answer = ask_change(find_api(data), path, ChangeAnswer, over=change, when=when)
            ChangeExplanation(explanation).show(console, answer)
    except TactusError as error:
        sys.stderr.write(f"tactus explain: {error}\n")
        return 1
    return 0


def _explain_account(
    explanation: Explanation, console: Console, account: str, *, when: When, change: str | None, data: Path | None
) -> None:
    if not account:
        raise InvalidEventError("an account has a name: write it after account:, as its events do")
    if change is None:
        AccountExplanation(explanation).show(console, ask_account(find_api(data), account, when=when))
        return
    path = f"/v1/accounts/{quote(account, safe='')}/change"
    answer = ask_change(find_api(data), path, AccountChangeAnswer, over=change, when=when)
    ChangeExplanation(explanation).show(console, answer)


def ask_change(endpoint: Endpoint, path: str, answer: type[AnswerT], *, over: str, when: When) -> AnswerT:
    """Ask what moved a score within a period; raises as `ask` does."""
    with _client(endpoint) as client:
        return _get(client, path, answer, {"over": over, **when.parameters})


def ask(endpoint: Endpoint, identity: str, *, when: When = NOW) -> Explained:
    """Ask for the score and for its receipt at the same moment and version.

    Raises InvalidEventError when there is no such customer or moment, UnavailableError when the API is away.
    """
    path = f"/v1/customers/{quote(identity, safe='')}"
    with _client(endpoint) as client:
        for _ in range(TRIES_MAX):
            score = _get(client, path, CustomerAnswer, when.parameters)
            receipt = _get(client, f"{path}/receipt", ReceiptAnswer, when._replace(at=score.at).parameters)
            if (score.version, score.model_version) == (receipt.version, receipt.model_version):
                return Explained(score, receipt)
    raise UnavailableError("events of this customer come faster than the score can be read: ask for a moment with --at")


def ask_account(endpoint: Endpoint, account: str, *, when: When) -> AccountExplained:
    """Ask for an account's score and its receipt at the same moment; raises as `ask` does."""
    path = f"/v1/accounts/{quote(account, safe='')}"
    with _client(endpoint) as client:
        for _ in range(TRIES_MAX):
            score = _get(client, path, AccountAnswer, when.parameters)
            receipt = _get(client, f"{path}/receipt", AccountReceiptAnswer, when._replace(at=score.at).parameters)
            if (score.score, score.model_version) == (receipt.score, receipt.model_version):
                return AccountExplained(score, receipt)
    raise UnavailableError("events of this account come faster than its score can be read: ask for a moment with --at")


def _client(endpoint: Endpoint) -> httpx.Client:
    key = {"Authorization": f"Bearer {endpoint.key}"}
    return httpx.Client(base_url=endpoint.url, headers=key, timeout=TIMEOUT_S, trust_env=False)


def _get(client: httpx.Client, path: str, answer: type[AnswerT], parameters: Mapping[str, str]) -> AnswerT:
    try:
        response = client.get(path, params=parameters)
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"the API at {client.base_url} does not answer: start it with `tactus up`, or look with `tactus doctor`"
        ) from error
    if response.status_code == HTTPStatus.OK:
        return answer.model_validate_json(response.content)
    raise _refusal(response)


def _refusal(response: httpx.Response) -> TactusError:
    match response.status_code:
        case HTTPStatus.NOT_FOUND if response.json()["type"].endswith("unknown-account"):
            return InvalidEventError(
                "no account has this name: write it as account: and its name as its events do; an account appears with "
                "the first event that names it under a server's key"
            )
        case HTTPStatus.NOT_FOUND:
            return InvalidEventError(
                "no customer has this identity: write it as kind:value as its events do; a customer appears with the "
                "first event that names it"
            )
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return ConfigurationError(
                "the API does not take the read key: restart `tactus up`, or set TACTUS_READ_KEY to a valid one"
            )
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            return InvalidEventError(str(response.json()["detail"]))
        case status:
            return UnavailableError(f"the API cannot answer ({status}): try again, or look with `tactus doctor`")
