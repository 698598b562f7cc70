"""Answers as they come: `ordered=False` on an async step.

Sellers are asked for a price, up to five of them at once. Whoever answers first is looked at first, so a slow
seller delays nobody. The order of the answers is then that of the day; `cheapest` does not depend on it, and
the bound is the same: five are asked or waiting to be looked at, and never a sixth.
"""

import asyncio
import heapq
from collections.abc import Iterator
from typing import Any, NamedTuple

from headrace import pipeline, step, stream


class Quote(NamedTuple):
    cents: int
    seller: str


@step(max_in_flight=5, ordered=False)
async def ask(seller: str, article: str) -> Quote | None:
    await asyncio.sleep(len(seller) / 5000)
    if len(seller) % 5 == 0:
        return None  # nothing in stock
    return Quote(1000 + len(article) * 10 + len(seller) * 37 % 101, seller)


@step
def given(quote: Quote | None) -> Iterator[Quote]:
    if quote is not None:
        yield quote


@step
def cheapest(quotes: Iterator[Quote], count: int) -> list[Quote]:
    return heapq.nsmallest(count, quotes)


@pipeline
def best(sellers: list[str], article: str, count: int) -> list[Quote]:
    return cheapest(stream(sellers).map(ask, article).flat_map(given), count)


SELLERS = ["Ash & Sons", "Birchwood", "Cedar", "Dogwood Tools", "Elm", "Fir Trading", "Guelder", "Hazel Bros"]

RUNS: dict[str, tuple[Any, ...]] = {
    "the best three": (best, SELLERS, "wheel", 3),
    "all of them": (best, SELLERS, "sluice gate", 100),
    "one seller": (best, SELLERS[4:5], "wheel", 1),
}

if __name__ == "__main__":
    for cents, seller in best.run(SELLERS, "wheel", 3):
        print(f"{seller:16}{cents / 100:.2f}")
