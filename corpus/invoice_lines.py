"""`flat_map`: one item in, any number of items out.

The positions of many orders as one stream, to be filtered and summed without caring which order they came
from. The step that is called per item may be a generator, or anything that gives something to iterate; an
order without positions simply adds nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headrace import pipeline, step, stream


@dataclass(frozen=True)
class Position:
    article: str
    cents: int


@dataclass(frozen=True)
class Order:
    customer: str
    positions: tuple[Position, ...]


@step
def positions(order: Order) -> Iterator[Position]:
    yield from order.positions
    if sum(position.cents for position in order.positions) < 2000:
        yield Position("postage", 490)


def is_charged(position: Position) -> bool:
    return position.cents > 0


@step
def totals(positions: Iterator[Position]) -> dict[str, int]:
    cents: dict[str, int] = {}
    for position in positions:
        cents[position.article] = cents.get(position.article, 0) + position.cents
    return cents


@pipeline
def sales(orders: list[Order]) -> dict[str, int]:
    charged = stream(orders).flat_map(positions).filter(is_charged)
    return totals(charged)


ORDERS = [
    Order("ann", (Position("lamp", 3900), Position("bulb", 450), Position("gift wrap", 0))),
    Order("bob", (Position("bulb", 450),)),
    Order("cleo", (Position("lamp", 3900), Position("lamp", 3900))),
]

RUNS: dict[str, tuple[Any, ...]] = {"three orders": (sales, ORDERS), "no orders": (sales, [])}

if __name__ == "__main__":
    for article, cents in sales.run(ORDERS).items():
        print(f"{article:10}{cents / 100:8.2f}")
