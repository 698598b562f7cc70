"""A resource for the run: a database whose transaction is the run.

`resource(books_at, path)` opens the books when the run starts, gives the connection to every step that takes it, and
closes it when the run has ended. It is told of a failure as `with` would tell it, so a statement with a bad row leaves
no trace: all of it is booked, or nothing.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from headrace import pipeline, resource, step


class Booking(NamedTuple):
    account: str
    cents: int


@contextmanager
def books_at(path: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as books, books:  # as a context manager it commits, or rolls back
        books.execute("CREATE TABLE IF NOT EXISTS bookings (account TEXT, cents INTEGER)")
        yield books


@step
def rows(statement: str) -> Iterator[str]:
    yield from statement.splitlines()


@step
def booking(row: str) -> Booking:
    account, amount = row.split()
    euros, cents = amount.split(",")
    return Booking(account, int(euros) * 100 + int(cents))


@step
def booked(booking: Booking, books: sqlite3.Connection) -> str:
    books.execute("INSERT INTO bookings VALUES (?, ?)", booking)
    return booking.account


@step
def balances(accounts: Iterator[str], books: sqlite3.Connection) -> dict[str, int]:
    touched = sorted(set(accounts))  # when all is booked
    query = "SELECT sum(cents) FROM bookings WHERE account = ?"
    return {account: books.execute(query, (account,)).fetchone()[0] for account in touched}


@pipeline
def imported(statement: str, path: str) -> dict[str, int]:
    books = resource(books_at, path)
    return balances(rows(statement).map(booking).map(booked, books), books)


GOOD = "rent 900,00\nfood 45,30\nfood 12,70"
BAD = "food 20,00\nbooks 12.50"

RUNS: dict[str, tuple[Any, ...]] = {
    "all is booked": (imported, GOOD, ":memory:"),
    "nothing to book": (imported, "", ":memory:"),
    "a bad row": (imported, BAD, ":memory:"),
}

if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "books.db")
        print("first statement:", imported.run(GOOD, path))
        try:
            imported.run(BAD, path)
        except ValueError as error:
            print("second statement:", error)
        print("third statement:", imported.run("food 1,00", path))  # the second has left nothing
