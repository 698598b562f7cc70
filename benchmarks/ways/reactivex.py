"""reactivex: observables that push their items through operators to whoever has subscribed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import reactivex as rx
from reactivex import operators as ops
from reactivex.scheduler.eventloop import AsyncIOScheduler

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


def four_functions(count: int) -> list[int]:
    line = rx.from_iterable(numbers(count))
    mapped = line.pipe(ops.map(plus_one), ops.map(doubled), ops.map(minus_three), ops.map(negated), ops.to_list())
    return mapped.run()


def fan_out(count: int) -> tuple[int, int]:
    found: list[int] = []
    source = rx.from_iterable(numbers(count)).pipe(ops.publish())
    source.pipe(ops.reduce(lambda total, item: total + item, 0)).subscribe(found.append)
    source.pipe(ops.reduce(lambda top, item: item if item > top else top, 0)).subscribe(found.append)
    source.connect()
    total, top = found
    return total, top


def sinks(count: int) -> tuple[list[int], list[int]]:
    left: list[int] = []
    right: list[int] = []
    source = rx.from_iterable(numbers(count)).pipe(ops.publish())
    source.pipe(ops.map(plus_one)).subscribe(left.append)
    source.pipe(ops.map(doubled)).subscribe(right.append)
    source.connect()
    return left, right


def diamond(count: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    source = rx.from_iterable(numbers(count)).pipe(ops.publish())
    rx.zip(source.pipe(ops.map(plus_one)), source.pipe(ops.map(doubled))).subscribe(found.append)
    source.connect()
    return found


def in_pool(function: Callable[[int], int], make_pool: Callable[[], Executor], at_once: int, count: int) -> list[int]:
    with make_pool() as pool:

        def called(number: int) -> Any:
            return rx.defer(lambda _: rx.from_future(asyncio.wrap_future(pool.submit(function, number))))

        return in_loop(called, at_once, count)


def in_loop(called: Callable[[int], Any], at_once: int, count: int) -> list[int]:
    async def results() -> list[int]:
        line = rx.from_iterable(numbers(count)).pipe(ops.map(called), ops.merge(max_concurrent=at_once), ops.to_list())
        return await line.pipe(ops.subscribe_on(AsyncIOScheduler(asyncio.get_running_loop())))

    return asyncio.run(results())


def in_tasks(function: Callable[[int], Any], at_once: int, count: int) -> list[int]:
    def called(number: int) -> Any:
        return rx.defer(lambda _: rx.from_future(asyncio.ensure_future(function(number))))

    return in_loop(called, at_once, count)


def three_async_functions(count: int) -> list[int]:
    def awaited(function: Callable[[int], Any]) -> Any:
        def called(number: int) -> Any:
            return rx.defer(lambda _: rx.from_future(asyncio.ensure_future(function(number))))

        return rx.compose(ops.map(called), ops.merge(max_concurrent=1))

    async def results() -> list[int]:
        functions = (async_plus_one, async_doubled, async_minus_three)
        return await rx.from_iterable(numbers(count)).pipe(*map(awaited, functions), ops.to_list())

    return asyncio.run(results())


THREE_STEPS = """
import reactivex as rx
from reactivex import operators as ops

def numbers(count):
    yield from range(count)

line = rx.from_iterable(numbers(10)).pipe(ops.map(lambda number: number + 1), ops.map(str), ops.to_list())
assert line.run() == [str(number) for number in range(1, 11)]
"""


def line_of_200(count: int) -> Any:
    source = rx.defer(lambda _: rx.from_iterable(numbers(count)))
    return source.pipe(*[ops.map(plus_one)] * 199, ops.to_list())


def build_line(count: int) -> None:
    line_of_200(count)


kept_line = functools.cache(line_of_200)


def run_line(count: int) -> list[int]:
    done: list[int] = kept_line(count).run()
    return done


def thirty_threads() -> Executor:
    return ThreadPoolExecutor(30)


def any_order(name: str, run: Callable[[int], list[int]]) -> list[Contender]:
    return [Contender(f"{name}, any order", run, any_order=True)]


CONTENDERS = {
    "4 functions": [Contender("", four_functions)],
    "4 generators": "its operators are functions of an observable, which pushes: they cannot be generators",
    "fan-out": [Contender("reduce() twice", fan_out)],
    "per-item sinks": [Contender("", sinks)],
    "diamond": [Contender("", diamond)],
    "blocking calls": any_order("in an executor", functools.partial(in_pool, call, thirty_threads, 30)),
    "uneven calls": any_order("in an executor", functools.partial(in_pool, uneven_call, thirty_threads, 30)),
    "calls of 10 ms": any_order("in an executor", functools.partial(in_pool, compute, ProcessPoolExecutor, 8)),
    "async calls": any_order("merge(max_concurrent=100)", functools.partial(in_tasks, async_call, 100)),
    "uneven async calls": any_order("merge(max_concurrent=30)", functools.partial(in_tasks, uneven_async_call, 30)),
    "3 async functions": [Contender("", three_async_functions)],
    "import": [Contender("", IMPORTING.format("reactivex"))],
    "whole process": [Contender("", THREE_STEPS)],
    "build 200 steps": [Contender("", build_line)],
    "run 200 steps": [Contender("", run_line)],
}
