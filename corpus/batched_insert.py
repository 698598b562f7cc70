"""Batches: many small items, handled a hundred at a time.

Rows go into a database in batches, each in a transaction of its own. `batched(n)` gives tuples of `n` items
and whatever is left at the end. The step that writes owns the connection: it is a function of the whole
stream, so that opening, writing and closing stand in one place.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from headrace import pipeline, step

Row = tuple[int, str]


@step
def rows(count: int) -> Iterator[Row]:
    for number in range(count):
        yield number, f"customer {number % 7}"


@step
def stored(batches: Iterator[tuple[Row, ...]]) -> dict[str, int]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY, customer TEXT)")
        transactions = 0
        for batch in batches:
            with database:
                database.executemany("INSERT INTO orders VALUES (?, ?)", batch)
            transactions += 1
        (orders, customers) = database.execute("SELECT count(*), count(DISTINCT customer) FROM orders").fetchone()
    return {"orders": orders, "customers": customers, "transactions": transactions}


@pipeline
def load(count: int) -> dict[str, int]:
    return stored(rows(count).batched(100))


RUNS: dict[str, tuple[Any, ...]] = {
    "a last batch that is not full": (load, 250),
    "nothing to store": (load, 0),
}

if __name__ == "__main__":
    print(load.run(250))
