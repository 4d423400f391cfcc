"""How far an import has come is kept whole, and belongs to one file, one map, one source and one door."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from services.commands.import_progress import Progress, Rejects, stamp_of
from services.infra.errors import ConfigurationError


def progress(folder: Path, *, source: str = "import/a", url: str = "http://door", text: str = "map") -> Progress:
    (folder / "m.yaml").write_text(text)
    return Progress.of(folder / "data", folder / "a.csv", map_file=folder / "m.yaml", source=source, url=url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    return path


def test_what_is_kept_is_read_again(tmp_path: Path, file: Path) -> None:
    kept = progress(tmp_path)
    reached = kept.reached(file)
    reached.rows, reached.rejects_bytes = 7, 90

    kept.keep(reached)

    assert progress(tmp_path).reached(file) == reached
    assert [one.suffix for one in kept.path.parent.iterdir()] == [".json"]


def test_another_source_map_or_door_begins_anew(tmp_path: Path, file: Path) -> None:
    others = [progress(tmp_path, source="b"), progress(tmp_path, url="http://other"), progress(tmp_path, text="other")]
    kept = progress(tmp_path)
    reached = kept.reached(file)
    reached.rows = 7
    kept.keep(reached)

    assert [one.reached(file).rows for one in others] == [0, 0, 0]


def test_a_file_that_has_changed_begins_anew(tmp_path: Path, file: Path) -> None:
    kept = progress(tmp_path)
    reached = kept.reached(file)
    reached.rows = 7
    kept.keep(reached)

    file.write_text("a\n1\n2\n")

    assert kept.reached(file).rows == 0
    assert kept.reached(file).stamp == stamp_of(file)


def test_what_cannot_be_read_says_what_to_do(tmp_path: Path, file: Path) -> None:
    kept = progress(tmp_path)
    kept.keep(kept.reached(file))
    kept.path.write_text("{")

    with pytest.raises(ConfigurationError, match="remove it to begin anew"):
        kept.reached(file)
    kept.forget()
    kept.forget()
    assert kept.reached(file).rows == 0


def rejected(path: Path) -> list[int]:
    return [json.loads(line)["line"] for line in path.read_text().splitlines()]


def test_what_a_broken_off_run_wrote_behind_what_is_settled_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "rejected.ndjson"
    first = Rejects(path, bytes_kept=0)
    first.write(line=1, reason="r", row={"a": 1})
    first.flush()
    settled = first.size
    first.write(line=2, reason="r", row="x" * 100)
    first.close()

    second = Rejects(path, bytes_kept=settled)
    second.write(line=2, reason="r", row={"a": 2})
    second.close()

    assert rejected(path) == [1, 2]
    assert second.size == path.stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_of_rejected_rows_that_somebody_took_away_is_begun_again(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejected.ndjson", bytes_kept=500)

    rejects.write(line=9, reason="r", row=None)
    rejects.close()

    assert rejected(tmp_path / "rejected.ndjson") == [9]


def test_a_run_from_the_beginning_leaves_no_rows_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "rejected.ndjson"
    path.write_text("{}\n")

    Rejects(path, bytes_kept=0).close()

    assert not path.exists()


def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "no" / "rejected.ndjson", bytes_kept=0)

    with pytest.raises(ConfigurationError, match="name another file with --rejected"):
        rejects.write(line=1, reason="r", row=None)
