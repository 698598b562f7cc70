"""Parallel branches that come together again.

Every product is looked up in two slow services at the same time, four calls to each under way, and the
answers are joined into one page. The branches may have any length and any `max_in_flight`; `zip_streams`
puts together what belongs together because each of its streams keeps the order of the products.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headrace import Stream, pipeline, step, zip_streams


@dataclass(frozen=True)
class Page:
    product: str
    stock: int
    stars: str


@step(max_in_flight=4)
def products(count: int) -> Iterator[str]:
    for number in range(1, count + 1):
        yield f"product-{number}"


@step(executor="thread", max_in_flight=4)
def stock(product: str) -> int:
    time.sleep(0.01)  # a warehouse, far away
    return len(product) * 7 % 10


@step(executor="thread", max_in_flight=4)
def rating(product: str) -> int:
    time.sleep(0.005)  # a database of reviews
    return int(product.removeprefix("product-")) % 5 + 1


def stars(rating: int) -> str:
    return "*" * rating


@pipeline
def pages(count: int) -> Stream[Page]:
    found = products(count)
    return zip_streams(found, found.map(stock), found.map(rating).map(stars)).starmap(Page)


RUNS: dict[str, tuple[Any, ...]] = {"twelve products": (pages, 12)}

if __name__ == "__main__":
    start = time.perf_counter()
    for page in pages.iter(12):
        print(f"{page.product:12}{page.stock:3} in stock  {page.stars}")
    print(f"{time.perf_counter() - start:.3f} s; one call after the other takes 0.180 s")
