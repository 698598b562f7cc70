"""headrace itself. Targets are goals of the project, not promises: speed is measured, never asserted."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

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
    highest,
    minus_three,
    negate,
    negated,
    numbers,
    plus_one,
    take_three,
    total,
    uneven_async_call,
    uneven_call,
)
from headrace import Pipeline, Stream, pipeline, step, zip_streams

__all__ = ["CONTENDERS"]

source = step(numbers)
per_item = source | plus_one | doubled | minus_three | negated
generators = source | step(add_one) | step(double) | step(take_three) | step(negate)
async_line = source | async_plus_one | async_doubled | async_minus_three
totalled, highest_of = step(total), step(highest)


def fan_out_with(in_flight: int) -> Pipeline[[int], tuple[int, int]]:
    produced = source.options(max_in_flight=in_flight)

    @pipeline
    def fan_out(count: int) -> tuple[int, int]:
        found = produced(count)
        return totalled(found), highest_of(found)

    return fan_out


@pipeline
def diamond(count: int) -> Stream[tuple[int, int]]:
    found = source(count)
    return zip_streams(found.map(plus_one), found.map(doubled))


@pipeline
def sinks(count: int) -> tuple[list[int], list[int]]:
    found = source(count)
    return found.map(plus_one).collect(), found.map(doubled).collect()


calls = source | step("call", fn=call, executor="thread", max_in_flight=30)
uneven_calls = source | step("uneven_call", fn=uneven_call, executor="thread", max_in_flight=120, concurrency=30)
uneven_as_done = source | step("uneven_call", fn=uneven_call, executor="thread", max_in_flight=30, ordered=False)
computing = source | step(compute, executor="process", max_in_flight=8)
async_calls = source | step("async_call", fn=async_call, max_in_flight=100)
uneven_async_calls = source | step("uneven_async_call", fn=uneven_async_call, max_in_flight=120, concurrency=30)
uneven_async_as_done = source | step("uneven_async_call", fn=uneven_async_call, max_in_flight=30, ordered=False)


def arun(line: Any, count: int) -> Any:
    return asyncio.run(line.arun(count))


def line_of(steps: int) -> Pipeline[[int], Stream[int]]:
    """A compiled line of so many steps."""
    line = source | plus_one
    for _ in range(steps - 2):
        line = line | plus_one
    line.dag  # noqa: B018  # compiles it
    return line


kept_line = functools.cache(line_of)


def build_line(count: int) -> None:
    line_of(200)


def run_line(count: int) -> list[int]:
    return kept_line(200).run(count)


THREE_STEPS = """
from headrace import step

@step
def numbers(count: int):
    yield from range(count)

line = numbers | (lambda number: number + 1) | str
assert line.run(10) == [str(number) for number in range(1, 11)]
"""

CONTENDERS = {
    "4 functions": [Contender("", per_item.run, target=0.75)],
    "4 generators": [Contender("", generators.run, target=1.03)],
    "fan-out": [
        Contender("1 in flight", fan_out_with(1).run, target=12),
        Contender("64 in flight", fan_out_with(64).run, target=3),
    ],
    "per-item sinks": [Contender("", sinks.run, target=1.5)],
    "diamond": [Contender("", diamond.run, target=1.5)],
    "blocking calls": [Contender("", calls.run, target=1.01)],
    "uneven calls": [
        Contender("120 in flight, 30 at once", uneven_calls.run, target=0.3),
        Contender("30 in flight, any order", uneven_as_done.run, any_order=True),
    ],
    "calls of 10 ms": [Contender("8 in flight", computing.run, target=1 / 1.9)],  # on two cores
    "async calls": [
        Contender("arun", functools.partial(arun, async_calls), target=1.0),
        Contender("run", async_calls.run),
    ],
    "uneven async calls": [
        Contender("120 in flight, 30 at once", functools.partial(arun, uneven_async_calls), target=0.3),
        Contender("30 in flight, any order", functools.partial(arun, uneven_async_as_done), any_order=True),
    ],
    "3 async functions": [
        Contender("arun", functools.partial(arun, async_line), target=0.65),
        Contender("run", async_line.run),
    ],
    "import": [Contender("", IMPORTING.format("headrace"), target=1.2)],
    "whole process": [Contender("", THREE_STEPS, target=2.3)],
    "build 200 steps": [Contender("", build_line, target=5)],
    "run 200 steps": [Contender("", run_line, target=1.5)],
}
