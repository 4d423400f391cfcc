from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a tool in the checkout, its output as text."""

    def call(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - subprocess's own
        return subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            **options,
        )

    return call


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Find a program that the locked requirements installed beside this Python."""
    return Path(sys.executable).parent.joinpath


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded
