"""synaflow: steps are wired by the names of their parameters, and pass items through queues between threads.

A run gives nothing back, so a last step keeps what it was given. There are no calls in threads or tasks of its own:
its documentation has one step submit work and the next one resolve it, with `max_in_flight` on the first.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, NamedTuple

from synaflow import PipelineRegistry, async_run, pipeline, run, step

from benchmarks import tasks
from benchmarks.case import Contender
from benchmarks.tasks import IMPORTING

__all__ = ["CONTENDERS"]


class Params(NamedTuple):
    count: int


class Kept(dict[str, Any]):
    """What the last steps of a run were given."""


kept = Kept()


def compiled(*steps: Any) -> Any:
    registry = PipelineRegistry()
    registry.add(pipeline("line", params=Params, steps=list(steps)))
    return registry.get_dag("line")


def giving(*names: str) -> Callable[[Any], Callable[[int], Any]]:
    """A function of the number of items, which gives what was kept."""

    def of(dag: Any) -> Callable[[int], Any]:
        def ran(count: int) -> Any:
            run(dag, Params(count))
            found = tuple(kept.pop(name) for name in names)
            return found if len(found) > 1 else found[0]

        return ran

    return of


def numbers(count: int) -> Iterator[int]:
    yield from range(count)


# -- functions and generators ------------------------------------------------------------------------------


def plus_one(number: int) -> int:
    return number + 1


def doubled(plus_one: int) -> int:
    return plus_one * 2


def minus_three(doubled: int) -> int:
    return doubled - 3


def negated(minus_three: int) -> int:
    return -minus_three


def keep_negated(negated: list[int]) -> None:
    kept["items"] = negated


def add_one(numbers: Iterator[int]) -> Iterator[int]:
    yield from tasks.add_one(numbers)


def double(add_one: Iterator[int]) -> Iterator[int]:
    yield from tasks.double(add_one)


def take_three(double: Iterator[int]) -> Iterator[int]:
    yield from tasks.take_three(double)


def negate(take_three: Iterator[int]) -> Iterator[int]:
    yield from tasks.negate(take_three)


def keep_negate(negate: list[int]) -> None:
    kept["items"] = negate


def steps_of(*functions: Callable[..., Any]) -> list[Any]:
    return [step(function.__name__, fn=function) for function in functions]


four_functions = compiled(*steps_of(numbers, plus_one, doubled, minus_three, negated, keep_negated))
four_generators = compiled(*steps_of(numbers, add_one, double, take_three, negate, keep_negate))


# -- two consumers -----------------------------------------------------------------------------------------


def keep_total(numbers: Iterator[int]) -> None:
    kept["total"] = tasks.total(numbers)


def keep_highest(numbers: Iterator[int]) -> None:
    kept["highest"] = tasks.highest(numbers)


def fan_out(in_flight: int) -> Callable[[int], Any]:
    source = step("numbers", fn=numbers, max_in_flight=in_flight)
    return giving("total", "highest")(compiled(source, *steps_of(keep_total, keep_highest)))


def twice(number: int) -> int:
    return number * 2


def keep_plus_one(plus_one: list[int]) -> None:
    kept["left"] = plus_one


def keep_twice(twice: list[int]) -> None:
    kept["right"] = twice


def pair(plus_one: int, twice: int) -> tuple[int, int]:
    return plus_one, twice


def keep_pairs(pair: list[tuple[int, int]]) -> None:
    kept["items"] = pair


sinks = compiled(*steps_of(numbers, plus_one, twice, keep_plus_one, keep_twice))
diamond = compiled(*steps_of(numbers, plus_one, twice, pair, keep_pairs))


# -- calls elsewhere ---------------------------------------------------------------------------------------


def resolved(future: Future) -> int:
    return future.result()


def keep_resolved(resolved: list[int]) -> None:
    kept["items"] = resolved


def submitting(function: Callable[[int], int], in_flight: int) -> Callable[[int], Any]:
    def with_pool(pool: ThreadPoolExecutor | ProcessPoolExecutor) -> Any:
        def futures(number: int) -> Future:
            return pool.submit(function, number)

        start = step("futures", fn=futures, max_in_flight=in_flight)
        return compiled(step("numbers", fn=numbers), start, *steps_of(resolved, keep_resolved))

    def ran(count: int) -> Any:
        with ProcessPoolExecutor() if function is tasks.compute else ThreadPoolExecutor(30) as pool:
            return giving("items")(with_pool(pool))(count)

    return ran


async def async_numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def async_submitting(function: Callable[..., Any], in_flight: int) -> Callable[[int], Any]:
    async def started(async_number: int) -> Any:
        return asyncio.create_task(function(async_number))

    async def resolved(started: Any) -> int:
        result: int = await started
        return result

    async def keep_resolved(resolved: list[int]) -> None:
        kept["items"] = resolved

    start = step("started", fn=started, max_in_flight=in_flight)
    dag = compiled(step("async_numbers", fn=async_numbers), start, *steps_of(resolved, keep_resolved))

    def ran(count: int) -> Any:
        asyncio.run(async_run(dag, Params(count)))
        return kept.pop("items")

    return ran


async def async_plus_one(async_number: int) -> int:
    return async_number + 1


async def async_doubled(async_plus_one: int) -> int:
    return async_plus_one * 2


async def async_minus_three(async_doubled: int) -> int:
    return async_doubled - 3


async def keep_async(async_minus_three: list[int]) -> None:
    kept["items"] = async_minus_three


async_line = compiled(*steps_of(async_numbers, async_plus_one, async_doubled, async_minus_three, keep_async))


def three_async_functions(count: int) -> Any:
    asyncio.run(async_run(async_line, Params(count)))
    return kept.pop("items")


# -- processes and long lines ------------------------------------------------------------------------------

THREE_STEPS = """
from collections.abc import Iterator
from typing import NamedTuple
from synaflow import PipelineRegistry, pipeline, run, step

