"""Write schemas/generated from the models: `python -m schemas.documents.generate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel

from schemas.alert import AlertRecord
from schemas.documents.asyncapi import asyncapi
from schemas.documents.openapi import Json, Plain
from schemas.documents.openapi_ingest import openapi_ingest
from schemas.documents.openapi_read import openapi_read
from schemas.incident import IncidentRecord
from schemas.score import ScoreRecord
from schemas.touchpoint import TouchpointEvent, TouchpointRecord

GENERATED: Final = Path(__file__).parents[1] / "generated"

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "touchpoint-event": TouchpointEvent,
    "touchpoint-record": TouchpointRecord,
    "score": ScoreRecord,
    "alert": AlertRecord,
    "incident": IncidentRecord,
}
"""The models that stand alone, by the name of their file."""


def json_schema(name: str) -> Json:
    """Return one model's JSON Schema."""
    return {
        "$schema": DIALECT,
        "$id": f"urn:tactus:schema:{name}:v1",
        **MODELS[name].model_json_schema(schema_generator=Plain),
    }


def documents() -> dict[str, str]:
    """Return every generated file's text by its name; equal models give equal bytes."""
    trees: dict[str, Json] = {f"{name}.v1.schema.json": json_schema(name) for name in MODELS}
    trees["openapi-read.json"] = openapi_read()
    trees["openapi-ingest.json"] = openapi_ingest()
    texts = {name: json.dumps(tree, indent=2, ensure_ascii=True) + "\n" for name, tree in trees.items()}
    # By way of JSON: YAML would write shared parts as anchors, which few readers of AsyncAPI follow.
    texts["asyncapi.yaml"] = yaml.safe_dump(json.loads(json.dumps(asyncapi())), sort_keys=False, width=100)
    return texts


def write(folder: Path = GENERATED) -> None:
    """Write every file, and remove what is generated no more."""
    folder.mkdir(exist_ok=True)
    texts = documents()
    for stale in folder.iterdir():
        if stale.name not in texts:
            stale.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
