"""What is measured: headrace beside the code one would write by hand.

A baseline is the plain way to write the same thing well: no slower than it has to be, and it reads the same source
and calls the same functions as its contenders. Every run's result is checked. A target is a goal of the project, not
a promise: speed is measured, never asserted.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any, Literal, NamedTuple

from headrace import Failure, Limit, Pipeline, Stream, SyncRunner, merge, pipeline, step, zip_streams

__all__ = ["CASES", "Case", "Contender"]


class Contender(NamedTuple):
    """One way to do it.

    `run` takes the number of items and gives the result. In its place may stand the text of a program, which gets a
    process of its own: it prints the seconds that it took; if it prints nothing, the whole process is timed.
    """

    name: str
    run: Callable[[int], Any] | str
    target: float | None = None  # the highest figure that is aimed at
    before: Callable[[], object] | None = None  # called untimed, in place of a warm-up with a few items
    items: int | None = None  # in place of those of the case


class Case(NamedTuple):
    """Contenders beside their baseline; without a baseline the figure is the time in milliseconds."""

    name: str
    baseline: Contender | None
    contenders: tuple[Contender, ...]
    items: int | None = None  # None: a time per item would mean nothing
    right: Callable[[int, Any], bool] = lambda items, result: True
    repeats: int = 5  # runs in each process, of which the fastest counts
    compares: Literal["time", "memory"] = "time"


# -- four functions, item by item --------------------------------------------------------------------------


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


def each_plus_one(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield plus_one(item)


def each_doubled(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield doubled(item)


def each_minus_three(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield minus_three(item)


def each_negated(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield negated(item)


def each(function: Callable[[int], int], items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield function(item)


def nested_generators(count: int) -> list[int]:
    return list(each_negated(each_minus_three(each_doubled(each_plus_one(numbers(count))))))


def nested_each(count: int) -> list[int]:
    return list(each(negated, each(minus_three, each(doubled, each(plus_one, numbers(count))))))


def nested_map(count: int) -> list[int]:
    return list(map(negated, map(minus_three, map(doubled, map(plus_one, numbers(count))))))


def nested_calls(count: int) -> list[int]:
    return [negated(minus_three(doubled(plus_one(number)))) for number in numbers(count)]


source = step(numbers)
per_item = source | plus_one | doubled | minus_three | negated


def four_functions_done(count: int, result: list[int]) -> bool:
    return result == list(range(1, 1 - 2 * count, -2))


PER_ITEM = Case(
    "4 functions",
    Contender("by hand: nested generators", nested_generators),
    (
        Contender("headrace", per_item.run, target=0.9),
        Contender("by hand: one generator function for all", nested_each),
        Contender("by hand: nested map()", nested_map),
        Contender("by hand: nested calls in one loop", nested_calls),
    ),
    items=300_000,
    right=four_functions_done,
)


# -- four generator functions ------------------------------------------------------------------------------


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


def four_generators(count: int) -> list[int]:
    return list(negate(take_three(double(add_one(numbers(count))))))


generators = source | step(add_one) | step(double) | step(take_three) | step(negate)

GENERATORS = Case(
    "4 generators",
    Contender("by hand: nested generators", four_generators),
    (Contender("headrace", generators.run, target=1.1),),
    items=300_000,
    right=four_functions_done,
)


# -- one source, two consumers -----------------------------------------------------------------------------


@step
def total(items: Iterator[int]) -> int:
    result = 0
    for item in items:
        result += item
    return result


@step
def highest(items: Iterator[int]) -> int:
    result = 0
    for item in items:
        if item > result:
            result = item
    return result


def one_loop(count: int) -> tuple[int, int]:
    sum_of_all = top = 0
    for number in numbers(count):
        sum_of_all += number
        if number > top:
            top = number
    return sum_of_all, top


def fan_out_with(in_flight: int) -> Pipeline[[int], tuple[int, int]]:
    produced = source.options(max_in_flight=in_flight)

    @pipeline
    def fan_out(count: int) -> tuple[int, int]:
        found = produced(count)
        return total(found), highest(found)

    return fan_out


fan_out_1, fan_out_64 = fan_out_with(1), fan_out_with(64)


def total_and_highest_found(count: int, result: tuple[int, int]) -> bool:
    return result == (count * (count - 1) // 2, count - 1)


FAN_OUT = Case(
    "fan-out",
    Contender("by hand: one loop", one_loop),
    (
        Contender("headrace, 1 in flight", fan_out_1.run, target=20),
        Contender("headrace, 64 in flight", fan_out_64.run, target=5),
    ),
    items=100_000,
    right=total_and_highest_found,
)


LONG_FAN_OUT = Case(
    "long fan-out",
    Contender("headrace, 20,000 items", fan_out_1.run, items=20_000),
    (
        Contender("headrace, 1 in flight", fan_out_1.run, target=1.05),
        Contender("headrace, 64 in flight", fan_out_64.run, target=1.05),
    ),
    items=2_000_000,
    right=total_and_highest_found,
    repeats=1,
    compares="memory",
)


# -- one source, two branches, one zip ---------------------------------------------------------------------


@pipeline
def diamond(count: int) -> Stream[tuple[int, int]]:
    found = source(count)
    return zip_streams(found.map(plus_one), found.map(doubled))


def pairs_in_one_loop(count: int) -> list[tuple[int, int]]:
    return [(plus_one(number), doubled(number)) for number in numbers(count)]


DIAMOND = Case(
    "diamond",
    Contender("by hand: one loop", pairs_in_one_loop),
    (Contender("headrace", diamond.run, target=1.5),),
    items=100_000,
    right=lambda count, result: result == [(number + 1, number * 2) for number in range(count)],
)


@pipeline
def sinks(count: int) -> tuple[list[int], list[int]]:
    found = source(count)
    return found.map(plus_one).collect(), found.map(doubled).collect()


def lists_in_one_loop(count: int) -> tuple[list[int], list[int]]:
    left: list[int] = []
    right: list[int] = []
    for number in numbers(count):
        left.append(plus_one(number))
        right.append(doubled(number))
    return left, right


SINKS = Case(
    "per-item sinks",
    Contender("by hand: one loop", lists_in_one_loop),
    (Contender("headrace", sinks.run, target=1.5),),
    items=100_000,
    right=lambda count, result: tuple(map(len, result)) == (count, count),
)


# -- blocking calls in threads -----------------------------------------------------------------------------


def call(number: int) -> int:
    sleep(0.02)
    return number


def uneven_call(number: int) -> int:
    """As long as `call` on average, but one in ten is slow."""
    sleep(0.11 if number % 10 == 0 else 0.01)
    return number


def window(function: Callable[[int], int], in_flight: int, count: int) -> list[int]:
    """The results of `function` in 30 threads, in order, with at most `in_flight` out at once."""
    results: list[int] = []
    waiting: deque[Future[int]] = deque()
    with ThreadPoolExecutor(30) as pool:
        for number in numbers(count):
            if len(waiting) == in_flight:
                results.append(waiting.popleft().result())
            waiting.append(pool.submit(function, number))
        results += (future.result() for future in waiting)
    return results


calls = source | step("call", fn=call, executor="thread", max_in_flight=30)
uneven_calls = source | step("uneven_call", fn=uneven_call, executor="thread", max_in_flight=120, concurrency=30)

CALLS = Case(
    "blocking calls",
    Contender("by hand: window of futures", functools.partial(window, call, 30)),
    (Contender("headrace, 30 in flight", calls.run, target=1.05),),
    items=600,
    right=lambda count, result: result == list(range(count)),
    repeats=1,
)

UNEVEN_CALLS = Case(
    "uneven calls",
    Contender("by hand: window of 30 futures", functools.partial(window, uneven_call, 30)),
    (
        Contender("headrace, 120 in flight, 30 at once", uneven_calls.run, target=0.3),
        Contender("by hand: window of 120, 30 threads", functools.partial(window, uneven_call, 120)),
    ),
    items=600,
    right=lambda count, result: result == list(range(count)),
    repeats=1,
)


# -- calls that compute, in processes ----------------------------------------------------------------------


def compute(number: int) -> int:
    """About 10 ms of work for one core."""
    return sum(each * each for each in range(120_000)) % 1000 + number


def computed(function: Callable[[int], int], count: int) -> list[int]:
    return [function(number) for number in numbers(count)]


def mapped_in_pool(function: Callable[[int], int], count: int) -> list[int]:
    with ProcessPoolExecutor() as pool:
        return list(pool.map(function, numbers(count)))


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


computing = source | step(compute, executor="process", max_in_flight=8)
short_calls = source | step(plus_one, executor="process", max_in_flight=64)

COMPUTING = Case(
    "calls of 10 ms",
    Contender("by hand: one core", functools.partial(computed, compute)),
    (
        Contender("headrace, in processes", computing.run, target=1 / 1.9),  # on two cores
        Contender("by hand: ProcessPoolExecutor.map", functools.partial(mapped_in_pool, compute)),
    ),
    items=400,
    right=lambda count, result: result == computed(compute, 1) + [result[0] + number for number in range(1, count)],
    repeats=1,
)

SHORT_CALLS = Case(
    "short calls in processes",
    Contender("by hand: window of 64 futures", functools.partial(window_in_pool, plus_one, 64)),
    (Contender("headrace, 64 in flight", short_calls.run, target=0.5),),
    items=20_000,
    right=lambda count, result: result == list(range(1, count + 1)),
    repeats=1,
)


# -- async calls -------------------------------------------------------------------------------------------


async def async_call(number: int) -> int:
    await asyncio.sleep(0.02)
    return number


async def uneven_async_call(number: int) -> int:
    await asyncio.sleep(0.11 if number % 10 == 0 else 0.01)
    return number


def task_window(function: Callable[[int], Coroutine[Any, Any, int]], in_flight: int, count: int) -> list[int]:
    """The results of `function` in tasks, in order, with at most `in_flight` out at once."""

    async def results() -> list[int]:
        done: list[int] = []
        waiting: deque[asyncio.Task[int]] = deque()
        for number in numbers(count):
            if len(waiting) == in_flight:
                done.append(await waiting.popleft())
            waiting.append(asyncio.create_task(function(number)))
        return done + [await task for task in waiting]

    return asyncio.run(results())


def arun(line: Any, count: int) -> Any:
    return asyncio.run(line.arun(count))


async_calls = source | step("async_call", fn=async_call, max_in_flight=100)
uneven_async_calls = source | step("uneven_async_call", fn=uneven_async_call, max_in_flight=120, concurrency=30)

ASYNC_CALLS = Case(
    "async calls",
    Contender("by hand: window of tasks", functools.partial(task_window, async_call, 100)),
    (
        Contender("headrace, arun, 100 in flight", functools.partial(arun, async_calls), target=1.03),
        Contender("headrace, run, 100 in flight", async_calls.run),
    ),
    items=3_000,
    right=lambda count, result: result == list(range(count)),
    repeats=1,
)

UNEVEN_ASYNC_CALLS = Case(
    "uneven async calls",
    Contender("by hand: window of 30 tasks", functools.partial(task_window, uneven_async_call, 30)),
    (Contender("headrace, 120 in flight, 30 at once", functools.partial(arun, uneven_async_calls), target=0.5),),
    items=600,
    right=lambda count, result: result == list(range(count)),
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


# -- three trivial async functions -------------------------------------------------------------------------


async def async_plus_one(number: int) -> int:
    return number + 1


async def async_doubled(number: int) -> int:
    return number * 2


async def async_minus_three(number: int) -> int:
    return number - 3


async def async_each_plus_one(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in items:
        yield await async_plus_one(item)


async def async_each_doubled(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in items:
        yield await async_doubled(item)


async def async_each_minus_three(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in items:
        yield await async_minus_three(item)


async def numbers_async(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def async_generators(count: int) -> list[int]:
    async def results() -> list[int]:
        return [
            item async for item in async_each_minus_three(async_each_doubled(async_each_plus_one(numbers_async(count))))
        ]

    return asyncio.run(results())


def one_async_loop(count: int) -> list[int]:
    async def results() -> list[int]:
        return [await async_minus_three(await async_doubled(await async_plus_one(number))) for number in numbers(count)]

    return asyncio.run(results())


async_line = source | async_plus_one | async_doubled | async_minus_three

ASYNC_LINE = Case(
    "3 async functions",
    Contender("by hand: async generators", async_generators),
    (
        Contender("headrace, arun", functools.partial(arun, async_line), target=1.0),
        Contender("headrace, run", async_line.run),
        Contender("by hand: one loop", one_async_loop),
    ),
    items=100_000,
    right=lambda count, result: result == [(number + 1) * 2 - 3 for number in range(count)],
)


# -- one item in a hundred fails ---------------------------------------------------------------------------


def checked(number: int) -> int:
    if number % 100 == 0:
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
    Contender("headrace, nothing fails", skipping(plus_one).run),
    (
        Contender("headrace, 1 % fails", quietly(skipping(checked).run), target=1.5),
        Contender("headrace, on_error='raise'", (source | plus_one).run),
        Contender("by hand: try in one loop, 1 % fails", skipped_in_one_loop),
    ),
    items=500_000,
    right=most_results_there,
)

CATCH = Case(
    "caught failures",
    Contender("headrace, nothing fails", catching(plus_one, 1).run),
    (
        Contender("headrace, 1 % fails", catching(checked, 1).run, target=1.5),
        Contender("headrace, 64 in flight, nothing fails", catching(plus_one, 64).run),
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


# -- whole processes ---------------------------------------------------------------------------------------

IMPORTING = """
from time import perf_counter
begin = perf_counter()
import {}
print(perf_counter() - begin)
"""

THREE_STEPS = """
from headrace import step

