"""Lazy and collected consumers of one stream.

A median needs all lap times at once; the best lap and the number of laps do not. A step says what it wants
by its hint: `list[float]` is a value, so the body collects; `Iterator[float]` reads along. Both may read the
same stream: the one that collects holds the items, and the others still see one at a time.
"""

from collections.abc import Iterator
from itertools import pairwise
from statistics import median as median_of
from typing import Any

from headrace import pipeline, step


@step
def laps(clock: list[float]) -> Iterator[float]:
    for earlier, later in pairwise(clock):
        yield round(later - earlier, 3)


@step
def median(laps: list[float]) -> float:
    return median_of(laps)


@step
def best(laps: Iterator[float]) -> float:
    return min(laps)


@step
def count(laps: Iterator[float]) -> int:
    return sum(1 for _ in laps)


@step
def sheet(count: int, best: float, median: float) -> str:
    return f"{count} laps, best {best:.1f} s, median {median:.1f} s"


@pipeline
def results(clock: list[float]) -> str:
    driven = laps(clock)
    return sheet(count(driven), best(driven), median(driven.collect()))


CLOCK = [0.0, 92.5, 183.0, 272.25, 363.5, 452.5]

RUNS: dict[str, tuple[Any, ...]] = {"five laps": (results, CLOCK)}

if __name__ == "__main__":
    print(results.run(CLOCK))
