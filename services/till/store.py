"""What the agent keeps: one SQLite file, where every change is on the disk before anything is told of it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Union

from services.till.limits import ASIDE_BYTES_MAX, ASIDE_LINES_MAX, KNOWN_LINES_MAX
from services.till.lines import Line, Unfit

FILE: Final = "till.db"
LOCK: Final = "lock.db"
VERSION: Final = 1

BUSY_S: Final = 60.0
"""One thread takes and one sends: each waits for the other's commit, which a slow disk may hold up."""

SCHEMA: Final = """
CREATE TABLE line (
    place INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which lines were taken, and are sent
    till TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    body BLOB,                                -- NULL once the door has it
    taken_at REAL NOT NULL,
    UNIQUE (till, key)
);
CREATE INDEX waiting ON line (place) WHERE body IS NOT NULL;
CREATE TABLE backlog (lines INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO backlog VALUES (0, 0);
CREATE TABLE aside (
    place INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    origin TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    text BLOB NOT NULL,
    digest BLOB NOT NULL UNIQUE               -- a file that is read again says the same again, which is told once
);
CREATE TABLE file (
    name TEXT PRIMARY KEY,
    done INTEGER NOT NULL,                    -- bytes of it that were taken
    size INTEGER NOT NULL,
    changed INTEGER NOT NULL,                 -- its time of change when it was last read
    head BLOB NOT NULL                        -- digest of its beginning, by which another file of the name is noticed
);
CREATE TABLE fact (name TEXT PRIMARY KEY, value NOT NULL);
"""


class StoreError(Exception):
    """The store cannot be used as it is; the words say what to do."""


class StoreFullError(StoreError):
    """The disk has no room; what was not kept is not lost, for nothing was told of it."""


class Place(NamedTuple):
    """How far a file was taken."""

    name: str
    done: int
    size: int
    changed: int
    head: bytes


class Waiting(NamedTuple):
    """A line that waits to be sent."""

    place: int
    till: str
    key: str
    body: bytes


class Aside(NamedTuple):
    """A line that was set aside."""

    place: int
    at: float
    origin: str
    reason: str
    detail: str
    text: bytes


class Backlog(NamedTuple):
    """How much waits, and since when."""

    lines: int
    bytes: int
    oldest_at: float | None


class Taken(NamedTuple):
    """What became of lines that were read."""

    fresh: int = 0
    known: int = 0
    aside: int = 0


Value = Union[str, int, float]


