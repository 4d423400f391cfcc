"""What lets the agent run on a till: one file, an old Python, and nothing beside."""

from __future__ import annotations

import ast
import io
import sys
import zipfile
from pathlib import Path

import pytest

from services.commands import till

MODULES = sorted((Path(till.__file__).parents[1] / "till").glob("*.py"))

PROMISED = (3, 9)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_its_syntax_is_old_python_s(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=PROMISED)

    # Only as annotations, which are not evaluated: as values they need a later Python.
    unions = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.BitOr)
        if isinstance(node.value.right, ast.Name)
    ]
    assert unions == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_it_imports_the_standard_library_and_itself(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")

    foreign = {
        name
        for name in imported
        if not name.startswith("services.till") and name.partition(".")[0] not in sys.stdlib_module_names
    }
    assert foreign == set()


def test_the_one_file_holds_all_of_it_and_is_the_same_whenever_it_is_packed() -> None:
    packed = till.pack()

    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert packed.startswith(b"#!/usr/bin/env python3\n")
    assert names == ["__main__.py", "services/__init__.py", *(f"services/till/{path.name}" for path in MODULES)]
    assert packed == till.pack()