@step
def numbers(count: int):
    yield from range(count)

line = numbers | (lambda number: number + 1) | str
assert line.run(10) == [str(number) for number in range(1, 11)]
"""

IMPORT = Case(
    "import",
    Contender("import asyncio", IMPORTING.format("asyncio")),
    (Contender("import headrace", IMPORTING.format("headrace"), target=2),),
)

PROCESS = Case(
    "whole process",
    Contender("python -c pass", "pass"),
    (
        Contender("headrace, 3 steps, 10 items", THREE_STEPS, target=2.3),
        Contender("import asyncio", "import asyncio"),
    ),
)


# -- long lines --------------------------------------------------------------------------------------------


def line_of(steps: int) -> Pipeline[[int], Stream[int]]:
    """A compiled line of so many steps."""
    line = source | plus_one
    for _ in range(steps - 2):
        line = line | plus_one
    line.dag  # noqa: B018  # compiles it
    return line


kept_line = functools.cache(line_of)


def build_line(steps: int, _: int) -> None:
    line_of(steps)


def run_line(steps: int, count: int) -> None:
    assert kept_line(steps).run(count) == list(range(steps - 1, steps - 1 + count))


def get_ready(steps: int) -> None:
    """Build the line, and load what the first run of a process loads."""
    kept_line(steps)
    run_line(3, 1)


def contenders_of_line(steps: int, build: float, run: float | None) -> tuple[Contender, ...]:
    built, ran = functools.partial(build_line, steps), functools.partial(run_line, steps)
    return (
        Contender(f"build {steps:,} steps", built, build, before=functools.partial(get_ready, 3)),
        Contender(f"run {steps:,} steps, first time", ran, before=functools.partial(get_ready, steps)),
        Contender(f"run {steps:,} steps, again", ran, run, before=functools.partial(run_line, steps, 1)),
    )


LINES = Case(
    "long lines",
    None,
    (*contenders_of_line(200, build=5, run=1.5), *contenders_of_line(1_000, build=1_000, run=None)),
    items=10,
    repeats=1,
)

CASES = (
    PER_ITEM,
    GENERATORS,
    FAN_OUT,
    LONG_FAN_OUT,
    DIAMOND,
    SINKS,
    MERGED,
    MERGED_ASYNC,
    CALLS,
    UNEVEN_CALLS,
    COMPUTING,
    SHORT_CALLS,
    ASYNC_CALLS,
    UNEVEN_ASYNC_CALLS,
    LIMIT,
    LIMIT_IN_THREADS,
    RATE,
    ASYNC_LINE,
    SKIP,
    CATCH,
    CHECKPOINTS,
    IMPORT,
    PROCESS,
    LINES,
)