class Store:
    """One connection to the file; each thread has its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        self._connection.close()

    def take(self, read: Sequence[Line | Unfit], *, origin: str, now: float, place: Place | None = None) -> Taken:
        """Keep lines, and how far their file was taken, in one step."""
        with self._change() as change:
            counts = [0, 0, 0]
            for one in read:
                counts[self._take(change, one, origin, now)] += 1
            if place is not None:
                change.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?)", place)
            _trim(change)
        return Taken(*counts)

    def batch(self, *, lines_max: int, bytes_max: int) -> list[Waiting]:
        """Return the lines that are to be sent next: of one till, in their order; one at least, where any waits."""
        found: list[Waiting] = []
        size = 0
        for row in self._rows(
            "SELECT place, till, key, body FROM line WHERE body IS NOT NULL ORDER BY place LIMIT ?", (lines_max,)
        ):
            one = Waiting(*row)
            size += len(one.body) + 1
            if found and (one.till != found[0].till or size > bytes_max):
                break
            found.append(one)
        return found

    def settle(
        self,
        accepted: Iterable[Waiting],
        rejected: Iterable[tuple[Waiting, str, str]],
        *,
        now: float,
        facts: dict[str, Value] | None = None,
    ) -> None:
        """Forget what the door has, and set aside what it rejected, with reason and detail: a mended one may come again."""
        with self._change() as change:
            sent = 0
            for one in accepted:
                change.execute("UPDATE line SET body = NULL WHERE place = ?", (one.place,))
                change.execute("UPDATE backlog SET lines = lines - 1, bytes = bytes - ?", (len(one.body),))
                sent += 1
            for one, reason, detail in rejected:
                change.execute("DELETE FROM line WHERE place = ?", (one.place,))
                change.execute("UPDATE backlog SET lines = lines - 1, bytes = bytes - ?", (len(one.body),))
                _set_aside(change, f"till {one.till}, {one.key}", Unfit(reason, detail, one.body), now)
            # Keys are remembered for a while, and no longer than for so many lines.
            change.execute(
                "DELETE FROM line WHERE body IS NULL AND place <= (SELECT max(place) FROM line) - ?", (KNOWN_LINES_MAX,)
            )
            _trim(change)
            _note(change, {"sent": int(self.fact("sent") or 0) + sent, **(facts or {})})

    def note(self, facts: dict[str, Value]) -> None:
        """Write down what `status` shows."""
        with self._change() as change:
            _note(change, facts)

    def fact(self, name: str) -> Value | None:
        """Return what was written down under a name."""
        row = next(self._rows("SELECT value FROM fact WHERE name = ?", (name,)), None)
        return None if row is None else row[0]

    def backlog(self) -> Backlog:
        """Tell how much waits."""
        lines, size = next(self._rows("SELECT lines, bytes FROM backlog", ()))
        oldest = next(
            self._rows("SELECT taken_at FROM line WHERE body IS NOT NULL ORDER BY place LIMIT 1", ()), (None,)
        )
        return Backlog(lines, size, oldest[0])

    def place(self, name: str) -> Place | None:
        """Tell how far a file was taken."""
        row = next(self._rows("SELECT * FROM file WHERE name = ?", (name,)), None)
        return None if row is None else Place(*row)

    def unended(self) -> list[Place]:
        """Return the files whose end was not taken yet."""
        return [Place(*row) for row in self._rows("SELECT * FROM file WHERE done < size ORDER BY name", ())]

    def forget_files(self, but: Iterable[str]) -> None:
        """Forget how far files were taken that are gone."""
        known = {row[0] for row in self._rows("SELECT name FROM file", ())}
        gone = sorted(known.difference(but))
        if gone:
            with self._change() as change:
                change.executemany("DELETE FROM file WHERE name = ?", [(name,) for name in gone])

    def aside_count(self) -> int:
        """Tell how many lines were set aside, those that were dropped since among them."""
        return int(self.fact("aside") or 0)

    def aside(self) -> list[Aside]:
        """Return what was set aside, the oldest first."""
        return [
            Aside(*row)
            for row in self._rows("SELECT place, at, origin, reason, detail, text FROM aside ORDER BY place", ())
        ]

    @staticmethod
    def _take(change: sqlite3.Connection, one: Line | Unfit, origin: str, now: float) -> int:
        if isinstance(one, Unfit):
            _set_aside(change, origin, one, now)
            return 2
        known = change.execute("SELECT digest FROM line WHERE till = ? AND key = ?", (one.till, one.key)).fetchone()
        if known is None:
            change.execute(
                "INSERT INTO line (till, key, digest, body, taken_at) VALUES (?, ?, ?, ?, ?)",
                (one.till, one.key, one.digest, one.body, now),
            )
            change.execute("UPDATE backlog SET lines = lines + 1, bytes = bytes + ?", (len(one.body),))
            return 0
        if known[0] == one.digest:
            return 1
        detail = (
            f"till {one.till} said something else under {one.key} before, and that holds: a number is one transaction"
        )
        _set_aside(change, origin, Unfit("said-before", detail, one.body), now)
        return 2

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with _told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _rows(self, query: str, values: Sequence[Value]) -> Iterator[tuple[Any, ...]]:
        with _told():
            return iter(self._connection.execute(query, values).fetchall())


def open_store(folder: Path, *, store: str) -> Store:
    """Open the store of a till's folder, or make it; raises StoreError when it is another store's."""
    with _told():
        folder.mkdir(parents=True, exist_ok=True)
        # Made by one thread and used by another, and by one alone.
        connection = sqlite3.connect(str(folder / FILE), timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        # Write-ahead, so that `status` reads beside; FULL, so that a commit is on the disk before it is told.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        made = connection.execute("PRAGMA user_version").fetchone()[0]
        if made == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif made != VERSION:
            raise StoreError(
                f"{folder} is another version's ({made}): run that version until nothing waits, then empty it"
            )
    opened = Store(connection)
    owner = opened.fact("store")
    if owner is None:
        opened.note({"store": store})
    elif owner != store:
        opened.close()
        raise StoreError(f"{folder} holds the lines of store {owner}: give store {store} a --data of its own")
    return opened


def open_to_look(folder: Path) -> Store:
    """Open a store to look into it; raises StoreError when there is none."""
    path = folder / FILE
    if not path.is_file():
        raise StoreError(f"no agent has run in {folder} yet: start one with run, or name its folder with --data")
    with _told():
        return Store(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", timeout=BUSY_S, isolation_level=None, uri=True)
        )


@contextmanager
def held(folder: Path, *, wait_s: float = 1.0) -> Iterator[None]:
    """Be the only agent of a folder; raises StoreError when another one is. A process that dies lets go of it."""
    with _told():
        folder.mkdir(parents=True, exist_ok=True)
    lock = sqlite3.connect(str(folder / LOCK), timeout=wait_s, isolation_level=None)
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"another agent runs in {folder} ({error}): end it first, or give this one a --data of its own"
            ) from error
        yield
    finally:
        lock.close()


def _set_aside(change: sqlite3.Connection, origin: str, one: Unfit, now: float) -> None:
    text = one.text[:ASIDE_BYTES_MAX]
    made = change.execute(
        "INSERT OR IGNORE INTO aside (at, origin, reason, detail, text, digest) VALUES (?, ?, ?, ?, ?, ?)",
        (now, origin, one.reason, one.detail, text, hashlib.sha256(one.reason.encode() + b" " + text).digest()),
    )
    if made.rowcount:
        change.execute(
            "INSERT INTO fact VALUES ('aside', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
        )


def _trim(change: sqlite3.Connection) -> None:
    change.execute(
        "DELETE FROM aside WHERE place <= (SELECT place FROM aside ORDER BY place DESC LIMIT 1 OFFSET ?)",
        (ASIDE_LINES_MAX,),
    )


def _note(change: sqlite3.Connection, facts: dict[str, Value]) -> None:
    change.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", list(facts.items()))


@contextmanager
def _told() -> Iterator[None]:
    """Say what to do about what SQLite and the disk say."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error) or "disk I/O" in str(error):
            raise StoreFullError(f"the disk takes nothing more ({error}): make room") from error
        raise StoreError(f"the store cannot be used ({error}): check the folder's rights and its disk") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"the store is damaged ({error}): move its folder away and feed the till's journal again, which counts once"
        ) from error
    except OSError as error:
        raise StoreError(f"the store's folder cannot be used ({error}): check its path and rights") from error
