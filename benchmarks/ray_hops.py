"""Measures edges between actors on a Ray of its own: `python -m benchmarks.ray_hops`, with the extra `ray` installed.

Hops are edges from one actor to another, or to the caller. What an item costs besides its size is measured with numbers
as items, and what its size costs with bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from time import perf_counter
from typing import Any

from headrace import RayRunner, step

HOPS = (1, 2, 3)
BOUNDS = ((1, 1_000), (8, 4_000), (64, 20_000), (1_024, 60_000))  # with the number of items
SIZES = ((1_000, 20_000), (100_000, 2_000), (1_000_000, 300))  # bytes of an item, with the number of items


def numbers(count: int, size: int) -> Iterator[Any]:
    if size:
        yield from (bytes(size) for _ in range(count))
    else:
        yield from range(count)


def same(item: Any) -> Any:
    return item


def line(hops: int, bound: int) -> tuple[Any, dict[str, dict[str, Any]]]:
    """A pipeline of so many hops, and what keeps its steps in an actor each."""
    made: Any = step("made", fn=numbers, max_in_flight=bound)
    for number in range(1, hops):
        made = made | step(f"same{number}", fn=same, max_in_flight=bound)
    return made, {f"same{number}": {"num_cpus": number / 1_000} for number in range(1, hops)}


def per_second(hops: int, bound: int, count: int, size: int = 0) -> float:
    """Items in a second."""
    pipeline, options = line(hops, bound)
    with RayRunner("local", options=options) as runner:
        sum(1 for _ in runner.iter(pipeline, bound, size))  # actors and their connections are there
        begin = perf_counter()
        assert sum(1 for _ in runner.iter(pipeline, count, size)) == count
        return count / (perf_counter() - begin)


def main() -> None:
    print("items/s by max_in_flight:", *(f"{bound:>9,}" for bound, _ in BOUNDS))
    for hops in HOPS:
        found = (f"{per_second(hops, bound, count):>9,.0f}" for bound, count in BOUNDS)
        print(f"{hops} hops                  ", *found, flush=True)
    print("MB/s of one hop by bytes: ", *(f"{size:>9,}" for size, _ in SIZES))
    found = (f"{per_second(1, 64, count, size) * size / 1e6:>9,.0f}" for size, count in SIZES)
    print("max_in_flight=64         ", *found, flush=True)


if __name__ == "__main__":
    sys.exit(main())
