"""A system of any kind that writes one record at an address of its own, as the connectors file describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from services.outbound.crm.calls import Caller
from services.outbound.crm.configuration import ConnectorTable, HttpTable
from services.outbound.crm.contract import Absent, Answer, Found, Push, Refused, Taken, Traits, Trouble, in_words
from services.outbound.crm.credentials import Credential
from services.state.crm import Task

NOT_FOUND = frozenset({404, 410})
LOCKED = frozenset({409, 412})

FIELDS = "{fields}"
"""Stands in a body for the fields."""


class HttpConnector:
    """Writes one record a call."""

    traits = Traits(batch_max=1, bad_row="singly", lookup="native")

    def __init__(self, table: ConnectorTable, caller: Caller, credential: Credential) -> None:
        assert table.http is not None  # noqa: S101 -- the file's own rule
        self._http: HttpTable = table.http
        self._caller = caller
        self._credential = credential

    async def push(self, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        answers: list[Answer] = []
        for push in pushes:
            answer = await self._one(push)
            if isinstance(answer, Trouble):
                return answer
            answers.append(answer)
        return answers

    async def find(self, keys: Sequence[str]) -> Found | Trouble:
        return Found({key: key for key in keys})

    async def read(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | Trouble:
        found: dict[str, Mapping[str, Any]] = {}
        for key in keys:
            headers = await self._headers()
            if isinstance(headers, Trouble):
                return headers
            reply = await self._caller.call("GET", self._path(key), headers=headers)
            if isinstance(reply, Trouble):
                return reply
            if reply.status in NOT_FOUND:
                continue
            trouble = self._caller.trouble(reply)
            if trouble is not None:
                return trouble
            said = reply.json()
            if self._http.read_within and isinstance(said, dict):
                said = said.get(self._http.read_within)
            found[key] = said if isinstance(said, dict) else {}
        return found

    async def open_task(self, task: Task) -> Answer | Trouble:
        return Refused(task.customer, "this system takes no tasks")

    async def renew(self) -> Trouble | None:
        return await self._credential.renew()

    async def _one(self, push: Push) -> Answer | Trouble:
        headers = await self._headers()
        if isinstance(headers, Trouble):
            return headers
        method = "DELETE" if push.delete else self._http.method
        body = None if push.delete else filled(self._http.body or FIELDS, push.fields)
        reply = await self._caller.call(method, self._path(push.key), headers=headers, body=body)
        if isinstance(reply, Trouble):
            return reply
        if reply.status in NOT_FOUND:
            return Absent(push.key)
        if reply.status in LOCKED:
            return Trouble("away", in_words(f"status {reply.status}: the record is being changed by another"))
        return self._caller.trouble(reply) or Taken(push.key, f"status {reply.status}")

    async def _headers(self) -> Mapping[str, str] | Trouble:
        secret = await self._credential.secret()
        if isinstance(secret, Trouble):
            return secret
        return {"Accept": "application/json", "Authorization": self._http.authorization.replace("{secret}", secret)}

    def _path(self, key: str) -> str:
        return self._http.path.replace("{key}", quote(key, safe=""))


def filled(template: object, fields: Mapping[str, object]) -> object:
    """Put the fields where a body says that they stand."""
    if template == FIELDS:
        return dict(fields)
    if isinstance(template, Mapping):
        return {name: filled(value, fields) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, fields) for value in template]
    return template
