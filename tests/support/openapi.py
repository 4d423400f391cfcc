"""Hold answers against the generated OpenAPI documents."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator, FormatChecker

GENERATED = Path(__file__).parents[2] / "schemas" / "generated"


class Contract:
    """One OpenAPI document."""

    def __init__(self, name: str) -> None:
        self.document: dict[str, Any] = json.loads((GENERATED / name).read_text())

    def assert_holds(self, response: httpx.Response) -> None:
        """Fail unless the document promises this status, these headers and this body."""
        operation = self._operation(response.request)
        promised = operation["responses"].get(str(response.status_code))
        assert promised is not None, f"{response.status_code} is not promised"
        for name, header in promised.get("headers", {}).items():
            assert not header.get("required") or name in response.headers, f"no {name}"
        content = promised.get("content", {})
        if not content or response.request.method == "HEAD":
            assert response.content == b""
            return
        media_type = response.headers["content-type"].partition(";")[0]
        schema = content[media_type]["schema"]
        if media_type.endswith("json"):
            self._validator(schema).validate(response.json())

    def _operation(self, request: httpx.Request) -> dict[str, Any]:
        path = request.url.raw_path.decode().partition("?")[0]
        method = "get" if request.method == "HEAD" else request.method.lower()
        for template, item in self.document["paths"].items():
            pattern = re.sub(r"\\\{[a-z]+\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path):
                operation: dict[str, Any] = item.get(method) or next(
                    item[verb] for verb in ("get", "post") if verb in item
                )
                return operation
        raise AssertionError("the document has no such path")

    def _validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        whole = {**schema, "components": self.document["components"]}
        return Draft202012Validator(whole, format_checker=FormatChecker())
