"""Odoo 19 and later, by its JSON-2 API: records by their numbers, one transaction a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.outbound.crm.calls import Caller, Reply
from services.outbound.crm.configuration import ConnectorTable
from services.outbound.crm.contract import Absent, Again, Answer, Found, Push, Refused, Taken, Traits, Trouble, in_words
from services.outbound.crm.credentials import Credential
from services.state.crm import Task

NOT_FOUND: Final = 404
CONFLICT: Final = 409
FORBIDDEN: Final = 403
MISSING: Final = "MissingError"


class OdooConnector:
    """Writes partners or any other model; values differ from record to record, so each is a call."""

    traits = Traits(batch_max=50, bad_row="singly", lookup="search")

    def __init__(self, table: ConnectorTable, caller: Caller, credential: Credential) -> None:
        self._table = table
        self._caller = caller
        self._credential = credential

    async def push(self, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        answers: list[Answer] = []
        for push in pushes:
            answer = await self._one(push)
            if isinstance(answer, Trouble):
                # Those before it are written again with it: alike, so that it does no harm.
                return answer
            if answer is not None:
                answers.append(answer)
        return answers

    async def find(self, keys: Sequence[str]) -> Found | Trouble:
        rows = await self._rows(keys, [self._table.key_field])
        if isinstance(rows, Trouble):
            return rows
        remotes: dict[str, str] = {}
        several: set[str] = set()
        for row in rows:
            key = str(row[self._table.key_field])
            several |= {key} & remotes.keys()
            remotes[key] = str(row["id"])
        return Found(remotes, frozenset(several))

    async def read(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | Trouble:
        rows = await self._rows(keys, [self._table.key_field, *self._table.fields.values()])
        return rows if isinstance(rows, Trouble) else {str(row[self._table.key_field]): row for row in rows}

    async def open_task(self, task: Task) -> Answer | Trouble:
        return Refused(task.customer, "tasks are not opened in Odoo")

    async def renew(self) -> Trouble | None:
        return await self._credential.renew()

    async def _one(self, push: Push) -> Answer | Trouble | None:
        ids = [int(push.remote or 0)]
        if push.delete:
            reply = await self._call("unlink", {"ids": ids})
        else:
            # What is not there is False over there, whatever the field's type.
            values = {name: False if value is None else value for name, value in push.fields.items()}
            reply = await self._call("write", {"ids": ids, "vals": values})
        if isinstance(reply, Trouble):
            return reply
        said = reply.json()
        if reply.status == NOT_FOUND and isinstance(said, dict) and MISSING in str(said.get("name")):
            return Absent(push.key)
        trouble = self._trouble(reply)
        if trouble is None:
            return Taken(push.key) if said is True else None
        if reply.status == CONFLICT:
            return Again(push.key, trouble.words)
        return Refused(push.key, trouble.words) if trouble.kind == "refused" else trouble

    async def _rows(self, keys: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]] | Trouble:
        domain = [[self._table.key_field, "in", list(keys)]]
        reply = await self._call("search_read", {"domain": domain, "fields": list(names)})
        if isinstance(reply, Trouble):
            return reply
        trouble = self._trouble(reply)
        if trouble is not None:
            # A question is no row's fault.
            return trouble._replace(kind="away") if trouble.kind == "refused" else trouble
        said = reply.json()
        return [row for row in said if isinstance(row, dict)] if isinstance(said, list) else []

    async def _call(self, method: str, body: Mapping[str, Any]) -> Reply | Trouble:
        secret = await self._credential.secret()
        if isinstance(secret, Trouble):
            return secret
        headers = {"Authorization": f"bearer {secret}"}
        if self._table.database:
            headers["X-Odoo-Database"] = self._table.database
        return await self._caller.call("POST", f"/json/2/{self._table.object}/{method}", headers=headers, body=body)

    def _trouble(self, reply: Reply) -> Trouble | None:
        """What is wrong, in its message alone: what it says beside that is a stack."""
        said = reply.json()
        said = said if isinstance(said, dict) else {}
        words = in_words(f"{said.get('name', '')}: {said.get('message', '')}") if said else f"status {reply.status}"
        trouble = self._caller.trouble(reply, words=words)
        if trouble is not None and reply.status == FORBIDDEN:
            return trouble._replace(kind="unauthorised")
        return trouble
