"""pypeln: stages of threads, tasks or processes, with queues between them; `sync` for those that need none."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pypeln as pl

from benchmarks.case import Contender
from benchmarks.tasks import (
    IMPORTING,
    async_call,
    async_doubled,
    async_minus_three,
    async_plus_one,
    call,
    compute,
    doubled,
    minus_three,
    negated,
    numbers,
    plus_one,
    uneven_async_call,
    uneven_call,
)

__all__ = ["CONTENDERS"]

ONE_READER = "two stages that read one stage each run it anew, its source too"


def four_functions(count: int) -> list[int]:
    line: Any = numbers(count)
    for function in (plus_one, doubled, minus_three, negated):
        line = pl.sync.map(function, line)
    return list(line)


def in_threads(function: Callable[[int], int], count: int) -> list[int]:
    return list(numbers(count) | pl.thread.map(function, workers=30) | pl.thread.ordered())


def in_processes(count: int) -> list[int]:
    return list(numbers(count) | pl.process.map(compute, workers=2) | pl.process.ordered())


def in_tasks(function: Callable[[int], Any], workers: int, count: int) -> list[int]:
    async def results() -> list[int]:
        done: list[int] = await (numbers(count) | pl.task.map(function, workers=workers) | pl.task.ordered())
        return done

    return asyncio.run(results())


def three_async_functions(count: int) -> list[int]:
    async def results() -> list[int]:
        line: Any = numbers(count)
        for function in (async_plus_one, async_doubled, async_minus_three):
            line = pl.task.map(function, line)
        done: list[int] = await line
        return done

    return asyncio.run(results())


THREE_STEPS = """
import pypeln as pl

def numbers(count):
    yield from range(count)

line = numbers(10) | pl.sync.map(lambda number: number + 1) | pl.sync.map(lambda number: str(number))
assert list(line) == [str(number) for number in range(1, 11)]
"""


class Numbers:
    """The same numbers, however often they are read."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        return numbers(self.count)


def line_of_200(count: int) -> Any:
    line: Any = Numbers(count)
    for _ in range(199):
        line = pl.sync.map(plus_one, line)
    return line


def build_line(count: int) -> None:
    line_of_200(count)


kept_line = functools.cache(line_of_200)


def run_line(count: int) -> list[int]:
    return list(kept_line(count))


CONTENDERS = {
    "4 functions": [Contender("sync", four_functions)],
    "4 generators": "its stages take functions of one item",
    "fan-out": ONE_READER,
    "per-item sinks": ONE_READER,
    "diamond": ONE_READER,
    "blocking calls": [Contender("30 workers, ordered()", functools.partial(in_threads, call))],
    "uneven calls": [Contender("30 workers, ordered()", functools.partial(in_threads, uneven_call))],
    "calls of 10 ms": [Contender("2 workers, ordered()", in_processes)],
    "async calls": [Contender("100 workers, ordered()", functools.partial(in_tasks, async_call, 100))],
    "uneven async calls": [Contender("30 workers, ordered()", functools.partial(in_tasks, uneven_async_call, 30))],
    "3 async functions": [Contender("", three_async_functions)],
    "import": [Contender("", IMPORTING.format("pypeln"))],
    "whole process": [Contender("sync", THREE_STEPS)],
    "build 200 steps": [Contender("sync", build_line)],
    "run 200 steps": [Contender("sync", run_line)],
}
