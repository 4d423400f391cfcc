from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

LINES_MAX = 400
FUNCTION_LINES_MAX = 50

# Written in parts, so that this file does not find itself.
HOSTS = re.compile(
    "|".join(
        [
            "py" + r"pi\.org",
            "python" + r"hosted\.org",
            "npm" + r"js\.(?:org|com)",
            "crates" + r"\.io",
            "maven" + r"\.(?:org|apache)",
            "proxy" + r"\.golang",
            "debian" + r"\.org",
            "docker" + r"\.(?:io|com)/",
        ]
    )
)
PLACES = re.compile("|".join([r"(?<![\w.])/wo" + r"rk/", "/ro" + "ot/", r"(?<![\w.{}])/ho" + r"me/[a-z]"]))
SECRETS = re.compile(
    "|".join(
        [
            "BEGIN [A-Z ]*PRIVATE" + " KEY-----",
            "AKIA" + "[0-9A-Z]{16}",
            "tactus_(?:server|reader?|till|backfill|operator|letters)" + r"_[\w-]{20,}",
        ]
    )
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        try:
            found.append((path, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue  # a compressed example
    return found


@pytest.mark.parametrize(
    ("pattern", "sample"),
    [
        (HOSTS, "https://files.python" + "hosted.org/x"),
        (PLACES, "see /wo" + "rk/main"),
        (SECRETS, "tactus_server_" + "a" * 32),
    ],
    ids=["registry hosts", "places of a machine", "secrets"],
)
def test_the_tree_names_no(pattern: re.Pattern[str], sample: str) -> None:
    hits = [f"{path.relative_to(ROOT)}: {match.group()}" for path, text in texts() for match in pattern.finditer(text)]

    assert pattern.search(sample)
    assert hits == []


def test_no_module_is_longer_than_a_reader_holds_in_mind() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {text.count(chr(10))}"
        for path, text in texts()
        if path.suffix == ".py"
        and not path.is_relative_to(ROOT / "tests")  # a table of cases may be long
        and text.count("\n") > LINES_MAX
    ]

    assert long == []


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, text in texts()
        if path.suffix == ".py" and not path.is_relative_to(ROOT / "tests")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    ]

    assert long == []


@pytest.mark.parametrize("folder", ["services", "schemas", "deploy", "scripts"])
def test_every_module_says_its_only_job_in_one_line(folder: str) -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path, text in texts()
        if path.suffix == ".py" and path.is_relative_to(ROOT / folder) and not re.match(r'(?:#!.*\n)?"""[^"\n]+', text)
    ]

    assert silent == []


def test_no_decision_record_is_longer_than_a_page() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("0*.md"))
    long = [path.name for path in records if path.read_text(encoding="utf-8").count("\n") > 40]

    assert records
    assert long == []


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path, text in texts()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if not target.startswith(("http://", "https://")) and not (path.parent / target).exists()
    ]

    assert broken == []
