"""The store that comes with headrace: one SQLite file.

Lives here: the tables, when they are written, and who may use them. Must not live here: what is kept (engine).

Results wait until there are enough of them to be worth a transaction, since one of its own for each would cost more
than many a call. They are written when 100 of them wait, or 1 MiB; or when one comes and the last write was ten times
as long ago as it took, and 0.1 s at the latest. So at most 100 results are lost to a crash, and at most a tenth of the
time is spent on writing. The file is in WAL mode with `synchronous=NORMAL`: what is written survives the process,
however it ends; a power cut may take the last writes with it, and never leaves half of one.

Only results of earlier runs are looked up, so they alone are indexed, when a run begins: new ones are only appended.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import msgspec

from headrace.errors import CheckpointError

__all__ = ["Command", "RunEntry", "SqliteStore", "StepEntry", "runs_in"]

APPLICATION = 0x68656164  # "head": how the file says whose it is
SCHEMA_VERSION = 1
AT_MOST = 100  # results that wait
AT_MOST_BYTES = 2**20
LATEST = 0.1  # seconds
SHARE = 10
LOCK = "-lock"

SCHEMA = """
CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    started TEXT NOT NULL,
    ended TEXT,
    state TEXT NOT NULL,
    failure TEXT,
    command TEXT
);
CREATE TABLE steps (step INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE results (run INTEGER NOT NULL, step INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL);
CREATE TABLE tallies (
    run INTEGER NOT NULL,
    step INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    read INTEGER NOT NULL,
    PRIMARY KEY (run, step)
) WITHOUT ROWID;
"""


class Command(msgspec.Struct, frozen=True):
    """How the command line started a run: from which folder, what, and with which flags."""

    folder: str
    target: str
    flags: tuple[str, ...]


class StepEntry(msgspec.Struct, frozen=True):
    """What one step did in a run: how many results it kept, and how many were read back in place of calls."""

    step: str
    kept: int
    read: int


class RunEntry(msgspec.Struct, frozen=True):
    """One run of a store. `state` is "running", "finished", "failed" or "interrupted"."""

    run: int
    pipeline: str
    started: datetime
    ended: datetime | None
    state: str
    failure: str | None
    command: Command | None
    steps: tuple[StepEntry, ...]


class SqliteStore:
    """A store in one file, for one run after the other.

    `command` is noted with the run.
    """

    def __init__(self, path: str | os.PathLike[str], command: Command | None = None) -> None:
        self.path: Path = Path(path)
        self.command = command
        self.waiting: list[tuple[int, int, bytes, bytes]] = []
        self.waiting_bytes: int = 0
        self.kept: Counter[int] = Counter()  # not written yet
        self.read: Counter[int] = Counter()
        self.due: float = 0.0  # a time of the monotonic clock
        self.numbers: dict[str, int] = {}  # of steps
        self.run: int = 0

    def begin(self, pipeline: str) -> None:
        """A run begins. Raises: CheckpointError: the file cannot be used, or another run is using it."""
        _check_folder(self.path)
        with _telling(self.path), ExitStack() as opened:
            lock = _locked(self.path)
            if lock is None:
                raise CheckpointError(
                    f"checkpoint '{self.path}': is for one run at a time, got a second one; wait for the first, or "
                    "give each a file of its own"
                )
            opened.callback(lock.close)
            self.file: sqlite3.Connection = _opened(self.path)
            opened.callback(self.file.close)
            self._begin(pipeline)
            self.opened: ExitStack[bool | None] = opened.pop_all()  # until the end

    def _begin(self, pipeline: str) -> None:
        command = None if self.command is None else msgspec.json.encode(self.command).decode()
        with _transaction(self.file):
            self.file.execute("UPDATE runs SET state = 'interrupted' WHERE state = 'running'")
            inserted = self.file.execute(
                "INSERT INTO runs (pipeline, started, state, command) VALUES (?, ?, 'running', ?)",
                (pipeline, _now(), command),
            )
            self.run = inserted.lastrowid or 0
            self.file.execute("DROP INDEX IF EXISTS earlier")
            self.file.execute(f"CREATE INDEX earlier ON results (step, key) WHERE run < {self.run}")

    def count(self, step: str) -> int:
        """How many results of that step earlier runs kept."""
        with _telling(self.path):
            found = self.file.execute(
                f"SELECT count(*) FROM results WHERE step = ? AND run < {self.run}", (self._number(step),)
            )
            count: int = found.fetchone()[0]
        return count

    def get(self, step: str, key: bytes) -> bytes | None:
        """What the last of the earlier runs kept that kept something under that key."""
        number = self._number(step)
        with _telling(self.path):
            found = self.file.execute(
                f"SELECT value FROM results WHERE step = ? AND key = ? AND run < {self.run} ORDER BY run DESC LIMIT 1",
                (number, key),
            ).fetchone()
        self.read[number] += found is not None
        return None if found is None else bytes(found[0])

    def put(self, step: str, key: bytes, value: bytes) -> None:
        """Keep a result, with others that wait."""
        number = self._number(step)
        self.waiting.append((self.run, number, key, value))
        self.waiting_bytes += len(value)
        self.kept[number] += 1
        if len(self.waiting) >= AT_MOST or self.waiting_bytes >= AT_MOST_BYTES or monotonic() >= self.due:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        begun = monotonic()
        with _telling(self.path), _transaction(self.file):
            self.file.executemany("INSERT INTO results VALUES (?, ?, ?, ?)", self.waiting)
            self.file.executemany(
                "INSERT INTO tallies VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET kept = kept + excluded.kept, read = read + excluded.read",
                [(self.run, step, self.kept[step], self.read[step]) for step in {*self.kept, *self.read}],
            )
        for written in (self.waiting, self.kept, self.read):
            written.clear()
        self.waiting_bytes = 0
        ended = monotonic()
        self.due = ended + min(SHARE * (ended - begun), LATEST)

    def end(self, failure: BaseException | None) -> None:
        """The run is over: everything is written, and the file is closed."""
        text = None if failure is None else ": ".join(filter(None, (type(failure).__name__, str(failure))))
        with _telling(self.path), self.opened:
            self.flush()
            self.file.execute(
                "UPDATE runs SET state = ?, failure = ?, ended = ? WHERE run = ?",
                (_state(failure), text, _now(), self.run),
            )

    def _number(self, step: str) -> int:
        number = self.numbers.get(step)
        if number is None:
            with _telling(self.path):
                self.file.execute("INSERT OR IGNORE INTO steps (name) VALUES (?)", (step,))
                [number] = self.file.execute("SELECT step FROM steps WHERE name = ?", (step,)).fetchone()
            self.numbers[step] = number
        return number


def runs_in(path: str | os.PathLike[str]) -> list[RunEntry]:
    """The runs of a store, the first one first.

    Raises: CheckpointError: the file is no store.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint '{path}': there is no such file; name the one that the runner was given")
    with _telling(path), closing(_opened(path)) as file:
        in_use = _in_use(path)
        return [_entry(file, *row, in_use=in_use) for row in file.execute("SELECT * FROM runs ORDER BY run")]


def _entry(
    file: sqlite3.Connection,
    run: int,
    pipeline: str,
    started: str,
    ended: str | None,
    state: str,
    failure: str | None,
    command: str | None,
    *,
    in_use: bool,
) -> RunEntry:
    tallies = file.execute(
        "SELECT name, kept, read FROM tallies JOIN steps USING (step) WHERE run = ? AND name <> '' ORDER BY step",
        (run,),
    )
    return RunEntry(
        run=run,
        pipeline=pipeline,
        started=datetime.fromisoformat(started),
        ended=None if ended is None else datetime.fromisoformat(ended),
        state="interrupted" if state == "running" and not in_use else state,
        failure=failure,
        command=None if command is None else msgspec.json.decode(command, type=Command),
        steps=tuple(StepEntry(name.rpartition("@")[0], kept, read) for name, kept, read in tallies),
    )


def _state(failure: BaseException | None) -> str:
    if failure is None:
        return "finished"
    return "failed" if isinstance(failure, Exception) else "interrupted"  # cancelled, or Ctrl-C


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


# -- the file ------------------------------------------------------------------------------------------------


def _check_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise CheckpointError(
            f"checkpoint '{path}': there is no such folder to keep results in; make it, or name another"
        )


def _opened(path: Path) -> sqlite3.Connection:
    """The file, with its tables. Its methods may be called from any thread."""
    file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        [whose] = file.execute("PRAGMA application_id").fetchone()
        [version] = file.execute("PRAGMA user_version").fetchone()
        if not whose and not file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            file.execute("PRAGMA journal_mode = WAL")
            with _transaction(file):
                for statement in SCHEMA.split(";\n"):
                    file.execute(statement)
                file.execute(f"PRAGMA application_id = {APPLICATION}")
                file.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif whose != APPLICATION:
            raise CheckpointError(f"checkpoint '{path}': is a file of some other program; name another")
        elif version != SCHEMA_VERSION:
            raise CheckpointError(
                f"checkpoint '{path}': must be of version {SCHEMA_VERSION}, got {version}, from another headrace; use "
                "that one, or name another file"
            )
        file.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def _transaction(file: sqlite3.Connection) -> Iterator[None]:
    """All that is written in it, or nothing."""
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        file.execute("ROLLBACK")
        raise
    file.execute("COMMIT")


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """What SQLite finds wrong is said with the file's name."""
    try:
        yield
    except sqlite3.Error as error:
        problem = f"cannot be used, SQLite says: {error}; mend that, or name another file"
        raise CheckpointError(f"checkpoint '{path}': {problem}") from error


def _locked(path: Path) -> sqlite3.Connection | None:
    """A lock for whoever uses the file, or None if another has it. It is gone with the process, however that ends.

    It is SQLite's own, on an empty file beside it, so that the results can be looked at meanwhile.
    """
    lock = sqlite3.connect(f"{path}{LOCK}", timeout=0, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return None
    return lock


def _in_use(path: Path) -> bool:
    if not Path(f"{path}{LOCK}").exists():
        return False
    lock = _locked(path)
    if lock is not None:
        lock.close()
    return lock is None
