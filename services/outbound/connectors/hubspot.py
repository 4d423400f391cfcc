"""HubSpot: records updated in batches by a property whose values are unique."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.outbound.crm.calls import Caller, Reply
from services.outbound.crm.configuration import ConnectorTable
from services.outbound.crm.contract import Absent, Answer, Found, Push, Refused, Taken, Traits, Trouble, Value, in_words
from services.outbound.crm.credentials import Credential
from services.state.crm import Task

USUAL_VERSION: Final = "v3"
NOT_FOUND: Final = 404
FORBIDDEN: Final = 403
THROTTLED: Final = 429
ALL_DAY: Final = "DAILY"
MISSING: Final = "OBJECT_NOT_FOUND"

BURST_S: Final = 10.0
"""Of the portal, which shares it among all that speak to it."""

DAY_S: Final = 3600.0
"""A day ends at the portal's midnight, which we do not know: asking each hour costs 24 calls."""


class HubSpotConnector:
    """Writes contacts or any other object that has the property."""

    traits = Traits(batch_max=100, bad_row="singly", lookup="native")

    def __init__(self, table: ConnectorTable, caller: Caller, credential: Credential) -> None:
        self._table = table
        self._caller = caller
        self._credential = credential
        version = table.api_version or USUAL_VERSION
        whole = f"/crm/{version}/objects" if version.startswith("v") else f"/crm/objects/{version}"
        self._path = f"{whole}/{table.object}"

    async def push(self, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        answers: list[Answer] = []
        for push in (one for one in pushes if one.delete):
            answer = await self._deleted(push)
            if isinstance(answer, Trouble):
                return answer
            answers.append(answer)
        kept = [push for push in pushes if not push.delete]
        written = await self._written(kept) if kept else []
        return written if isinstance(written, Trouble) else [*answers, *written]

    async def find(self, keys: Sequence[str]) -> Found | Trouble:
        return Found({key: key for key in keys})

    async def read(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | Trouble:
        body = {
            "idProperty": self._table.key_field,
            "properties": [self._table.key_field, *self._table.fields.values()],
            "inputs": [{"id": key} for key in keys],
        }
        reply = await self._post("/batch/read", body)
        if isinstance(reply, Trouble):
            return reply
        trouble = self._trouble(reply)
        return trouble or {str(self._key_of(one)): one.get("properties", {}) for one in _listed(reply, "results")}

    async def open_task(self, task: Task) -> Answer | Trouble:
        return Refused(task.customer, "tasks are not opened in HubSpot")

    async def renew(self) -> Trouble | None:
        return await self._credential.renew()

    async def _written(self, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        inputs = [
            {"idProperty": self._table.key_field, "id": push.key, "properties": self._properties(push)}
            for push in pushes
        ]
        reply = await self._post("/batch/update", {"inputs": inputs})
        if isinstance(reply, Trouble):
            return reply
        if reply.status == NOT_FOUND and len(pushes) == 1:
            return [Absent(pushes[0].key)]
        trouble = self._trouble(reply)
        if trouble is not None:
            return trouble
        # Who is not named by its key has no answer: a success that names nobody is none.
        taken = [Taken(key) for one in _listed(reply, "results") if (key := self._key_of(one)) is not None]
        return [*taken, *_errors(reply)]

    async def _deleted(self, push: Push) -> Answer | Trouble:
        body = {"idProperty": self._table.key_field, "objectId": push.key}
        reply = await self._post("/gdpr-delete", body)
        if isinstance(reply, Trouble):
            return reply
        if reply.status == NOT_FOUND:
            return Absent(push.key)
        trouble = self._trouble(reply)
        if trouble is not None and trouble.kind == "refused":
            return Refused(push.key, trouble.words)
        return trouble or Taken(push.key)

    def _properties(self, push: Push) -> dict[str, str]:
        # The key is written onto itself, so that each result tells whose it is.
        fields = {name: _text(value) for name, value in push.fields.items()}
        return {**fields, self._table.key_field: push.key}

    def _key_of(self, result: Mapping[str, Any]) -> str | None:
        key = result.get("properties", {}).get(self._table.key_field)
        return None if key is None else str(key)

    async def _post(self, path: str, body: object) -> Reply | Trouble:
        secret = await self._credential.secret()
        if isinstance(secret, Trouble):
            return secret
        headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json"}
        return await self._caller.call("POST", self._path + path, headers=headers, body=body)

    def _trouble(self, reply: Reply) -> Trouble | None:
        said = reply.json()
        said = said if isinstance(said, dict) else {}
        words = " ".join(str(said[name]) for name in ("category", "message", "correlationId") if said.get(name))
        trouble = self._caller.trouble(reply, words=words or None)
        if trouble is None:
            return None
        if reply.status == FORBIDDEN:
            return trouble._replace(kind="unauthorised")
        if reply.status == THROTTLED and trouble.after_s is None:
            return trouble._replace(after_s=DAY_S if said.get("policyName") == ALL_DAY else BURST_S)
        return trouble


def _listed(reply: Reply, name: str) -> list[dict[str, Any]]:
    said = reply.json()
    found = said.get(name) if isinstance(said, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _errors(reply: Reply) -> list[Answer]:
    """What is said of single records, of which each error may name several."""
    answers: list[Answer] = []
    for error in _listed(reply, "errors"):
        context = error.get("context")
        keys = context.get("ids") if isinstance(context, dict) else None
        words = in_words(f"{error.get('category', '')} {error.get('message', '')}")
        for key in keys if isinstance(keys, list) else []:
            missing = error.get("category") == MISSING
            answers.append(Absent(str(key)) if missing else Refused(str(key), words))
    return answers


def _text(value: Value) -> str:
    """Properties are text; an empty one clears."""
    return "" if value is None else str(value)
