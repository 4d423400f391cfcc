"""What plays Odoo's JSON-2 API: partners, named arguments, one transaction a call, errors with a stack in `debug`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx

KEY = "key-of-the-tests"
DATABASE = "shop"
FIELDS = frozenset({"id", "x_tactus_id", "t_score", "t_band", "t_reasons", "t_version", "t_merged"})


@dataclass
class Odoo:
    """A database with partners, by their numbers."""

    partners: dict[int, dict[str, Any]] = field(default_factory=dict)
    faults: list[httpx.Response] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def add(self, key: str) -> int:
        number = len(self.partners) + 7
        self.partners[number] = {"id": number, "x_tactus_id": key}
        return number

    def __call__(self, request: httpx.Request) -> httpx.Response:
        *_, model, method = request.url.path.split("/")
        self.calls.append(method)
        if request.headers.get("authorization", "").lower() != f"bearer {KEY}":
            return refusal(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey")
        if request.headers.get("x-odoo-database") != DATABASE or model != "res.partner":
            return refusal(404, "werkzeug.exceptions.NotFound", "no such database or model")
        if self.faults:
            return self.faults.pop(0)
        body = json.loads(request.content)
        body.pop("context", None)
        return {"search_read": self._search, "write": self._write, "unlink": self._unlink}[method](body)

    def _search(self, body: dict[str, Any]) -> httpx.Response:
        [[name, operator, values]] = body["domain"]
        if operator != "in" or not FIELDS.issuperset([name, *body["fields"]]):
            return refusal(422, "builtins.ValueError", "Invalid field")
        rows = [one for one in self.partners.values() if one[name] in values]
        return httpx.Response(
            200, json=[{"id": one["id"], **{field: one.get(field, False) for field in body["fields"]}} for one in rows]
        )

    def _write(self, body: dict[str, Any]) -> httpx.Response:
        if set(body) != {"ids", "vals"}:
            return refusal(422, "builtins.TypeError", "missing a required argument: 'vals'")
        if not FIELDS.issuperset(body["vals"]):
            return refusal(422, "builtins.ValueError", "Invalid field on 'res.partner'")
        if any(value is None for value in body["vals"].values()):
            return refusal(422, "builtins.TypeError", "null is no value")
        if not self.partners.keys() >= set(body["ids"]):
            return refusal(404, "odoo.exceptions.MissingError", "Record does not exist or has been deleted.")
        for number in body["ids"]:
            self.partners[number] |= body["vals"]
        return httpx.Response(200, json=True)

    def _unlink(self, body: dict[str, Any]) -> httpx.Response:
        for number in body["ids"]:
            self.partners.pop(number, None)
        return httpx.Response(200, json=True)


def refusal(status: int, name: str, message: str) -> httpx.Response:
    said = {"name": name, "message": message, "arguments": [message], "context": {}, "debug": "Traceback: secrets"}
    return httpx.Response(status, json=said)