class Params(NamedTuple):
    count: int

def numbers(count: int) -> Iterator[int]:
    yield from range(count)

def more(number: int) -> int:
    return number + 1

def text(more: int) -> str:
    return str(more)

kept = []

def keep(text: list[str]) -> None:
    kept.extend(text)

registry = PipelineRegistry()
steps = [step(function.__name__, fn=function) for function in (numbers, more, text, keep)]
registry.add(pipeline("line", params=Params, steps=steps))
run(registry.get_dag("line"), Params(10))
assert kept == [str(number) for number in range(1, 11)]
"""


def nth(place: int) -> Callable[[Any], int]:
    """A function whose parameter is named after the step before it."""
    names: dict[str, Any] = {}
    exec(f"def step{place}x(step{place - 1}x: int) -> int: return step{place - 1}x + 1", names)
    function: Callable[[Any], int] = names[f"step{place}x"]
    return function


def first(number: int) -> int:
    return number + 1


def keep_last(step198x: list[int]) -> None:
    kept["items"] = step198x


def line_of_200() -> Any:
    places = [step("step0x", fn=first), *steps_of(*map(nth, range(1, 199)))]
    return compiled(step("numbers", fn=numbers), *places, step("keep_last", fn=keep_last))


def build_line(count: int) -> None:
    line_of_200()


lines: list[Any] = []


def run_line(count: int) -> Any:
    lines[:] = lines or [line_of_200()]
    return giving("items")(lines[0])(count)


CONTENDERS = {
    "4 functions": [Contender("", giving("items")(four_functions))],
    "4 generators": [Contender("", giving("items")(four_generators))],
    "fan-out": [Contender("1 in flight", fan_out(1)), Contender("64 in flight", fan_out(64))],
    "per-item sinks": [Contender("", giving("left", "right")(sinks))],
    "diamond": [Contender("", giving("items")(diamond))],
    "blocking calls": [Contender("30 in flight", submitting(tasks.call, 30))],
    "uneven calls": [Contender("120 in flight, 30 threads", submitting(tasks.uneven_call, 120))],
    "calls of 10 ms": [Contender("8 in flight", submitting(tasks.compute, 8))],
    "async calls": [Contender("100 in flight", async_submitting(tasks.async_call, 100))],
    "uneven async calls": [Contender("30 in flight", async_submitting(tasks.uneven_async_call, 30))],
    "3 async functions": [Contender("", three_async_functions)],
    "import": [Contender("", IMPORTING.format("synaflow"))],
    "whole process": [Contender("", THREE_STEPS)],
    "build 200 steps": [Contender("", build_line)],
    "run 200 steps": [Contender("", run_line)],
}
