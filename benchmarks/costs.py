"""What things cost, in calls of a function: `python -m benchmarks.costs`, with `--write` for docs/costs.md as well.

A cost is the processor's time with the thing less that without it, for each item, beside the call of a plain function
of one argument in the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import os
import platform
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, NamedTuple

from benchmarks.tasks import async_plus_one, numbers, plus_one, total
from headrace import Limit, Pipeline, Retry, Stream, SyncRunner, merge, pipeline, step

__all__: list[str] = []

PAGE = Path(__file__).resolve().parent.parent / "docs" / "costs.md"
BEGIN, END = "<!-- measured -->", "<!-- end of what is measured -->"
Run = Callable[[int], object]


class Cost(NamedTuple):
    """What `with_it` takes longer than `without`, for each of `items` and of what each has so many `times`."""

    what: str
    with_it: Run
    without: Run
    items: int
    times: int = 1


# -- lines -------------------------------------------------------------------------------------------------

source, totalled = step(numbers), step(total)


def passed_on(items: Iterator[int]) -> Iterator[int]:
    for item in items:  # noqa: UP028  # as a step does that changes its items
        yield item


def one(item: int) -> Iterator[int]:
    yield item


def is_there(item: int) -> bool:
    return True


async def passed_on_async(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in items:
        yield item


def line(*parts: Any) -> Any:
    """A line of these that ends in a sum, so that no list of results is paid for."""
    made: Any = source
    for part in parts:
        made = made | part
    return made | totalled


def async_line(function: Any, steps: int) -> Any:
    """Such a line; its items are listed, for a plain function at the end would be handed each by another thread."""
    made: Any = source
    for _ in range(steps):
        made = made | function
    return made


@pipeline
def filtered(count: int) -> int:
    return totalled(source(count).filter(is_there))


@pipeline
def five_times_filtered(count: int) -> int:
    return totalled(source(count).filter(is_there).filter(is_there).filter(is_there).filter(is_there).filter(is_there))


def counted(line: Any) -> Run:
    return lambda count: SyncRunner().execute(line, count)


# -- branches ----------------------------------------------------------------------------------------------


def fan_out(in_flight: int, branches: int) -> Pipeline[[int], tuple[int, ...]]:
    produced = source.options(max_in_flight=in_flight)

    @pipeline
    def fanned_out(count: int) -> tuple[int, ...]:
        found = produced(count)
        return tuple(totalled(found) for _ in range(branches))

    return fanned_out


def totals(branches: int) -> Run:
    def by_hand(count: int) -> None:
        for _ in range(branches):
            total(numbers(count))

    return by_hand


@pipeline
def merged(count: int) -> int:
    return totalled(merge(source(count), source(count)))


# -- elsewhere ---------------------------------------------------------------------------------------------


async def yielding(number: int) -> int:
    await asyncio.sleep(0)
    return number


def step_of(function: Any = plus_one, **options: Any) -> Any:
    return step("called", fn=function, **options)


async def awaiting(count: int) -> None:
    for number in range(count):
        await yielding(number)


def kept(count: int) -> None:
    with TemporaryDirectory() as folder:
        SyncRunner(checkpoint=f"{folder}/kept.db").execute(line(step_of(checkpoint=True)), count)


class ReadBack:
    """Everything is there already, but for the first run, which is not the fastest."""

    def __init__(self) -> None:
        self.folder = TemporaryDirectory()
        self.line = line(step_of(checkpoint=True))

    def __call__(self, count: int) -> None:
        SyncRunner(checkpoint=f"{self.folder.name}/kept.db").execute(self.line, count)


def len_of(items: Iterator[Any]) -> int:
    return sum(1 for _ in items)


@pipeline
def caught(count: int) -> tuple[int, int]:
    results, failures = source(count).map(step_of()).catch()
    return totalled(results), step(len_of)(failures)


# -- runs and builds ---------------------------------------------------------------------------------------


def again(run: Callable[[], object]) -> Run:
    """A run without items, so many times."""

    def runs(times: int) -> None:
        for _ in range(times):
            run()

    return runs


def nothing(count: int) -> None:
    """What costs nothing."""


def build(steps: int) -> None:
    @pipeline
    def made(count: int) -> Stream[int]:
        found = source(count)
        for _ in range(steps):
            found = found.map(plus_one)
        return found


fan_out_1 = fan_out(1, 2)
plain, called = line(), line(plus_one)
in_threads = line(step_of(executor="thread", max_in_flight=30))
limit = Limit(concurrency=1000, rate="1000000000/s", burst=1_000_000)

INSIDE = (
    Cost("a per-item step, its own call included", line(*[plus_one] * 6).run, called.run, 100_000, 5),
    Cost("a generator step", line(*[step(passed_on)] * 6).run, line(step(passed_on)).run, 100_000, 5),
    Cost("a filter, its own call included", five_times_filtered.run, filtered.run, 100_000, 4),
    Cost("a per-item step that gives a generator (flat_map)", line(*[one] * 6).run, line(one).run, 50_000, 5),
    Cost(
        "an async step that does not wait",
        async_line(async_plus_one, 6).run,
        async_line(async_plus_one, 1).run,
        50_000,
        5,
    ),
    Cost("an async generator step", async_line(passed_on_async, 6).run, async_line(passed_on_async, 1).run, 50_000, 5),
    Cost(
        "a report, for each step (`execute` in place of `run`)",
        counted(line(*[step(passed_on)] * 6)),
        line(*[step(passed_on)] * 6).run,
        50_000,
        6,
    ),
)
BETWEEN = (
    Cost("a channel, `max_in_flight=64`, for each branch", fan_out(64, 2).run, totals(2), 50_000, 2),
    Cost(
        "a channel, `max_in_flight=1`, for each branch: one fiber switch in two",
        fan_out(1, 2).run,
        totals(2),
        50_000,
        2,
    ),
    Cost(
        "a channel, `max_in_flight=1`, 10 branches, for each: a fiber switch",
        fan_out(1, 10).run,
        totals(10),
        10_000,
        10,
    ),
    Cost("a merge of two streams", merged.run, lambda count: total(numbers(count)) + total(numbers(count)), 50_000, 2),
)
CALLS = (
    Cost("a call in a thread, 30 in flight", in_threads.run, plain.run, 5_000),
    Cost(
        "a call in a process, 64 in flight", line(step_of(executor="process", max_in_flight=64)).run, plain.run, 20_000
    ),
    Cost(
        "an async call in a task, 30 in flight",
        line(step_of(yielding, max_in_flight=30)).run,
        lambda count: asyncio.run(awaiting(count)),
        5_000,
    ),
    Cost(
        "a generator in a thread, 64 in flight",
        (step_of(numbers, executor="thread", max_in_flight=64) | totalled).run,
        plain.run,
        10_000,
    ),
)
OPTIONS = (
    Cost('`on_error="skip"`, nothing fails', line(step_of(on_error="skip")).run, called.run, 100_000),
    Cost("`.catch()`, nothing fails", caught.run, called.run, 50_000),
    Cost("`retry=`, nothing fails", line(step_of(retry=Retry(on=OSError, attempts=3))).run, called.run, 50_000),
    Cost("`limit=`, never held back", line(step_of(limit=limit)).run, called.run, 20_000),
    Cost(
        "`limit=`, never held back, in threads",
        line(step_of(limit=limit, executor="thread", max_in_flight=30)).run,
        in_threads.run,
        5_000,
    ),
    Cost("`checkpoint=True`, made and kept", kept, called.run, 5_000),
    Cost("`checkpoint=True`, read back", ReadBack(), called.run, 5_000),
)
ONCE = (
    Cost("a run of a line", again(lambda: called.run(0)), nothing, 200),
    Cost("a run with a fan-out", again(lambda: fan_out_1.run(0)), nothing, 200),
    Cost("a run that needs a thread", again(lambda: in_threads.run(0)), nothing, 100),
    Cost("to build a pipeline, for each step", build, nothing, 200),
)
TABLES = {
    "In a line, for each item": INSIDE,
    "Where streams part and meet, for each item": BETWEEN,
    "Calls elsewhere, for each call": CALLS,
    "What an option adds, for each call": OPTIONS,
    "Once": ONCE,
}

# -- measuring ---------------------------------------------------------------------------------------------


def seconds_of(run: Run, items: int) -> float:
    gc.collect()
    begin = processor_time()
    run(items)
    return processor_time() - begin


def processor_time() -> float:
    """In seconds, of all threads and of the processes that have ended: what else the machine does is not in it."""
    times = os.times()
    return process_time() + times.children_user + times.children_system


def calls(count: int) -> None:
    for number in itertools.repeat(1, count):
        plus_one(number)


def no_calls(count: int) -> None:
    for number in itertools.repeat(1, count):
        number  # noqa: B018


def fastest(run: Run, items: int) -> float:
    return min(seconds_of(run, items) for _ in range(3))


def one_call() -> float:
    """The seconds that a call takes."""
    return (fastest(calls, 200_000) - fastest(no_calls, 200_000)) / 200_000


def measured(cost: Cost) -> float:
    """The cost, in calls."""
    unit = one_call()
    taken = fastest(cost.with_it, cost.items) - fastest(cost.without, cost.items)
    return taken / cost.items / cost.times / unit


def table(costs: tuple[Cost, ...], rounds: int) -> Iterator[tuple[str, float]]:
    for cost in costs:
        cost.with_it(cost.items // 10)  # what is loaded at first use
        yield cost.what, median(measured(cost) for _ in range(rounds))


def shown(calls: float) -> str:
    if calls < 10:
        return f"{max(calls, 0):.1f}"
    digits = 10 ** (len(str(int(calls))) - 2)
    return f"{round(calls / digits) * digits:,}"  # two digits: no more is known


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs", description="what things cost, in calls")
    parser.add_argument("--rounds", type=int, default=7, help="of which the median counts")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/costs.md")
    options = parser.parse_args()
    parts = [f"A call took {one_call() * 1e9:.0f} ns under CPython {platform.python_version()}.\n"]
    for title, costs in TABLES.items():
        parts += [f"\n| {title} | calls |\n|---|---:|\n"]
        print(f"\n{title}")
        for what, figure in table(costs, options.rounds):
            print(f"  {what:75} {shown(figure):>10}", flush=True)
            parts += [f"| {what} | {shown(figure)} |\n"]
    if options.write:
        text = PAGE.read_text()
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{''.join(parts)}{END}{after}")


if __name__ == "__main__":
    main()
