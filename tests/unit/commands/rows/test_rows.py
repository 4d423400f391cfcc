"""Files of others: rows are read whatever form they have, and one that cannot be read costs no other."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from services.commands.rows import parquet_rows
from services.commands.rows.forms import FileForm
from services.commands.rows.lines import LINE_BYTES_MAX
from services.commands.rows.opening import form_of, open_rows
from services.commands.rows.row import BadRow, Row
from services.infra.errors import ConfigurationError
from services.infra.mapping.event_map import CsvForm
from tests.support.senders import PATIENT

Read = list[Row | BadRow]


def read(tmp_path: Path, content: bytes, *, name: str = "a.csv", csv: CsvForm | None = None) -> Read:
    path = tmp_path / name
    path.write_bytes(content)
    return list(open_rows(path, csv=csv or CsvForm(), form=None).rows())


def good(rows: Read) -> list[tuple[int, object]]:
    return [(row.line, row.fields) for row in rows if isinstance(row, Row)]


def bad(rows: Read) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,\xc5\x82\n",
        b"\xef\xbb\xbfa,b\n1,\xc5\x82\n",
        b"a;b\r\n1;\xc5\x82\r\n",
        b"a\tb\n1\t\xc5\x82",
        b'\n\n"a","b"\n\n"1","\xc5\x82"\n\n',
        b"a , b\n1,\xc5\x82\n , \n",
        b"a,b\n1,\xc5\x82,\n,,\n",
        "a,b\n1,ł\n".encode("utf-16"),
        "\ufeffa;b\r\n1;ł\r\n".encode("utf-16-be"),
        gzip.compress(b"a,b\n1,\xc5\x82\n", mtime=0),
    ],
    ids=[
        "plain", "mark", "semicolons and CRLF", "tabs", "quotes and empty lines", "blanks", "empty cells beyond",
        "UTF-16", "UTF-16 the other way", "gzip",
    ],
)  # fmt: skip
def test_a_table_is_read_however_it_is_written(tmp_path: Path, content: bytes) -> None:
    rows = read(tmp_path, content)

    assert bad(rows) == []
    assert [fields for _, fields in good(rows)] == [{"a": "1", "b": "ł"}]


def test_a_maps_encoding_and_delimiter_count(tmp_path: Path) -> None:
    rows = read(tmp_path, "a|b;c\nż|1;2\n".encode("cp1250"), csv=CsvForm(delimiter="|", encoding="cp1250"))

    assert good(rows) == [(2, {"a": "ż", "b;c": "1;2"})]


def test_a_cell_holds_lines_delimiters_and_quotes(tmp_path: Path) -> None:
    rows = read(tmp_path, b'a,b\n1,"x\n""y"",\nz"\n2,3\n')

    assert good(rows) == [(2, {"a": "1", "b": 'x\n"y",\nz'}), (5, {"a": "2", "b": "3"})]


def test_a_quote_that_is_never_closed_costs_its_own_row_alone(tmp_path: Path) -> None:
    rows = read(tmp_path, b'a,b\n1,2\n3,"never closed\n4,5\n6,"fine"\n')

    assert good(rows) == [(2, {"a": "1", "b": "2"}), (4, {"a": "4", "b": "5"}), (5, {"a": "6", "b": "fine"})]
    ((line, reason),) = bad(rows)
    assert line == 3
    assert "write a quote inside of quotes twice" in reason
    assert [row.text for row in rows if isinstance(row, BadRow)] == ['3,"never closed']


def test_short_and_long_rows_are_told_with_their_line(tmp_path: Path) -> None:
    rows = read(tmp_path, b"a,b\n1\n1,2\n1,2,3\n")

    assert good(rows) == [(3, {"a": "1", "b": "2"})]
    assert bad(rows) == [
        (2, "has 1 fields, and the first line names 2: mend the line"),
        (4, "has 3 fields, and the first line names 2: mend the line"),
    ]


def test_bytes_of_another_encoding_are_told_with_the_fix(tmp_path: Path) -> None:
    rows = read(tmp_path, b"a,b\n1,2\n1,\xb3\n")

    assert len(good(rows)) == 1
    ((line, reason),) = bad(rows)
    assert (line, "csv: {encoding: cp1250}" in reason) == (3, True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: its first line must name the columns"),
        (b"\n\n", "is empty"),
        (b"a,b,a\n", "names two columns 'a'"),
        (b"a,\xb3\n1,2\n", ":1: is not utf-8"),
        (b'"a,b\n1,2\n', ":1: has a quote that does not fit"),
        (b",".join([b"a"] * 3000), "names 3000 columns, of which a file has at most 2000"),
    ],
    ids=["nothing", "empty lines", "two of a name", "another encoding", "an open quote", "too many"],
)
def test_a_table_without_columns_is_refused_with_the_fix(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, content)

    assert message in str(error.value)


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_lines_of_json_are_read_and_broken_ones_told(tmp_path: Path, start: bytes) -> None:
    lines = [b'{"a": 1}', b"", b"{broken", b"  ", b'{"a": NaN}', b'{"a": "\xb3"}', b"[" * 5000, b"7"]

    rows = read(tmp_path, start + b"\r\n".join(lines), name="a.ndjson")

    assert good(rows) == [(1, {"a": 1}), (8, 7)]
    assert [line for line, _ in bad(rows)] == [3, 5, 6, 7]
    assert all(reason.startswith("is not JSON (") for _, reason in bad(rows))


@pytest.mark.parametrize("name", ["a.ndjson", "a.csv"])
def test_a_line_without_an_end_costs_no_memory_and_no_other_row(tmp_path: Path, name: str) -> None:
    head, row = (b"", b'{"a": "1"}') if name == "a.ndjson" else (b"a\n", b"1")
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(head + row + b"\n")
        for _ in range(32):
            file.write(b"x" * 1024 * 1024)
        file.write(b"\n" + row + b"\n")

    tracemalloc.start()
    rows = list(open_rows(path, csv=CsvForm(), form=None).rows())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert [fields for _, fields in good(rows)] == [{"a": "1"}] * 2
    assert len(bad(rows)) == 1
    assert peak < 16 * LINE_BYTES_MAX


def test_a_document_is_one_row_as_a_hooks_body_is(tmp_path: Path) -> None:
    assert good(read(tmp_path, b'\xef\xbb\xbf[{"a": 1},\n {"a": 2}]', name="a.json")) == [(1, [{"a": 1}, {"a": 2}])]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"{", "a.json", "is not JSON"),
        (b" " * (16 * 1024 * 1024 + 1), "a.json", "is larger than 16 MiB: write each row on a line"),
        (b"PAR1 and nothing else", "a.parquet", "as Parquet"),
        (b"\x1f\x8bno gzip", "a.csv.gz", "to its end"),
        (gzip.compress(b"a,b\n" + bytes(range(33, 120)) * 5000, mtime=0)[:300], "a.csv.gz", "to its end"),
        ('{"a": 1}'.encode("utf-16"), "a.ndjson", "is UTF-16, which JSON is not"),
    ],
    ids=["broken", "large", "no Parquet", "no gzip", "half of a gzip", "UTF-16"],
)
def test_a_file_that_is_not_what_it_says_is_told(tmp_path: Path, content: bytes, name: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, content, name=name)

    assert message in str(error.value)


def table(tmp_path: Path, columns: dict[str, object]) -> Path:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def test_values_of_parquet_are_those_of_json(tmp_path: Path) -> None:
    at = datetime(2026, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC)
    nanoseconds = pa.array([1_772_368_200_250_000_123], pa.timestamp("ns", "UTC"))
    path = table(
        tmp_path,
        {
            "utc": pa.array([at]), "ns": nanoseconds, "local": pa.array([at.replace(tzinfo=None)]),
            "day": pa.array([date(2026, 3, 1)]), "price": pa.array([Decimal("12.50")]), "n": pa.array([7]),
            "nan": pa.array([float("nan")]), "none": pa.array([None], pa.string()), "raw": pa.array([b"\xc5\x82\xff"]),
            "took": pa.array([timedelta(seconds=90)]), "inside": pa.array([{"a": [1, 2]}]),
            "yes": pa.array([True]),
        },
    )  # fmt: skip

    ((line, fields),) = good(list(open_rows(path, csv=CsvForm(), form=None).rows()))

    assert line == 1
    assert fields == {
        "utc": "2026-03-01T12:30:00.250000Z", "ns": "2026-03-01T12:30:00.250000Z", "local": "2026-03-01T12:30:00.250000",
        "day": "2026-03-01", "price": "12.50", "n": 7, "nan": None, "none": None, "raw": "ł\\xff", "took": 90.0,
        "inside": {"a": [1, 2]}, "yes": True,
    }  # fmt: skip
    assert json.dumps(fields)


def test_parquet_without_its_library_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, {"a": pa.array([1])})

    def missing(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(parquet_rows, "import_module", missing)

    with pytest.raises(ConfigurationError, match=r"-m pip install 'pyarrow==.*tactus\[parquet\]"):
        open_rows(path, csv=CsvForm(), form=None)


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.csv", b'{"a": 1}', FileForm.CSV),
        ("a.TSV", b"a\tb", FileForm.CSV),
        ("a.jsonl.gz", gzip.compress(b"{}", mtime=0), FileForm.NDJSON),
        ("a.json", b"{}", FileForm.JSON),
        ("export", b'\xef\xbb\xbf {"a": 1}', FileForm.NDJSON),
        ("export", b"a,b", FileForm.CSV),
        ("export.csv", b"PAR1", FileForm.PARQUET),
    ],
)
def test_a_files_form_is_told_by_its_name_and_its_beginning(
    tmp_path: Path, name: str, content: bytes, form: FileForm
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    assert form_of(path) is form


@pytest.fixture(scope="module")
def one_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


PIECES = st.lists(
    st.sampled_from([b'"', b",", b";", b"\n", b"\r\n", b"\r", b"a", b"\xb3", b"\xff\xfe", b"\x00", b"{}", b" ", b"1"]),
    max_size=40,
).map(b"".join)


@PATIENT
@given(content=PIECES | st.binary(max_size=60), name=st.sampled_from(["a.csv", "a.ndjson", "a.json", "a.parquet", "a"]))
def test_whatever_a_file_holds_it_is_read_or_refused_with_a_reason(one_folder: Path, content: bytes, name: str) -> None:
    try:
        rows = read(one_folder, content, name=name)
    except ConfigurationError:
        return
    assert all(isinstance(row, Row) or row.reason for row in rows)
    assert [row.line for row in rows] == sorted(row.line for row in rows)
