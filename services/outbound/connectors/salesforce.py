"""Salesforce: two hundred records a call, and Bulk API 2.0 from two thousand on."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from services.outbound.crm.calls import Caller, Reply
from services.outbound.crm.configuration import ConnectorTable
from services.outbound.crm.contract import (
    Absent,
    Again,
    Answer,
    Found,
    Push,
    Refused,
    Taken,
    Traits,
    Trouble,
    in_words,
    parts_of,
)
from services.outbound.crm.credentials import Credential
from services.state.crm import Task

USUAL_VERSION: Final = "v60.0"

COLLECTION_MAX: Final = 200
BULK_FROM: Final = 2_000
"""A job costs about ten calls, as collections of so many records do."""

QUERY_CHARS_MAX: Final = 8_000
"""Of a question in an address; the server takes 16,384 bytes of all headers."""

POLLS_MAX: Final = 100
POLL_S: Final = 5.0
"""Eight minutes; the server itself gives a batch five and tries again."""

LIMIT_WAIT_S: Final = 900.0
"""Of a day that rolls: in a quarter of an hour some of it is free again."""

NULL: Final = "#N/A"
"""In CSV: an empty value leaves the field as it is."""

GONE: Final = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND"})
PASSING: Final = frozenset({"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG"})
EXHAUSTED: Final = "REQUEST_LIMIT_EXCEEDED"
FINISHED: Final = frozenset({"JobComplete", "Failed", "Aborted"})


class SalesforceConnector:
    """Writes one kind of objects by their ids, which are found by the external id."""

    traits = Traits(batch_max=4_000, bad_row="halve", lookup="search")

    def __init__(
        self,
        table: ConnectorTable,
        caller: Caller,
        credential: Credential,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._table = table
        self._caller = caller
        self._credential = credential
        self._sleep = sleep
        self._base = f"/services/data/{table.api_version or USUAL_VERSION}"

    async def push(self, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        answers: list[Answer] = []
        gone = [push for push in pushes if push.delete]
        kept = [push for push in pushes if not push.delete]
        if len(kept) >= BULK_FROM:
            said = await self._bulk(kept)
            kept = []
            if isinstance(said, Trouble):
                return said
            answers += said
        for part, call in ((gone, self._delete), (kept, self._update)):
            for some in parts_of(part, at_most=COLLECTION_MAX):
                said = await call(some)
                if isinstance(said, Trouble):
                    return said
                answers += said
        return answers

    async def find(self, keys: Sequence[str]) -> Found | Trouble:
        remotes: dict[str, str] = {}
        several: set[str] = set()
        for some in _questions(keys):
            rows = await self._rows(some, ["Id", self._table.key_field])
            if isinstance(rows, Trouble):
                return rows
            for row in rows:
                key = str(row[self._table.key_field])
                several |= {key} & remotes.keys()
                remotes[key] = str(row["Id"])
        return Found(remotes, frozenset(several))

    async def read(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]] | Trouble:
        found: dict[str, Mapping[str, Any]] = {}
        for some in _questions(keys):
            rows = await self._rows(some, [self._table.key_field, *self._table.fields.values()])
            if isinstance(rows, Trouble):
                return rows
            found |= {str(row[self._table.key_field]): row for row in rows}
        return found

    async def open_task(self, task: Task) -> Answer | Trouble:
        return Refused(task.customer, "tasks are not opened in Salesforce")

    async def renew(self) -> Trouble | None:
        return await self._credential.renew()

    async def _update(self, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        kind = {"type": self._table.object}
        records = [{"attributes": kind, "id": push.remote, **push.fields} for push in pushes]
        return self._results(
            pushes, await self._call("PATCH", "/composite/sobjects", {"allOrNone": False, "records": records})
        )

    async def _delete(self, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        ids = ",".join(push.remote or "" for push in pushes)
        return self._results(pushes, await self._call("DELETE", f"/composite/sobjects?ids={ids}&allOrNone=false"))

    def _results(self, pushes: Sequence[Push], reply: Reply | Trouble) -> Sequence[Answer] | Trouble:
        """Match results to records: they come in order, and one that was taken echoes its id."""
        if isinstance(reply, Trouble):
            return reply
        said = reply.json()
        if not isinstance(said, list) or len(said) != len(pushes):
            return []
        answers: list[Answer] = []
        for push, one in zip(pushes, said, strict=True):
            if one.get("success") is True and _same(one.get("id"), push.remote):
                answers.append(Taken(push.key))
            elif one.get("success") is False and one.get("errors"):
                error = one["errors"][0]
                answers.append(_refusal(push.key, str(error.get("statusCode")), str(error.get("message"))))
        return answers

    async def _bulk(self, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        job = {"object": self._table.object, "operation": "update", "contentType": "CSV", "lineEnding": "LF"}
        made = await self._call("POST", "/jobs/ingest", job)
        if isinstance(made, Trouble):
            return made
        path = f"/jobs/ingest/{made.json()['id']}"
        put = await self._call("PUT", f"{path}/batches", content=_csv(pushes), kind="text/csv; charset=UTF-8")
        if isinstance(put, Trouble):
            return put
        closed = await self._call("PATCH", path, {"state": "UploadComplete"})
        if isinstance(closed, Trouble):
            return closed
        return await self._finished(path) or await self._job_results(path, pushes)

    async def _finished(self, path: str) -> Trouble | None:
        """Wait for a job; one that fails as a whole has rows that were not processed, which have no answer."""
        for _ in range(POLLS_MAX):
            job = await self._call("GET", path)
            if isinstance(job, Trouble):
                return job
            if job.json().get("state") in FINISHED:
                return None
            await self._sleep(POLL_S)
        return Trouble("away", "a job of Bulk API 2.0 does not come to its end")

    async def _job_results(self, path: str, pushes: Sequence[Push]) -> Sequence[Answer] | Trouble:
        keys = {push.remote: push.key for push in pushes}
        answers: list[Answer] = []
        for results in ("successfulResults", "failedResults"):
            reply = await self._call("GET", f"{path}/{results}", accept="text/csv")
            if isinstance(reply, Trouble):
                return reply
            for row in csv.DictReader(io.StringIO(reply.body.decode())):
                key = keys.get(row.get("Id") or row.get("sf__Id"))
                if key is None:
                    continue
                code, _, message = (row.get("sf__Error") or "").partition(":")
                answers.append(Taken(key) if results == "successfulResults" else _refusal(key, code, message))
        return answers

    async def _rows(self, keys: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]] | Trouble:
        listed = ",".join(_quoted(key) for key in keys)
        question = f"SELECT {', '.join(names)} FROM {self._table.object} WHERE {self._table.key_field} IN ({listed})"  # noqa: S608 -- names are of the file's pattern and keys quoted
        path, rows = f"/query?q={quote(question)}", []
        while path:
            reply = await self._call("GET", path)
            if isinstance(reply, Trouble):
                return reply
            said = reply.json()
            rows += said["records"]
            path = str(said.get("nextRecordsUrl") or "").removeprefix(self._base)
        return rows

    async def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content: bytes | None = None,
        kind: str | None = None,
        accept: str = "application/json",
    ) -> Reply | Trouble:
        secret = await self._credential.secret()
        if isinstance(secret, Trouble):
            return secret
        headers = {"Authorization": f"Bearer {secret}", "Accept": accept}
        if kind is not None:
            headers["Content-Type"] = kind
        reply = await self._caller.call(method, self._base + path, headers=headers, body=body, content=content)
        return reply if isinstance(reply, Trouble) else self._trouble(reply) or reply

    def _trouble(self, reply: Reply) -> Trouble | None:
        said = reply.json()
        error = said[0] if isinstance(said, list) and said and isinstance(said[0], dict) else {}
        code = error.get("errorCode")
        trouble = self._caller.trouble(reply, words=f"{code}: {error.get('message')}" if code else None)
        if trouble is not None and code == EXHAUSTED:
            return trouble._replace(kind="throttled", after_s=LIMIT_WAIT_S)
        if trouble is not None and code in PASSING:
            return trouble._replace(kind="away")
        return trouble


def _refusal(key: str, code: str, message: str) -> Answer:
    words = in_words(f"{code}: {message}")
    if code in GONE:
        return Absent(key, words)
    return Again(key, words) if code in PASSING else Refused(key, words)


def _same(one: object, other: str | None) -> bool:
    """Ids come in fifteen characters or in eighteen, of which the last three are a checksum."""
    return bool(other) and str(one)[:15] == str(other)[:15]


def _quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _questions(keys: Sequence[str]) -> Iterator[list[str]]:
    """Cut keys into questions that an address can hold."""
    some: list[str] = []
    chars = 0
    for key in keys:
        length = len(quote(_quoted(key))) + 3
        if some and chars + length > QUERY_CHARS_MAX:
            yield some
            some, chars = [], 0
        some.append(key)
        chars += length
    if some:
        yield some


def _csv(pushes: Sequence[Push]) -> bytes:
    names = list(pushes[0].fields)
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(["Id", *names])
    for push in pushes:
        rows.writerow([push.remote, *(NULL if push.fields.get(name) is None else push.fields[name] for name in names)])
    return written.getvalue().encode()
