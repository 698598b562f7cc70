"""From CSV into a database, in batches, and back: `collect(into)` with something that answers questions.

`Orders` takes an iterator, here of batches, and that is all that `collect` asks of a class. It stores each batch in a
transaction of its own. The result is a value like any other, and steps that take it begin when the last row is stored:
one asks for the customers who spent enough, one, for each of them, for what they bought. The database is a file for
the time being, which SQLite removes when it is closed.
"""

import csv
import sqlite3
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from headrace import Stream, pipeline, step


class Order(NamedTuple):
    number: int
    customer: str
    article: str
    pieces: int
    cents: int


class Orders:
    """A table of orders."""

    def __init__(self, batches: Iterator[tuple[Order, ...]]) -> None:
        self.database = sqlite3.connect("", check_same_thread=False)  # whoever uses it last closes it, in any thread
        weakref.finalize(self, self.database.close)
        self.database.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY, customer, article, pieces, cents)")
        for batch in batches:
            with self.database:
                self.database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", batch)

    def ask(self, question: str, *values: Any) -> Iterator[Any]:
        yield from self.database.execute(question, values)


@step
def rows(file: Path) -> Iterator[dict[str, str]]:
    with open(file, encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


@step
def order(row: dict[str, str]) -> Order:
    return Order(int(row["number"]), row["customer"], row["article"], int(row["count"]), int(row["cents"]))


@step
def spent(orders: Orders, least_cents: int) -> Iterator[tuple[str, int]]:
    yield from orders.ask(
        "SELECT customer, sum(pieces * cents) AS spent FROM orders GROUP BY customer HAVING spent >= ? "
        "ORDER BY spent DESC, customer",
        least_cents,
    )


@step
def line(customer_and_cents: tuple[str, int], orders: Orders) -> str:
    customer, cents = customer_and_cents
    articles = orders.ask("SELECT DISTINCT article FROM orders WHERE customer = ? ORDER BY article", customer)
    return f"{customer}: {cents / 100:.2f} for {', '.join(article for (article,) in articles)}"


@pipeline
def best_customers(file: Path, least_cents: int) -> Stream[str]:
    orders = rows(file).map(order).batched(16).collect(Orders)
    return spent(orders, least_cents).map(line, orders)


ORDERS = Path(__file__).parent / "data" / "orders.csv"

RUNS: dict[str, tuple[Any, ...]] = {
    "forty orders": (best_customers, ORDERS, 150_00),
    "nobody": (best_customers, ORDERS, 1_000_000_00),
}

if __name__ == "__main__":
    print(*best_customers.iter(ORDERS, 150_00), sep="\n")
