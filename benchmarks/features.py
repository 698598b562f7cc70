"""What can be tried of headrace and its peers: `python -m benchmarks.features` prints it, for docs/comparison.md.

A source of 10,000 numbers, a call for each, and a reader who takes three results and then holds still: how many numbers
were asked for by then? Then the reader leaves: how many threads are still there a second later, and is the source
closed?
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

__all__: list[str] = []

HELD = 0.3  # seconds for which the reader holds still
LONGEST = 30
seen: dict[str, Any] = {}


def numbers(count: int = 10_000) -> Iterator[int]:
    seen["asked"] = seen["closed"] = 0
    try:
        for number in range(count):
            seen["asked"] += 1
            yield number
    finally:
        seen["closed"] = time.perf_counter()


def call(number: int) -> int:
    time.sleep(0.001)
    return number


async def async_call(number: int) -> int:
    await asyncio.sleep(0.001)
    return number


def three_of(items: Iterator[int]) -> None:
    for _ in range(3):
        next(items)
    time.sleep(HELD)
    seen["in hand"] = seen["asked"]


async def three_of_async(items: AsyncIterator[int]) -> None:
    for _ in range(3):
        await anext(items)
    await asyncio.sleep(HELD)
    seen["in hand"] = seen["asked"]


def headrace_plain() -> None:
    from headrace import step

    with (step(numbers) | call).iter() as items:
        three_of(items)


def headrace_threads() -> None:
    from headrace import step

    with (step(numbers) | step("call", fn=call, executor="thread", max_in_flight=4)).iter() as items:
        three_of(items)


def streamable_plain() -> None:
    from streamable import stream

    three_of(iter(stream(numbers()).map(call)))


def streamable_threads() -> None:
    from streamable import stream

    three_of(iter(stream(numbers()).map(call, concurrency=4)))


def pypeln_plain() -> None:
    import pypeln as pl

    three_of(iter(pl.sync.map(call, numbers())))


def pypeln_threads() -> None:
    import pypeln as pl

    three_of(iter(pl.thread.map(call, numbers(), workers=4, maxsize=4)))


def pyper_plain() -> None:
    from pyper import task

    with closing((task(numbers, branch=True) | task(call))()) as items:
        three_of(items)


def pyper_threads() -> None:
    from pyper import task

    line = task(numbers, branch=True, throttle=4) | task(call, workers=4, throttle=4)
    with closing(line()) as items:
        three_of(items)


def aiostream_plain() -> None:
    from aiostream import pipe, stream

    async def run() -> None:
        async with (stream.iterate(numbers()) | pipe.map(call)).stream() as items:
            await three_of_async(aiter(items))

    asyncio.run(run())


def aiostream_threads() -> None:  # it has no threads: in tasks
    from aiostream import pipe, stream

    async def run() -> None:
        async with (stream.iterate(numbers()) | pipe.map(async_call, task_limit=4)).stream() as items:
            await three_of_async(aiter(items))

    asyncio.run(run())


def reactivex_plain() -> None:
    import reactivex as rx
    from reactivex import operators as ops

    def take(item: int) -> None:
        if item == 2:
            time.sleep(HELD)
            seen["in hand"] = seen["asked"]

    rx.from_iterable(numbers()).pipe(ops.map(call), ops.take(3)).subscribe(take)


def reactivex_threads() -> None:
    import reactivex as rx
    from reactivex import operators as ops
    from reactivex.scheduler import ThreadPoolScheduler

    pool = ThreadPoolScheduler(4)
    done = threading.Event()

    def take(item: int) -> None:
        if item == 2:
            time.sleep(HELD)
            seen["in hand"] = seen["asked"]

    def called(number: int) -> Any:
        return rx.from_callable(lambda: call(number), pool)

    line = rx.from_iterable(numbers()).pipe(ops.map(called), ops.merge(max_concurrent=4), ops.take(3))
    line.subscribe(take, on_completed=done.set)
    done.wait(5)


def trying(library: str, way: str) -> None:
    threads = threading.active_count()
    began = time.perf_counter()
    globals()[f"{library}_{way}"]()
    gc.collect()
    left = time.perf_counter()
    time.sleep(1)
    closed = "closed" if seen["closed"] else "open"
    more = threading.active_count() - threads
    print(f"{library:12} {way:8} asked for {seen['in hand']:6,}; source {closed}, {more} threads left", end="")
    print(f", {left - began - HELD:.1f} s until it was left", flush=True)


def main() -> None:
    for library in ("headrace", "streamable", "aiostream", "reactivex", "pypeln", "pyper"):
        for way in ("plain", "threads"):
            command = [sys.executable, "-m", "benchmarks.features", library, way]
            try:
                subprocess.run(command, timeout=LONGEST, stdin=subprocess.DEVNULL)
            except subprocess.TimeoutExpired:
                print(f"{library:12} {way:8} is not over after {LONGEST} s", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        trying(*sys.argv[1:])
    else:
        main()
