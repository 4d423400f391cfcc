from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.commands import till
from services.infra.errors import ConfigurationError


def test_the_packed_file_runs_alone_in_an_empty_folder(tmp_path: Path) -> None:
    told = till.write(tmp_path / "tactus-till.pyz")

    done = subprocess.run(
        [sys.executable, "-I", "tactus-till.pyz", "run", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "python3 tactus-till.pyz run --help" in told
    assert "as a service" in done.stdout


def test_where_it_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="name another file"):
        till.write(tmp_path / "nowhere" / "tactus-till.pyz")


def test_the_agent_s_own_options_and_help_are_those_of_tactus_till(tmp_path: Path) -> None:
    runner = CliRunner()

    helped = runner.invoke(app, ["till", "run", "--help"])
    nothing = runner.invoke(app, ["till", "status", "--data", str(tmp_path)])
    packed = runner.invoke(app, ["till", "pack", str(tmp_path / "till.pyz")])

    assert helped.exit_code == 0
    assert "usage: tactus till run" in helped.output
    assert (nothing.exit_code, packed.exit_code) == (2, 0)
    assert "tactus till: no agent has run" in nothing.output
    assert (tmp_path / "till.pyz").exists()
