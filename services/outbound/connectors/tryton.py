"""Tryton, by JSON-RPC: contacts by their numbers, many in one call, and a task on an alert."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.outbound.crm.calls import Caller
from services.outbound.crm.configuration import ConnectorTable
from services.outbound.crm.contract import Absent, Answer, Found, Push, Refused, Taken, Traits, Trouble, in_words
from services.outbound.crm.credentials import Credential
from services.state.crm import Task

RAISED_ON_PURPOSE: Final = frozenset({"UserError", "UserWarning"})
"""What Tryton says of the values of a call; anything else is its own trouble."""

CONCURRENT: Final = "ConcurrencyException"


class TrytonConnector:
    """Writes parties; one call is one transaction over there."""

    traits = Traits(batch_max=100, bad_row="halve", lookup="search")

    def __init__(self, table: ConnectorTable, caller: Caller, credential: Credential) -> None:
        self._table = table
        self._caller = caller
        self._credential = credential
        self._session = ""
        self._numbers = itertools.count(1)

    async def push(self, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        there = await self._there(pushes)
        if isinstance(there, Trouble):
            return there
        absent = [Absent(push.key) for push in pushes if push not in there]
        gone = [push for push in there if push.delete]
        kept = [push for push in there if not push.delete]
        for method, arguments in (("delete", _ids(gone)), ("write", _pairs(kept))):
            if not arguments:
                continue
            said = await self._rpc(f"model.{self._table.object}.{method}", *arguments)
            if isinstance(said, Trouble):
                return said
        return [*absent, *(Taken(push.key) for push in there)]

    async def find(self, keys: Sequence[str]) -> Found | Trouble:
        rows = await self._rows([[self._table.key_field, "in", list(keys)]], [self._table.key_field])
        if isinstance(rows, Trouble):
            return rows
        remotes: dict[str, str] = {}
        several: set[str] = set()
        for row in rows:
            key = str(row[self._table.key_field])
            if key in remotes:
                several.add(key)
            remotes[key] = str(row["id"])
        return Found(remotes, frozenset(several))

    async def read(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | Trouble:
        names = [self._table.key_field, *self._table.fields.values()]
        rows = await self._rows([[self._table.key_field, "in", list(keys)]], names)
        return rows if isinstance(rows, Trouble) else {str(row[self._table.key_field]): row for row in rows}

    async def open_task(self, task: Task) -> Answer | Trouble:
        """Open a task that names the alert, unless one does already."""
        where = self._table.task
        assert where is not None  # noqa: S101 -- tasks are made for tables that have one
        mark = f"[{task.alert}]"
        domain = [[where.description_field, "ilike", f"%{mark}%"]]
        known = await self._rpc(f"model.{where.object}.search_count", domain)
        if isinstance(known, Trouble):
            return known
        if known:
            return Taken(task.customer, "it was there already")
        values = {
            **where.values,
            where.subject_field: f"{task.customer}: {task.subject}",
            where.description_field: f"{task.description}\n{mark}",
        }
        made = await self._rpc(f"model.{where.object}.create", [values])
        if isinstance(made, Trouble):
            return Refused(task.customer, made.words) if made.kind == "refused" else made
        return Taken(task.customer, f"task {made[0]}" if isinstance(made, list) and made else "")

    async def renew(self) -> Trouble | None:
        """Log in anew; a session ends by itself when it is idle."""
        secret = await self._credential.secret()
        if isinstance(secret, Trouble):
            return secret
        self._session = ""
        said = await self._call("common.db.login", [self._table.user, {"password": secret}])
        if isinstance(said, Trouble):
            return said
        number, token = said[0], said[1]
        self._session = base64.b64encode(f"{self._table.user}:{number}:{token}".encode()).decode()
        return None

    async def _there(self, pushes: Sequence[Push]) -> list[Push] | Trouble:
        """Those whose number is still that of the record with their key: a number alone may have become another's."""
        numbers = [int(push.remote or 0) for push in pushes]
        rows = await self._rows([["id", "in", numbers]], [self._table.key_field])
        if isinstance(rows, Trouble):
            return rows
        keys = {(str(row["id"]), str(row[self._table.key_field])) for row in rows}
        return [push for push in pushes if (push.remote, push.key) in keys]

    async def _rows(self, domain: list[Any], names: list[str]) -> list[dict[str, Any]] | Trouble:
        said = await self._rpc(f"model.{self._table.object}.search_read", domain, 0, None, None, names)
        if isinstance(said, Trouble):
            return said
        return [row for row in said if isinstance(row, dict)] if isinstance(said, list) else []

    async def _rpc(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - of the method's own type
        if not self._session:
            trouble = await self.renew()
            if trouble is not None:
                return trouble
        return await self._call(method, [*arguments, {}])

    async def _call(self, method: str, arguments: list[Any]) -> Any:  # noqa: ANN401 - of the method's own type
        headers = {"Authorization": f"Session {self._session}"} if self._session else {}
        body = {"id": next(self._numbers), "method": method, "params": arguments}
        reply = await self._caller.call("POST", f"/{self._table.database}/rpc/", headers=headers, body=body)
        if isinstance(reply, Trouble):
            return reply
        trouble = self._caller.trouble(reply, words=f"{method}: status {reply.status}")
        if trouble is not None:
            return trouble
        said = reply.json()
        if not isinstance(said, dict):
            return Trouble("away", f"{method}: the answer is no JSON object")
        if said.get("error"):
            return _error(said["error"])
        return said.get("result")


def _error(error: Any) -> Trouble:  # noqa: ANN401 - whatever was raised there
    """Tell what was raised, never its stack."""
    parts = error if isinstance(error, list) else [error]
    kind = str(parts[0])
    detail = parts[1] if len(parts) > 1 and kind in {*RAISED_ON_PURPOSE, CONCURRENT} else ""
    details = detail if isinstance(detail, list) else [detail]
    words = in_words(f"{kind}: {' '.join(str(one) for one in details if one)}".rstrip(": "))
    return Trouble("refused" if kind in RAISED_ON_PURPOSE else "away", words)


def _ids(pushes: Sequence[Push]) -> list[object]:
    return [[int(push.remote or 0) for push in pushes]] if pushes else []


def _pairs(pushes: Sequence[Push]) -> list[object]:
    return [part for push in pushes for part in ([int(push.remote or 0)], dict(push.fields))]
