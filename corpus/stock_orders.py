"""Dicts, sets and tuples, wired by name.

Orders against a catalogue and a list of what is sold out. `prices` gives pairs, one at a time; `sales` asks for them as
a `dict`, for what is sold out as a `set`, and for one `order`: so the pairs are collected once, a set is made of the
list, and both go with every order. `order` and `orders`, `price` and `prices`, `people` and `person` are forms of one
name. The parameters are a dataclass, and a step may take them all in one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from headrace import pipeline, step


@dataclass(frozen=True)
class Params:
    catalogue: list[str]
    sold_out: list[str]
    orders: list[str]
    most: int = 3


class Sale(NamedTuple):
    person: str
    article: str
    cents: int


@step
def prices(catalogue: list[str]) -> Iterator[tuple[str, int]]:
    for line in catalogue:
        article, cents = line.split("=")
        yield article, int(cents)


@step
def sales(order: str, prices: dict[str, int], sold_out: set[str], params: Params) -> Iterator[Sale]:
    person, article, count = order.split()
    if article in prices and article not in sold_out:
        yield Sale(person, article, prices[article] * min(int(count), params.most))


@step
def people(sale: Sale) -> str:
    return sale.person


@step
def customers(people: frozenset[str]) -> list[str]:
    return sorted(people)


@step
def report(sales: tuple[Sale, ...], customers: list[str]) -> str:
    total = sum(sale.cents for sale in sales) / 100
    return f"{len(sales)} sales to {', '.join(customers)}: {total:.2f}"


shop = pipeline("shop", steps=[report, customers, people, sales, prices], params=Params)

PRICES, SOLD_OUT = ["rope=1290", "lamp=2450", "oil=560"], ["lamp"]
ORDERS = ["ada rope 1", "bea lamp 1", "ada oil 5", "cem oil 2", "dor tar 1"]

RUNS: dict[str, tuple[Any, ...]] = {
    "five orders": (shop, PRICES, SOLD_OUT, ORDERS),
    "params in one": (shop, Params(PRICES, [], ORDERS, most=1)),
    "no orders": (shop, PRICES, SOLD_OUT, []),
}

if __name__ == "__main__":
    print(shop.run(PRICES, SOLD_OUT, ORDERS))
