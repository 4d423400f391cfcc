"""What plays Salesforce: SOQL of one shape, collections, Bulk API 2.0 and a token, with their limits and refusals."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import httpx

COLLECTION_MAX = 200
FIELDS = frozenset({"Id", "Tactus_Id__c", "Score__c", "Band__c", "Reasons__c", "Version__c", "Merged__c"})
SOQL = re.compile(r"SELECT (.*) FROM Contact WHERE Tactus_Id__c IN \((.*)\)")


@dataclass
class Salesforce:
    """An organisation with contacts."""

    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By their ids."""
    token: str = "session-1"
    tokens_given: int = 0
    faults: list[Callable[[httpx.Request], httpx.Response | None]] = field(default_factory=list)
    locked: set[str] = field(default_factory=set)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    polls_until_done: int = 2

    def add(self, key: str) -> str:
        number = f"003{len(self.contacts):012}AAA"
        self.contacts[number] = {"Id": number, "Tactus_Id__c": key}
        return number

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/oauth2/token"):
            return self._token(request)
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if self.faults and (said := self.faults.pop(0)(request)) is not None:
            return said
        action = re.sub(r"^/services/data/v[0-9.]+/", "", path)
        if action.startswith("query"):
            self.calls["query"] += 1
            return self._query(request)
        if action.startswith("composite/sobjects"):
            self.calls[f"collections {request.method}"] += 1
            return self._collections(request)
        self.calls["bulk"] += 1
        return self._bulk(request, action.removeprefix("jobs/ingest").strip("/").split("/"))

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.content.decode())
        if form["grant_type"] != ["client_credentials"] or form["client_secret"] != ["of-the-app"]:
            return httpx.Response(400, json={"error": "invalid_client"})
        self.tokens_given += 1
        return httpx.Response(200, json={"access_token": self.token, "token_type": "Bearer"})

    def _query(self, request: httpx.Request) -> httpx.Response:
        if len(str(request.url)) > 16_384:
            return httpx.Response(431)
        found = SOQL.fullmatch(unquote_plus(request.url.params["q"]))
        if found is None:
            return refusal(400, "MALFORMED_QUERY", "unexpected token")
        names = found[1].split(", ")
        keys = {key.replace("\\'", "'") for key in re.findall(r"'((?:[^'\\]|\\.)*)'", found[2])}
        rows = [
            {"attributes": {"type": "Contact"}, **{name: one.get(name) for name in names}}
            for one in self.contacts.values()
            if one["Tactus_Id__c"] in keys
        ]
        return httpx.Response(200, json={"totalSize": len(rows), "done": True, "records": rows})

    def _collections(self, request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            ids = request.url.params["ids"].split(",")
            return httpx.Response(200, json=[self._gone(one) for one in ids])
        records = json.loads(request.content)["records"]
        if len(records) > COLLECTION_MAX:
            return refusal(400, "EXCEEDED_MAX_SIZE_REQUEST", f"record limit reached: {COLLECTION_MAX}")
        if any(one.get("attributes", {}).get("type") != "Contact" for one in records):
            return refusal(400, "INVALID_TYPE", "attributes.type is needed on every record")
        return httpx.Response(200, json=[self._write(one) for one in records])

    def _gone(self, number: str) -> dict[str, Any]:
        if self.contacts.pop(number, None) is None:
            return failure("ENTITY_IS_DELETED", "entity is deleted")
        return {"id": number, "success": True, "errors": []}

    def _write(self, record: dict[str, Any]) -> dict[str, Any]:
        values = {name: value for name, value in record.items() if name not in {"attributes", "id", "Id"}}
        number = record.get("id") or record.get("Id")
        contact = self.contacts.get(str(number))
        if contact is None:
            return failure("ENTITY_IS_DELETED", "entity is deleted")
        if number in self.locked:
            return failure("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
        for name, value in values.items():
            if name not in FIELDS:
                return failure("INVALID_FIELD", f"No such column '{name}' on sobject of type Contact")
            if isinstance(value, str) and len(value) > 255:
                return failure("STRING_TOO_LONG", f"{name}: data value too large")
        contact |= values
        return {"id": number, "success": True, "errors": []}

    def _bulk(self, request: httpx.Request, parts: list[str]) -> httpx.Response:
        if parts == [""]:
            job = json.loads(request.content)
            # The usual client names no object when it asks by the handler of its own; the address says it.
            number = f"750{len(self.jobs)}"
            self.jobs[number] = {"id": number, "state": "Open", "polls": 0, "rows": [], **job}
            return httpx.Response(200, json=self.jobs[number])
        job = self.jobs[parts[0]]
        if parts[1:] == ["batches"]:
            job["rows"] = list(csv.DictReader(io.StringIO(request.content.decode())))
            return httpx.Response(201)
        if request.method == "PATCH":
            job["state"] = json.loads(request.content)["state"]
            return httpx.Response(200, json=job)
        if len(parts) == 1:
            return self._polled(job)
        return self._csv(job, parts[1])

    def _polled(self, job: dict[str, Any]) -> httpx.Response:
        job["polls"] += 1
        if job["polls"] == self.polls_until_done and job["state"] == "UploadComplete":
            for row in job["rows"]:
                row["said"] = self._write({n: None if v == "#N/A" else v for n, v in row.items() if n != "said"})
            job["state"] = "JobComplete"
        failed = sum(not row.get("said", {}).get("success") for row in job["rows"])
        shown = {name: job[name] for name in ("id", "state", "operation")}
        counts = {"numberRecordsProcessed": len(job["rows"]), "numberRecordsFailed": failed}
        return httpx.Response(200, json={**shown, **counts, "errorMessage": ""})

    def _csv(self, job: dict[str, Any], which: str) -> httpx.Response:
        written = io.StringIO()
        rows = csv.writer(written, lineterminator="\n")
        good = which == "successfulResults"
        rows.writerow(["sf__Id", "sf__Created" if good else "sf__Error", "Id"])
        for row in job["rows"]:
            if which != "unprocessedrecords" and row["said"]["success"] is good:
                error = (
                    "" if good else f"{row['said']['errors'][0]['statusCode']}:{row['said']['errors'][0]['message']}"
                )
                rows.writerow([row["Id"], "false" if good else error, row["Id"]])
        return httpx.Response(200, text=written.getvalue(), headers={"content-type": "text/csv"})


def failure(code: str, message: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": []}]}


def refusal(status: int, code: str, message: str) -> httpx.Response:
    return httpx.Response(status, json=[{"errorCode": code, "message": message}])
