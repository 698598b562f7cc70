"""Pipelines on Ray: results, ends, failures, and what is refused."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import (
    DeadlockError,
    OptionError,
    RayRunner,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    Stream,
    UnpicklableError,
    WorkerError,
    merge,
    pipeline,
    resource,
    step,
    stream,
    zip_streams,
)


@step(max_in_flight=4)
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step(max_in_flight=4)
def double(number: int) -> int:
    return 2 * number


@step(max_in_flight=4)
async def plus(number: int, more: int) -> int:
    await asyncio.sleep(0)
    return number + more


@step
def total(items: Iterator[int]) -> int:
    return sum(items)


@step(max_in_flight=4, executor="thread")
def in_thread(number: int) -> int:
    return number


@step(max_in_flight=4, executor="process")
def in_process(number: int) -> int:
    return number + os.getpid() * 0


@pipeline
def everything(count: int, more: int = 1) -> tuple[int, list[Any], list[int], list[int]]:
    found = numbers(count)
    doubled = found.map(double)
    sum_of_all = total(doubled)
    again = numbers(count)
    zipped = zip_streams(again, again.map(plus, sum_of_all).map(in_thread))
    both = merge(found.filter(lambda number: number % 2 == 0), doubled).collect(sorted)
    return sum_of_all, zipped.collect(), both, stream(found.collect()).map(in_process).collect()


def test_gives_what_it_gives_anywhere(runner: RayRunner) -> None:
    expected = everything.run(20, 3)
    assert runner.execute(everything, 20, 3).result == expected
    assert runner.execute(everything, 20, more=3).result == expected


def test_report_has_the_counts_of_all_actors(runner: RayRunner) -> None:
    events: list[Any] = []
    observing = RayRunner(observers=[events.append])
    observing._cluster = runner._connected()
    run = observing.execute(numbers | double | total, 10)
    kinds = [type(event) for event in events]
    assert (kinds[0], kinds[-1]) == (RunStarted, RunEnded)
    assert Counter(kinds)[StepStarted] == Counter(kinds)[StepEnded] == 3
    assert len({event.run for event in events}) == 1
    assert run.report == events[-1].report
    assert [(node.items_in, node.items_out) for node in run.report.nodes] == [(0, 10), (10, 10), (10, 1)]
    assert all(edge.taken == 10 and 1 <= edge.highest_in_flight <= 4 for edge in run.report.edges)


def test_items_are_read_one_by_one_and_leaving_early_ends_the_run(runner: RayRunner) -> None:
    with runner.iter(numbers | double, 1_000_000) as items:
        assert [next(items), next(items)] == [0, 2]
    assert list(runner.iter(numbers | double, 3)) == [0, 2, 4]


def test_items_are_read_with_async_for(runner: RayRunner) -> None:
    async def first(count: int) -> list[int]:
        found: list[int] = []
        async with runner.aiter(numbers | double, 1_000_000) as items:
            async for item in items:
                found.append(item)
                if len(found) == count:
                    break
        return found

    assert asyncio.run(first(3)) == [0, 2, 4]


@step
def failing(number: int) -> int:
    if number == 5:
        try:
            raise KeyError("the cause")
        except KeyError as error:
            raise ValueError("five", {"number": number}) from error
    return number


def test_failure_is_the_original_exception_behind_the_items_before_it(runner: RayRunner) -> None:
    got: list[int] = []
    with pytest.raises(ValueError, match="five") as caught:
        for item in runner.iter(numbers | double | step("half", fn=_half) | failing | in_thread | double, 9):
            got.append(item)
    assert got == [0, 2, 4, 6, 8]
    assert caught.value.args == ("five", {"number": 5})
    assert isinstance(caught.value.__cause__, KeyError)
    notes = caught.value.__notes__
    assert len(notes) == 2
    assert notes[0].startswith("headrace: step 'failing' (test_runs.py:")
    assert notes[0].endswith("failed at item 6; path numbers_to_double/failing")
    assert notes[1].startswith("headrace: raised in a worker process:\nTraceback")
    assert "the cause" in notes[1]


def _half(number: int) -> int:
    return number // 2


def test_failure_that_comes_by_two_ways_is_one(runner: RayRunner) -> None:
    @pipeline
    def two_ways(count: int) -> tuple[int, int]:
        found = numbers(count).map(failing).map(in_thread)
        return total(found), total(found.map(double))

    with pytest.raises(ValueError, match="five") as caught:
        runner.execute(two_ways, 9)
    assert len(caught.value.__notes__) == 2


def test_failure_while_a_stream_is_closed_because_of_another_is_a_note_on_that(runner: RayRunner) -> None:
    @step(max_in_flight=4)
    def source() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            raise LookupError("while closing")

    with pytest.raises(ValueError, match="five") as caught:
        runner.execute(source | in_thread | failing | double)
    assert caught.value.__notes__[2:] == ["headrace: then LookupError: while closing"]


def test_skipped_and_caught_failures_are_as_anywhere(runner: RayRunner) -> None:
    @pipeline
    def split(texts: list[str]) -> tuple[list[int], list[Any], list[int]]:
        given = stream(texts)
        good, bad = given.map(step("number", fn=int)).catch()
        skipping = given.map(step("or_less", fn=int, on_error="skip", max_in_flight=3))
        return (
            good.collect(),
            bad.map(lambda failure: (failure.item, str(failure.exception))).collect(),
            skipping.collect(),
        )

    run = runner.execute(split, ["1", "x", "3"])
    assert run.result == ([1, 3], [("x", "invalid literal for int() with base 10: 'x'")], [1, 3])
    [failure] = run.report.node("split/or_less").failures
    assert failure.item == "x"


def test_deadlock_is_found_and_has_the_same_text(runner: RayRunner) -> None:
    @step
    def source(count: int) -> Iterator[int]:
        yield from range(count)

    @pipeline
    def locked(count: int) -> Stream[Any]:
        found = source(count)
        return zip_streams(found.batched(2), found)

    with pytest.raises(DeadlockError) as here:
        locked.run(9)
    with pytest.raises(DeadlockError) as there:
        runner.execute(locked, 9)
    assert str(there.value) == str(here.value)


class Client:
    """Knows in which process it is, and writes down what becomes of it."""

    def __init__(self, log: str) -> None:
        self.log = log
        self.write("made")

    def write(self, text: str) -> None:
        with open(self.log, "a") as file:
            file.write(f"{os.getpid()} {text}\n")

    def __enter__(self) -> Client:
        self.write("entered")
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.write(f"left {error!r}")

    def __reduce__(self) -> Any:
        raise TypeError("a client stays where it is")


@step(max_in_flight=2)
def use(number: int, client: Client) -> int:
    client.write("used")
    return failing.fn(number) if hasattr(failing, "fn") else number


def test_resource_is_made_and_left_in_the_actor_that_uses_it(runner: RayRunner, log: str) -> None:
    @pipeline
    def using(count: int, log: str) -> tuple[int, int]:
        client = resource(Client, log)
        found = numbers(count)
        return total(found.map(use, client)), total(found.map(use, client))

    runner.execute(using, 3, log)
    lines = [line.split(" ", 1) for line in Path(log).read_text().splitlines()]
    actors = {actor for actor, _ in lines}
    assert os.getpid() not in actors
    assert len(actors) == 2
    for each in actors:
        said = [text for actor, text in lines if actor == each]
        assert said == ["made", "entered", "used", "used", "used", "left None"]


def test_resource_that_cannot_be_entered_fails_the_run_before_any_step(runner: RayRunner, log: str) -> None:
    def broken() -> Any:
        raise ConnectionError("no such host")

    @step
    def never(number: int, client: Any, log: str) -> int:
        Path(log).touch()
        return number

    @pipeline
    def using(count: int, log: str) -> int:
        return total(numbers(count).map(never, resource(broken), log))

    with pytest.raises(ConnectionError, match="no such host"):
        runner.execute(using, 3, log)
    assert not os.path.exists(log)


def test_generators_are_closed_before_control_comes_back(runner: RayRunner, log: str) -> None:
    @step(max_in_flight=3)
    def endless(log: str) -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            with open(log, "a") as file:
                file.write("closed")

    with runner.iter(endless | double, log) as items:
        next(items)
    assert Path(log).read_text() == "closed"


def test_what_cannot_travel_is_named(runner: RayRunner) -> None:
    @step(max_in_flight=2)
    def clients(log: str) -> Iterator[Any]:
        yield "first"
        yield Client(log)

    items = runner.iter(clients, os.devnull)
    assert next(items) == "first"
    with pytest.raises(UnpicklableError) as caught:
        next(items)
    assert "step 'clients' (test_runs.py:" in str(caught.value)
    assert "an item of it, Client, cannot be pickled to go to another actor (a client stays where it is)" in str(
        caught.value
    )
    with pytest.raises(UnpicklableError, match=r"argument 'numbers_to_total\(count\)': cannot be pickled"):
        runner.execute(numbers | total, Client(os.devnull))


def test_what_ray_cannot_do_is_refused_at_once(runner: RayRunner) -> None:
    with pytest.raises(OptionError, match="RayRunner: options must be for steps of pipeline 'numbers', got fetch"):
        RayRunner(options={"fetch": {"num_cpus": 1}}).execute(numbers, 3)
    with pytest.raises(WorkerError, match="step 'numbers': needs 3 gold, got a cluster that has 0"):
        RayRunner(options={"numbers": {"resources": {"gold": 3}}}).execute(numbers, 3)
    with pytest.raises(OptionError, match="address must be a text, such as 'local' or 'auto', got 3"):
        RayRunner(3)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"options of step 'numbers' .* got max_restarts"):
        RayRunner(options={"numbers": {"max_restarts": 3}})


def test_step_with_options_has_an_actor_of_its_own(runner: RayRunner) -> None:
    @step
    def where(items: Iterator[int]) -> Iterator[int]:
        yield from items
        yield os.getpid()

    @step
    def there(items: Iterator[int]) -> Iterator[int]:
        yield from items
        yield os.getpid()

    alone = RayRunner(options={"there": {"num_cpus": 0.5}})
    *_, one, two = alone.execute(step("few", fn=_few) | where | there).result
    assert one != two
    *_, one, two = runner.execute(step("few", fn=_few) | where | there).result
    assert one == two


def _few() -> Iterator[int]:
    yield from range(3)


@step(max_in_flight=3)
async def ticks(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


def test_async_generators_and_inner_pipelines(runner: RayRunner) -> None:
    @pipeline
    def squared(number: int) -> int:
        return step("square", fn=lambda n: n * n)(number)

    @pipeline
    def sums(count: int) -> Stream[int]:
        return ticks(count).map(squared)

    assert runner.execute(sums, 5).result == [0, 1, 4, 9, 16]
