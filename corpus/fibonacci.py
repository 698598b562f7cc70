"""A recurrence: each item follows from those before it.

The Fibonacci numbers, and how the ratio of neighbours closes in on the golden section. Where an item depends
on earlier ones, a generator says so with local variables: that holds for the source, which has no end, and
for a step in the middle, which compares neighbours. Nothing is computed that nobody asks for.
"""

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any

from headrace import pipeline, step


@step
def fibonacci() -> Iterator[int]:
    a, b = 0, 1
    while True:
        yield a
        a, b = b, a + b


@step
def first(numbers: Iterator[int], count: int) -> Iterator[int]:
    yield from islice(numbers, count)


@step
def ratios(numbers: Iterator[int]) -> Iterator[float]:
    for a, b in pairwise(numbers):
        if a:
            yield round(b / a, 6)


@pipeline
def golden(count: int) -> tuple[list[int], list[float]]:
    numbers = first(fibonacci(), count)
    return numbers.collect(), ratios(numbers).collect()


RUNS: dict[str, tuple[Any, ...]] = {"fifteen": (golden, 15), "none": (golden, 0)}

if __name__ == "__main__":
    numbers, quotients = golden.run(15)
    print(*numbers)
    print(*quotients)
