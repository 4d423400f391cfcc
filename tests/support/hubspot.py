"""What plays HubSpot: contacts behind the documented batch calls, with their limits, refusals and shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

TOKEN = "pat-of-the-tests"
BATCH_MAX = 100
AT = "2026-03-01T12:00:00.000Z"


@dataclass
class HubSpot:
    """A portal with one unique property."""

    unique: str = "tactus_id"
    properties: frozenset[str] = frozenset(
        {"tactus_id", "t_score", "t_band", "t_reasons", "t_version", "t_merged", "email"}
    )
    contacts: list[dict[str, str]] = field(default_factory=list)
    token: str = TOKEN
    faults: list[Callable[[httpx.Response], httpx.Response]] = field(default_factory=list)
    """What goes wrong with the next answers, in turn."""
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else {}
        self.calls.append((request.url.path, body))
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return refusal(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
        said = self._answer(request.url.path, body)
        return self.faults.pop(0)(said) if self.faults else said

    def contact(self, key: str) -> dict[str, str] | None:
        return next((one for one in self.contacts if one.get(self.unique) == key), None)

    def _answer(self, path: str, body: dict[str, Any]) -> httpx.Response:
        action = path.removeprefix("/crm/v3/objects/contacts/")
        inputs = body.get("inputs", [])
        if len(inputs) > BATCH_MAX:
            return refusal(400, "VALIDATION_ERROR", f"at most {BATCH_MAX} inputs")
        if action == "batch/update":
            return self._update(inputs)
        if action == "batch/read":
            return self._read(body)
        if action == "gdpr-delete":
            contact = self.contact(body["objectId"])
            if contact is None:
                return refusal(404, "OBJECT_NOT_FOUND", "no such contact")
            self.contacts.remove(contact)
            return httpx.Response(204)
        return refusal(404, "NOT_FOUND", path)

    def _update(self, inputs: list[dict[str, Any]]) -> httpx.Response:
        mistake = self._mistake(inputs)
        if mistake:
            return refusal(400, "VALIDATION_ERROR", mistake)
        results, missing = [], []
        for one in inputs:
            contact = self.contact(one["id"])
            if contact is None:
                missing.append(one["id"])
                continue
            contact |= one["properties"]
            results.append(self._result(contact, list(one["properties"])))
        return many(results, missing)

    def _mistake(self, inputs: list[dict[str, Any]]) -> str:
        """The first thing that is wrong with a batch, which is then refused as a whole."""
        keys = [one["id"] for one in inputs]
        if len(set(keys)) < len(keys):
            return "Duplicate IDs found in batch input"
        if any(one.get("idProperty") != self.unique for one in inputs):
            return "idProperty is not unique"
        for name, value in (pair for one in inputs for pair in one["properties"].items()):
            if name not in self.properties:
                return f'Property "{name}" does not exist'
            if not isinstance(value, str):
                return f"{name} is no string"
        return ""

    def _read(self, body: dict[str, Any]) -> httpx.Response:
        found = [self.contact(one["id"]) for one in body["inputs"]]
        missing = [one["id"] for one, contact in zip(body["inputs"], found, strict=True) if contact is None]
        return many([self._result(one, body["properties"]) for one in found if one is not None], missing)

    def _result(self, contact: dict[str, str], names: list[str]) -> dict[str, Any]:
        properties = {name: contact.get(name) or None for name in names}
        number = str(1000 + self.contacts.index(contact))
        return {"id": number, "properties": properties, "createdAt": AT, "updatedAt": AT, "archived": False}


def many(results: list[dict[str, Any]], missing: list[str]) -> httpx.Response:
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": AT, "completedAt": AT}
    if not missing:
        return httpx.Response(200, json=body)
    error = {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.",
        "context": {"ids": missing},
    }
    return httpx.Response(207, json={**body, "numErrors": 1, "errors": [error]})


def refusal(status: int, category: str, message: str, **more: str) -> httpx.Response:
    said = {"status": "error", "message": message, "category": category, "correlationId": "c0ffee", **more}
    return httpx.Response(status, json=said)
