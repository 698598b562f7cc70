"""python-pyper: tasks that are threads, coroutines or processes, with queues between them."""

from __future__ import annotations

import asyncio
from typing import Any

from pyper import task

from benchmarks.case import Contender
from benchmarks.tasks import (
    IMPORTING,
    add_one,
    async_call,
    async_doubled,
    async_minus_three,
    async_plus_one,
    call,
    compute,
    double,
    doubled,
    minus_three,
    negate,
    negated,
    numbers,
    plus_one,
    take_three,
    uneven_async_call,
    uneven_call,
)

__all__ = ["CONTENDERS"]

LINE = "a pipeline is a line: a task has one consumer"


def line_of(*functions: Any, **options: Any) -> Any:
    line: Any = task(numbers, branch=True)
    for function in functions:
        line = line | task(function, **options)
    return line


four_functions = line_of(plus_one, doubled, minus_three, negated)
four_generators = line_of(add_one, double, take_three, negate, branch=True, join=True)
in_threads = line_of(call, workers=30)
uneven_in_threads = line_of(uneven_call, workers=30)
in_processes = line_of(compute, workers=2, multiprocess=True)
in_tasks = line_of(async_call, workers=100)
uneven_in_tasks = line_of(uneven_async_call, workers=30)
three_async_functions = line_of(async_plus_one, async_doubled, async_minus_three)
line_of_200 = line_of(*[plus_one] * 199)


def listed(line: Any) -> Any:
    return lambda count: list(line(count))


def listed_async(line: Any) -> Any:
    async def results(count: int) -> list[int]:
        return [item async for item in line(count)]

    return lambda count: asyncio.run(results(count))


def build_line(count: int) -> None:
    line_of(*[plus_one] * 199)


THREE_STEPS = """
from pyper import task

def numbers(count):
    yield from range(count)

line = task(numbers, branch=True) | task(lambda number: number + 1) | task(str)
assert list(line(10)) == [str(number) for number in range(1, 11)]
"""

CONTENDERS = {
    "4 functions": [Contender("", listed(four_functions))],
    "4 generators": [Contender("join and branch", listed(four_generators))],
    "fan-out": LINE,
    "per-item sinks": LINE,
    "diamond": LINE,
    "blocking calls": [Contender("30 workers, any order", listed(in_threads), any_order=True)],
    "uneven calls": [Contender("30 workers, any order", listed(uneven_in_threads), any_order=True)],
    "calls of 10 ms": [Contender("2 workers, any order", listed(in_processes), any_order=True)],
    "async calls": [Contender("100 workers, any order", listed_async(in_tasks), any_order=True)],
    "uneven async calls": [Contender("30 workers, any order", listed_async(uneven_in_tasks), any_order=True)],
    "3 async functions": [Contender("", listed_async(three_async_functions))],
    "import": [Contender("", IMPORTING.format("pyper"))],
    "whole process": [Contender("", THREE_STEPS)],
    "build 200 steps": [Contender("", build_line)],
    "run 200 steps": [Contender("", listed(line_of_200))],
}
