"""An early stop: a source without an end, and consumers that have seen enough.

A step that returns before its stream has ended stops it. The source is asked for nothing more and is closed,
so its `finally` and `with` blocks run. With several consumers each stops for itself; the source goes on for
the others and is closed after the last.
"""

from collections.abc import Iterator
from itertools import count, islice, pairwise
from typing import Any

from headrace import Stream, pipeline, step


@step
def primes() -> Iterator[int]:
    found: list[int] = []
    for number in count(2):
        if all(number % prime for prime in found):
            found.append(number)
            yield number


@step
def first(numbers: Iterator[int], count: int) -> Iterator[int]:
    yield from islice(numbers, count)


@step
def first_gap(primes: Iterator[int], width: int) -> tuple[int, int]:
    return next((a, b) for a, b in pairwise(primes) if b - a >= width)


@pipeline
def first_primes(count: int) -> Stream[int]:
    return first(primes(), count)


@pipeline
def primes_and_gap(count: int, width: int) -> tuple[list[int], tuple[int, int]]:
    endless = primes()
    return first(endless, count).collect(), first_gap(endless, width)


RUNS: dict[str, tuple[Any, ...]] = {
    "ten primes": (first_primes, 10),
    "one consumer goes on": (primes_and_gap, 5, 14),
}

if __name__ == "__main__":
    print(*first_primes.iter(10))
    print("the first gap of 14 is between", *primes_and_gap.run(5, 14)[1])
