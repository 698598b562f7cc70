"""What only headrace does, beside the nearest thing written by hand, or beside itself without it.

Every run's result is checked. A target is a goal of the project, not a promise: speed is measured, never asserted.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any

from benchmarks.case import Case, Contender
from benchmarks.tasks import async_doubled, doubled, numbers, plus_one
from headrace import Failure, Limit, Pipeline, Stream, SyncRunner, merge, pipeline, step

__all__ = ["CASES"]

source = step(numbers)


def arun(line: Any, count: int) -> Any:
    return asyncio.run(line.arun(count))


# -- short calls in processes ------------------------------------------------------------------------------


def window_in_pool(function: Callable[[int], int], in_flight: int, count: int) -> list[int]:
    """The results of `function` in processes, in order, with at most `in_flight` out at once."""
    results: list[int] = []
    waiting: deque[Future[int]] = deque()
    with ProcessPoolExecutor() as pool:
        for number in numbers(count):
            if len(waiting) == in_flight:
                results.append(waiting.popleft().result())
            waiting.append(pool.submit(function, number))
        results += (future.result() for future in waiting)
    return results


short_calls = source | step(plus_one, executor="process", max_in_flight=64)

SHORT_CALLS = Case(
    "short calls in processes",
    Contender("by hand: window of 64 futures", functools.partial(window_in_pool, plus_one, 64)),
    (Contender("headrace, 64 in flight", short_calls.run, target=0.5),),
    items=20_000,
    right=lambda count, result: result == list(range(1, count + 1)),
    repeats=1,
)


# -- limits ------------------------------------------------------------------------------------------------

# What a limit costs that never holds anything back; and in real time, how near to its rate calls begin.


def limited_line(**options: Any) -> Any:
    return source | step("plus_one", fn=plus_one, **options)


def at_rate(rate: int) -> Any:
    return limited_line(limit=Limit(rate=f"{rate}/s"), executor="thread", max_in_flight=8)


def never_held() -> Limit:
    return Limit(concurrency=1000, rate="1000000000/s", burst=1_000_000)


def one_apart(rate: int, count: int) -> list[int]:
    sleep((count - 1) / rate)
    return [plus_one(number) for number in range(count)]


def plus_one_done(count: int, result: list[int]) -> bool:
    return result == [number + 1 for number in range(count)]


LIMIT = Case(
    "limit that never holds back",
    Contender("headrace, no limit", limited_line().run),
    (Contender("headrace, limit", limited_line(limit=never_held()).run),),
    items=100_000,
    right=plus_one_done,
)

LIMIT_IN_THREADS = Case(
    "limit that never holds back, in threads",
    Contender("headrace, no limit", limited_line(executor="thread", max_in_flight=8).run),
    (
        Contender(
            "headrace, limit", limited_line(executor="thread", max_in_flight=8, limit=never_held()).run, target=1.1
        ),
    ),
    items=9_000,
    right=plus_one_done,
)

RATE = Case(
    "1,000 calls a second",
    Contender("by hand: as long as it should take", functools.partial(one_apart, 1000)),
    (Contender("headrace, 8 in flight", at_rate(1000).run, target=1.02),),
    items=2_000,
    right=plus_one_done,
    repeats=1,
)


# -- merged streams ----------------------------------------------------------------------------------------


def in_turns(count: int) -> list[int]:
    """The items of two streams, one of each as long as both have some."""
    results: list[int] = []
    turns = deque([numbers(count), numbers(count)])
    while turns:
        try:
            while True:
                results.append(next(turns[0]))
                turns.rotate(-1)
        except StopIteration:
            turns.popleft()
    return results


async def numbers_async(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


def through_queue(count: int) -> list[int]:
    """The items of two async streams, as they come: each is read by a task, one item ahead."""

    async def results() -> list[int]:
        queue: asyncio.Queue[int | None] = asyncio.Queue(1)

        async def read() -> None:
            async for number in numbers_async(count):
                await queue.put(number)
            await queue.put(None)

        tasks = [asyncio.create_task(read()), asyncio.create_task(read())]
        done: list[int] = []
        running = len(tasks)
        while running:
            item = await queue.get()
            if item is None:
                running -= 1
            else:
                done.append(item)
        await asyncio.gather(*tasks)
        return done

    return asyncio.run(results())


source_async = step(numbers_async)


@pipeline
def merged(count: int) -> Stream[int]:
    return merge(source(count), source(count))


@pipeline
def merged_async(count: int) -> Stream[int]:
    return merge(source_async(count), source_async(count))


MERGED = Case(
    "merged streams",
    Contender("by hand: in turns", in_turns),
    (Contender("headrace", merged.run, target=1.2),),
    items=100_000,
    right=lambda count, result: result == [number // 2 for number in range(2 * count)],
)

MERGED_ASYNC = Case(
    "merged async streams",
    Contender("by hand: a queue and two tasks", through_queue),
    (
        Contender("headrace, arun", functools.partial(arun, merged_async)),
        Contender("headrace, run", merged_async.run),
    ),
    items=20_000,
    right=lambda count, result: sorted(result) == [number // 2 for number in range(2 * count)],
    repeats=2,
)


# -- one item in a hundred fails ---------------------------------------------------------------------------


def checked(number: int) -> int:
    if number % 100 == 0:
        raise ValueError(number)
    return number + 1


def checked_and_sound(number: int) -> int:
    """Does the same, and never fails."""
    if number % 100 == 100:
        raise ValueError(number)
    return number + 1


def skipped_in_one_loop(count: int) -> list[int]:
    results: list[int] = []
    for number in numbers(count):
        try:
            results.append(checked(number))
        except ValueError:
            continue
    return results


def caught_in_one_loop(count: int) -> tuple[list[int], list[tuple[int, Exception]]]:
    results: list[int] = []
    failures: list[tuple[int, Exception]] = []
    for number in numbers(count):
        try:
            results.append(checked(number))
        except ValueError as error:
            failures.append((number, error))
    return results, failures


def skipping(function: Callable[[int], int]) -> Pipeline[[int], Stream[int]]:
    return source | step("called", fn=function, on_error="skip")


def catching(function: Callable[[int], int], in_flight: int) -> Pipeline[[int], tuple[list[int], list[Failure[int]]]]:
    called = step("called", fn=function, max_in_flight=in_flight)

    @pipeline
    def caught(count: int) -> tuple[list[int], list[Failure[int]]]:
        results, failures = source(count).map(called).catch()
        return results.collect(), failures.collect()

    return caught


def quietly(run: Callable[[int], Any]) -> Callable[[int], Any]:
    """`run`, without a log."""

    def quiet(count: int) -> Any:
        logging.getLogger("headrace").setLevel(logging.ERROR)
        return run(count)

    return quiet


def most_results_there(count: int, results: list[int]) -> bool:
    return len(results) in (count, count - count // 100)


def results_and_failures_there(count: int, result: tuple[list[int], list[Any]]) -> bool:
    return len(result[0]) + len(result[1]) == count and len(result[1]) in (0, count // 100)


SKIP = Case(
    "skipped failures",
    Contender("headrace, nothing fails", skipping(checked_and_sound).run),
    (
        Contender("headrace, 1 % fails", quietly(skipping(checked).run), target=1.5),
        Contender("headrace, on_error='raise'", (source | checked_and_sound).run),
        Contender("by hand: try in one loop, 1 % fails", skipped_in_one_loop),
    ),
    items=500_000,
    right=most_results_there,
)

CATCH = Case(
    "caught failures",
    Contender("headrace, nothing fails", catching(checked_and_sound, 1).run),
    (
        Contender("headrace, 1 % fails", catching(checked, 1).run, target=1.5),
        Contender("headrace, 64 in flight, nothing fails", catching(checked_and_sound, 64).run),
        Contender("headrace, 64 in flight, 1 % fails", catching(checked, 64).run),
        Contender("by hand: try in one loop, 1 % fails", caught_in_one_loop),
    ),
    items=500_000,
    right=results_and_failures_there,
)


# -- results that are kept -----------------------------------------------------------------------------------
#
# What is aimed at is 30 µs an item (the column "time"), less what the calls themselves take.

kept_doubled = step("doubled", fn=doubled, checkpoint=True)
kept_later = step("doubled", fn=async_doubled, checkpoint=True, max_in_flight=30)


def kept_by_hand(count: int) -> list[int]:
    """A table of results by item, written a hundred at a time."""
    results: list[int] = []
    waiting: list[tuple[str, str]] = []
    with TemporaryDirectory() as folder, closing(sqlite3.connect(f"{folder}/kept.db")) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        file.execute("CREATE TABLE results (item TEXT PRIMARY KEY, result TEXT)")
        there = dict(file.execute("SELECT item, result FROM results"))
        for number in numbers(count):
            item = json.dumps(number)
            if item in there:
                results.append(json.loads(there[item]))
                continue
            results.append(doubled(number))
            waiting.append((item, json.dumps(results[-1])))
            if len(waiting) == 100:
                write(file, waiting)
        write(file, waiting)
    return results


def write(file: sqlite3.Connection, waiting: list[tuple[str, str]]) -> None:
    with file:
        file.executemany("INSERT INTO results VALUES (?, ?)", waiting)
    waiting.clear()


def kept(line: Pipeline[[int], Stream[int]], count: int) -> list[int]:
    with TemporaryDirectory() as folder:
        return SyncRunner(checkpoint=f"{folder}/kept.db").execute(line, count).result


class ReadBack:
    """A run in which everything is there already: but for the first one, which is not the fastest."""

    def __init__(self, line: Pipeline[[int], Stream[int]]) -> None:
        self.line = line
        self.folder = TemporaryDirectory()

    def __call__(self, count: int) -> list[int]:
        return SyncRunner(checkpoint=f"{self.folder.name}/kept.db").execute(self.line, count).result


def all_doubled(count: int, result: list[int]) -> bool:
    return result == list(range(0, 2 * count, 2))


CHECKPOINTS = Case(
    "kept results",
    Contender("by hand: a loop and a table", kept_by_hand),
    (
        Contender("headrace", functools.partial(kept, source | kept_doubled)),
        Contender("headrace, everything read back", ReadBack(source | kept_doubled)),
        Contender("headrace, async", functools.partial(kept, source | kept_later)),
        Contender("headrace, nothing kept", (source | doubled).run),
        Contender("headrace, async, nothing kept", (source | step(max_in_flight=30)(async_doubled)).run),
    ),
    items=20_000,
    right=all_doubled,
)

CASES = (
    SHORT_CALLS,
    MERGED,
    MERGED_ASYNC,
    LIMIT,
    LIMIT_IN_THREADS,
    RATE,
    SKIP,
    CATCH,
    CHECKPOINTS,
)
