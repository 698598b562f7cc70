"""What is done by hand, by headrace and by its peers: the functions that all of them call, and what must come out.

No library of these is imported here, so that the memory of a process is that of the one that it measures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from time import sleep
from typing import Any, NamedTuple

__all__ = ["TASKS", "Task"]


class Task(NamedTuple):
    """Something to do. `what` says it in a sentence for the page of results."""

    name: str
    what: str
    items: int | None = None
    right: Callable[[int, Any], bool] = lambda items, result: True
    repeats: int = 1


# -- functions of one item ---------------------------------------------------------------------------------


def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def plus_one(number: int) -> int:
    return number + 1


def doubled(number: int) -> int:
    return number * 2


def minus_three(number: int) -> int:
    return number - 3


def negated(number: int) -> int:
    return -number


async def async_plus_one(number: int) -> int:
    return number + 1


async def async_doubled(number: int) -> int:
    return number * 2


async def async_minus_three(number: int) -> int:
    return number - 3


# -- functions of a whole stream ---------------------------------------------------------------------------


def add_one(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield item + 1


def double(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield item * 2


def take_three(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield item - 3


def negate(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield -item


def total(items: Iterator[int]) -> int:
    result = 0
    for item in items:
        result += item
    return result


def highest(items: Iterator[int]) -> int:
    result = 0
    for item in items:
        if item > result:
            result = item
    return result


async def numbers_async(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


# -- calls that wait or compute ----------------------------------------------------------------------------


def call(number: int) -> int:
    sleep(0.02)
    return number


def uneven_call(number: int) -> int:
    """As long as `call` on average, but one in ten is slow."""
    sleep(0.11 if number % 10 == 0 else 0.01)
    return number


async def async_call(number: int) -> int:
    await asyncio.sleep(0.02)
    return number


async def uneven_async_call(number: int) -> int:
    await asyncio.sleep(0.11 if number % 10 == 0 else 0.01)
    return number


def compute(number: int) -> int:
    """About 10 ms of work for one core."""
    return sum(each * each for each in range(120_000)) % 1000 + number


# -- what must come out ------------------------------------------------------------------------------------


def all_numbers(count: int, result: list[int]) -> bool:
    return result == list(range(count))


def four_functions_done(count: int, result: list[int]) -> bool:
    return result == list(range(1, 1 - 2 * count, -2))


def three_functions_done(count: int, result: list[int]) -> bool:
    return result == list(range(-1, 2 * count - 1, 2))


def total_and_highest_found(count: int, result: tuple[int, int]) -> bool:
    return tuple(result) == (count * (count - 1) // 2, count - 1)


def both_lists_there(count: int, result: tuple[list[int], list[int]]) -> bool:
    left, right = result
    return left == list(range(1, count + 1)) and right == list(range(0, 2 * count, 2))


def pairs_there(count: int, result: list[tuple[int, int]]) -> bool:
    return result == [(number + 1, number * 2) for number in range(count)]


def all_computed(count: int, result: list[int]) -> bool:
    return result == list(range(compute(0), compute(0) + count))


def line_done(count: int, result: list[int] | None) -> bool:
    return result is None or result == list(range(199, 199 + count))  # None: it was only built


IMPORTING = """
from time import perf_counter
begin = perf_counter()
import {}
print(perf_counter() - begin)
"""

TASKS = (
    Task(
        "4 functions", "a source and four functions that take one number each", 300_000, four_functions_done, repeats=5
    ),
    Task("4 generators", "a source and four generator functions", 300_000, four_functions_done, repeats=5),
    Task("fan-out", "one source, read by two functions that loop over it", 100_000, total_and_highest_found, repeats=3),
    Task("per-item sinks", "one source, two functions, two lists", 100_000, both_lists_there, repeats=5),
    Task("diamond", "one source, two functions, their results zipped", 100_000, pairs_there, repeats=5),
    Task("blocking calls", "calls that block for 20 ms, 30 at once, in order", 600, all_numbers),
    Task("uneven calls", "the same, one in ten takes 110 ms and the others 10 ms", 600, all_numbers),
    Task("calls of 10 ms", "calls that compute for 10 ms, in processes", 400, all_computed),
    Task("async calls", "coroutines that wait for 20 ms, 100 at once, in order", 3_000, all_numbers),
    Task("uneven async calls", "the same, 30 at once, one in ten takes 110 ms", 600, all_numbers),
    Task("3 async functions", "three async functions that never wait", 100_000, three_functions_done, repeats=3),
    Task("import", "to import the library"),
    Task("whole process", "to start Python, import, build three steps, and send ten numbers through"),
    Task("build 200 steps", "to build a line of 200 steps", 10, line_done),
    Task("run 200 steps", "to send ten numbers through it, not for the first time", 10, line_done),
)
