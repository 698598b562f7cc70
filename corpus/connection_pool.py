"""A resource for each call: a connection out of a pool.

Four threads look up prices at a time. A connection to SQLite is for one thread at a time, so each call takes one out of
the pool, which `scope="item"` does, and puts it back. The pool itself is a resource of the run: there are never more
connections than calls at once, and all of them are closed when the run ends. One resource may be made of another.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from headrace import Stream, pipeline, resource, step, stream

PRICES = {"apple": 30, "bread": 280, "cheese": 890, "date": 410, "egg": 35}


class Pool:
    def __init__(self) -> None:
        self.idle: list[sqlite3.Connection] = []

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self.idle.pop()
        except IndexError:  # all of them are in use
            connection = opened()
        try:
            yield connection
        finally:
            self.idle.append(connection)


def opened() -> sqlite3.Connection:
    """A database of its own, so that the example needs no file."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute("CREATE TABLE prices (product TEXT PRIMARY KEY, cents INTEGER)")
    connection.executemany("INSERT INTO prices VALUES (?, ?)", PRICES.items())
    return connection


@contextmanager
def pool_of_connections() -> Iterator[Pool]:
    pool = Pool()
    try:
        yield pool
    finally:
        for connection in pool.idle:
            connection.close()


@step(executor="thread", max_in_flight=4)
def price(product: str, database: sqlite3.Connection) -> tuple[str, int | None]:
    with closing(database.execute("SELECT cents FROM prices WHERE product = ?", (product,))) as found:
        row = found.fetchone()
    return product, row and row[0]


@pipeline
def price_list(products: list[str]) -> Stream[tuple[str, int | None]]:
    pool = resource(pool_of_connections)
    return stream(products).map(price, resource(Pool.connection, pool, scope="item"))


RUNS: dict[str, tuple[Any, ...]] = {
    "all that there is": (price_list, list(PRICES)),
    "one that there is not": (price_list, ["apple", "fig", "apple"]),
}

if __name__ == "__main__":
    for product, cents in price_list.iter([*PRICES, "fig"]):
        print(f"{product:8}", "?" if cents is None else f"{cents / 100:.2f}")
