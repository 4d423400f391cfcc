"""The command line itself: what it prints without a stack."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services import cli


def test_the_version_is_that_of_the_package() -> None:
    ran = CliRunner().invoke(cli.app, ["--version"])

    assert (ran.exit_code, ran.stdout) == (0, f"tactus {version('tactus')}\n")


@pytest.mark.parametrize("option", ["--lang", "--language"])
def test_the_catalogue_is_shown_in_polish(option: str) -> None:
    ran = CliRunner().invoke(cli.app, ["catalogue", "show", option, "pl"])

    assert ran.exit_code == 0
    assert "Doręczenie przesyłki" in ran.stdout


def test_an_error_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["tactus", "keys", "show"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"tactus: there is no keys.json in {tmp_path / '.tactus'}: name the directory")
