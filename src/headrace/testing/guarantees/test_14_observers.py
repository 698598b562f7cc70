"""Section 14 of the guarantees."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import msgspec
import pytest

from headrace import (
    Blocked,
    CallEnded,
    CallStarted,
    DeadlockError,
    DeadlockFound,
    Event,
    ItemFailed,
    ItemRetried,
    Retry,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    Unblocked,
    pipeline,
    step,
    zip_streams,
)

Run = Callable[..., Any]


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step(max_in_flight=3)
async def doubled(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


@step
async def letters(count: int) -> AsyncIterator[str]:
    for number in range(count):
        yield "abcdefghij"[number]


@step(executor="thread", max_in_flight=2)
def echoed(items: Iterator[int]) -> Iterator[int]:
    yield from items


@step
def total(items: list[int]) -> int:
    return sum(items)


@step
def whole(items: Iterator[int]) -> int:
    return sum(items)


@pipeline
def of_every_kind(count: int) -> tuple[int, int, list[str], list[int]]:
    """Steps of every kind, in every place, but for worker processes."""
    given = numbers(count)
    odd = given.filter(step("odd", fn=lambda number: number % 2))
    repeated = echoed(numbers(count)).flat_map(step("repeat", fn=lambda number: [number] * number))
    return total(given.map(doubled).collect()), whole(odd), letters(count).map(str.upper).collect(), repeated.collect()


@step
def collected(items: Iterator[Any]) -> list[Any]:
    return list(items)


@step
def last(items: list[Any]) -> Any:
    return items[-1]


def list_of(count: int) -> list[int]:
    return [0] * count


async def list_in_task(count: int) -> list[int]:
    return [0] * count


class Hearing:
    """An observer that hears some events, and keeps them."""

    def __init__(self, *hears: type) -> None:
        self.hears = hears
        self.events: list[Any] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)


def of(kind: type, events: list[Any]) -> list[Any]:
    return [event for event in events if type(event) is kind]


async def inverse_in_task(number: int) -> float:
    await asyncio.sleep(0)
    return 1 / (number - 3)


def inverse(number: int) -> float:
    return 1 / (number - 3)


def spread(number: int) -> Iterator[float]:
    yield number
    yield 1 / (number - 3)


CALLED: dict[str, Any] = {
    "inline": step("called", fn=inverse),
    "ahead": step("called", fn=inverse, max_in_flight=3),
    "thread": step("called", fn=inverse, executor="thread"),
    "threads": step("called", fn=inverse, executor="thread", max_in_flight=3),
    "task": step("called", fn=inverse_in_task),
    "tasks": step("called", fn=inverse_in_task, max_in_flight=3),
    "processes": step("called", fn=inverse, executor="process", max_in_flight=2),
    "flat_map": step("called", fn=spread),
}
each_call: pytest.MarkDecorator = pytest.mark.parametrize("called", CALLED.values(), ids=CALLED)


def test_14_1_a_run_tells_of_its_begin_first_and_of_its_end_last(run_observed: Run) -> None:
    events: list[Any] = []
    run_observed([events.append], of_every_kind, 5)
    assert [type(event) for event in (events[0], events[-1])] == [RunStarted, RunEnded]
    assert events[0].dag is events[-1].dag is of_every_kind.dag
    assert len({event.run for event in events}) == 1
    assert events[-1].seconds > 0


def test_14_1_runs_have_numbers_of_their_own(run_observed: Run) -> None:
    events: list[Any] = []
    run_observed([events.append], numbers, 1)
    run_observed([events.append], numbers, 1)
    first, second = dict.fromkeys(event.run for event in events)
    assert first < second


def test_14_1_every_step_begins_and_ends_once(run_observed: Run) -> None:
    events: list[Any] = []
    run_observed([events.append], of_every_kind, 5)
    begun = [event.node.id for event in of(StepStarted, events)]
    ended = [event.node.id for event in of(StepEnded, events)]
    steps = [node.id for node in of_every_kind.dag.nodes if node.function is not None]
    assert sorted(begun) == sorted(ended) == sorted(steps)


def test_14_1_a_step_that_ends_has_the_counts_of_the_report(run_observed: Run) -> None:
    events: list[Any] = []
    run_observed([events.append], of_every_kind, 5)
    report = events[-1].report.counts()
    for event in of(StepEnded, events):
        assert msgspec.structs.replace(event.report, seconds=0.0) == report.node(event.node.id)


@each_call
def test_14_1_a_step_that_is_left_early_has_the_counts_of_the_report(run_observed: Run, called: Any) -> None:
    @step
    def first_two(items: Iterator[float]) -> list[float]:
        return list(islice(items, 2))

    events: list[Any] = []
    run_observed([events.append], numbers | called | first_two, 3)
    report = events[-1].report.counts()
    ended = of(StepEnded, events)
    assert len(ended) == 3
    for event in ended:
        assert msgspec.structs.replace(event.report, seconds=0.0) == report.node(event.node.id)


@pytest.mark.parametrize(
    "first",
    [
        numbers | collected,
        letters | collected,
        numbers | doubled | collected,
        numbers | echoed | collected,
        step("value", fn=list_of),
        step("thread", fn=list_of, executor="thread"),
        step("task", fn=list_in_task),
    ],
    ids=["source", "source in a task", "tasks", "thread", "value", "value in a thread", "value in a task"],
)
def test_14_1_a_step_ends_before_those_begin_that_need_its_value(run_observed: Run, first: Any) -> None:
    @pipeline
    def both(count: int) -> Any:
        return last(first(count))

    events: list[Any] = []
    run_observed([events.append], both, 5)
    said = [(type(event), event.node.name) for event in events if hasattr(event, "node")]
    names = {name for _, name in said} - {"last"}
    assert all(said.index((StepEnded, name)) < said.index((StepStarted, "last")) for name in names)


def test_14_1_steps_of_a_run_that_fails_end_too(run_observed: Run) -> None:
    @pipeline
    def fails(count: int) -> int:
        return total(numbers(count).map(doubled).map(lambda n: 1 // n).collect())

    events: list[Any] = []
    with pytest.raises(ZeroDivisionError) as caught:
        run_observed([events.append], fails, 5)
    begun = [event.node.id for event in of(StepStarted, events)]
    assert sorted(begun) == sorted(event.node.id for event in of(StepEnded, events))
    assert events[-1].failure is caught.value


@pytest.mark.parametrize("options", [{}, {"max_in_flight": 3}, {"executor": "thread", "max_in_flight": 3}])
def test_14_2_failures_that_are_skipped_are_told_of(run_observed: Run, options: dict[str, Any]) -> None:
    inverse = step("inverse", fn=lambda n: 12 // (n % 3), on_error="skip", **options)
    events: list[Any] = []
    run_observed([events.append], numbers | inverse, 6)
    failures = of(ItemFailed, events)
    assert [(event.outcome, event.number, event.item, event.attempts) for event in failures] == [
        ("skipped", 1, 0, 1),
        ("skipped", 4, 3, 1),
    ]
    assert {type(event.exception) for event in failures} == {ZeroDivisionError}
    assert {event.node.name for event in failures} == {"inverse"}


@pytest.mark.parametrize("options", [{}, {"max_in_flight": 3}, {"executor": "thread", "max_in_flight": 3}])
def test_14_2_failures_that_are_caught_are_told_of(run_observed: Run, options: dict[str, Any]) -> None:
    @pipeline
    def split(count: int) -> Any:
        good, bad = numbers(count).map(step("inverse", fn=lambda n: 12 // (n % 3), **options)).catch()
        return good.collect(), bad.collect()

    events: list[Any] = []
    _, failures = run_observed([events.append], split, 6)
    told = of(ItemFailed, events)
    assert [(event.outcome, event.number) for event in told] == [("caught", 1), ("caught", 4)]
    assert [event.exception for event in told] == [failure.exception for failure in failures]


@pytest.mark.parametrize("options", [{}, {"max_in_flight": 3}, {"executor": "thread", "max_in_flight": 3}])
def test_14_2_the_failure_that_stops_the_run_is_told_of_once(run_observed: Run, options: dict[str, Any]) -> None:
    events: list[Any] = []
    with pytest.raises(ZeroDivisionError) as caught:
        run_observed([events.append], numbers | step("inverse", fn=lambda n: 12 // (n - 2), **options) | str, 6)
    [failure] = of(ItemFailed, events)
    assert (failure.outcome, failure.number, failure.node.name) == ("raised", 3, "inverse")
    assert failure.exception is caught.value


def test_14_2_one_failure_too_many_is_told_of_as_raised(run_observed: Run) -> None:
    inverse = step("inverse", fn=lambda n: 1 // 0, on_error="skip", max_failures=1)
    events: list[Any] = []
    with pytest.raises(ZeroDivisionError):
        run_observed([events.append], numbers | inverse, 6)
    assert [event.outcome for event in of(ItemFailed, events)] == ["skipped", "raised"]


def test_14_2_a_generator_that_fails_is_told_of_without_a_number(run_observed: Run) -> None:
    @step
    def broken(count: int) -> Iterator[int]:
        yield count
        raise ValueError("no more")

    events: list[Any] = []
    with pytest.raises(ValueError):
        run_observed([events.append], broken | doubled, 6)
    [failure] = of(ItemFailed, events)
    assert (failure.node.name, failure.number, failure.outcome) == ("broken", None, "raised")


@pytest.mark.parametrize("options", [{}, {"max_in_flight": 3}, {"executor": "thread", "max_in_flight": 3}])
def test_14_2_calls_that_are_made_again_are_told_of(run_observed: Run, options: dict[str, Any]) -> None:
    again = Retry(on=ZeroDivisionError, attempts=2, wait_initial=0.001, wait_jitter=0)
    events: list[Any] = []
    with pytest.raises(ZeroDivisionError):
        run_observed([events.append], numbers | step("inverse", fn=lambda n: 12 // n, retry=again, **options), 2)
    [retried] = of(ItemRetried, events)
    assert (retried.item, retried.attempt, retried.seconds, retried.node.name) == (0, 1, 0.001, "inverse")
    [failed] = of(ItemFailed, events)
    assert (failed.outcome, failed.attempts) == ("raised", 2)
    assert isinstance(retried.exception, ZeroDivisionError)


def test_14_3_an_observer_that_raises_is_logged_and_told_nothing_more(
    run_observed: Run, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []
    events: list[Any] = []

    def broken(event: Event) -> None:
        heard.append(event)
        if isinstance(event, StepStarted):
            raise RuntimeError("an observer")

    with caplog.at_level(logging.ERROR, "headrace"):
        assert run_observed([broken, events.append], numbers | doubled, 3) == [0, 2, 4]
    assert [type(event) for event in heard] == [RunStarted, StepStarted]
    [record] = caplog.records
    assert "is told nothing more" in record.message
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "an observer"
    assert type(events[-1]) is RunEnded


def test_14_3_what_stops_a_run_stops_it_from_an_observer_too(run_observed: Run) -> None:
    def interrupted(event: Event) -> None:
        if isinstance(event, ItemFailed):
            raise KeyboardInterrupt

    events: list[Any] = []
    inverse = step("inverse", fn=lambda n: 1 // n, on_error="skip")
    with pytest.raises(KeyboardInterrupt):
        run_observed([interrupted, events.append], numbers | inverse, 3)
    assert isinstance(events[-1].failure, KeyboardInterrupt)


def test_14_4_an_observer_is_told_what_it_hears(run_observed: Run) -> None:
    starts, nothing = Hearing(StepStarted, RunEnded), Hearing()
    run_observed([starts, nothing], numbers | doubled, 3)
    assert [type(event) for event in starts.events] == [StepStarted, StepStarted, RunEnded]
    assert nothing.events == []


def test_14_4_waits_are_told_to_those_who_ask(run_observed: Run) -> None:
    @pipeline
    def waits(count: int) -> tuple[list[int], int]:
        given = numbers(count)
        return given.map(doubled).collect(), whole(given)

    asks = Hearing(Blocked, Unblocked)
    events: list[Any] = []
    run_observed([asks, events.append], waits, 5)
    assert not of(Blocked, events)
    blocked = [(event.node and event.node.name, event.source.name) for event in of(Blocked, asks.events)]
    assert ("collect", "doubled") in blocked
    assert sorted(blocked, key=repr) == sorted(
        ((event.node and event.node.name, event.source.name) for event in of(Unblocked, asks.events)), key=repr
    )


def test_14_5_a_deadlock_is_told_of(run_observed: Run) -> None:
    @pipeline
    def stuck(count: int) -> Any:
        given = numbers(count)
        return zip_streams(given, given.batched(2))

    events: list[Any] = []
    with pytest.raises(DeadlockError) as caught:
        run_observed([events.append], stuck, 6)
    [found] = of(DeadlockFound, events)
    assert found.error is caught.value is events[-1].failure


@each_call
def test_14_6_calls_are_told_of_where_somebody_asks(run_observed: Run, called: Any) -> None:
    calls = Hearing(CallStarted, CallEnded)
    events: list[Any] = []
    run_observed([calls, events.append], numbers | called, 3)
    assert not [event for event in events if isinstance(event, (CallStarted, CallEnded))]
    begun, ended = of(CallStarted, calls.events), of(CallEnded, calls.events)
    assert [(event.call, event.item) for event in begun] == [(1, 0), (2, 1), (3, 2)]
    assert sorted((event.call, event.item) for event in ended) == [(1, 0), (2, 1), (3, 2)]
    for call in (1, 2, 3):
        kinds = [type(event) for event in calls.events if event.call == call]
        assert kinds == [CallStarted, CallEnded]
    assert all(event.exception is None and event.seconds >= 0 for event in ended)
    assert {event.node.name for event in calls.events} == {"called"}


@each_call
def test_14_6_a_call_that_fails_is_told_of_with_its_exception(run_observed: Run, called: Any) -> None:
    calls = Hearing(CallStarted, CallEnded)
    with pytest.raises(ZeroDivisionError):
        run_observed([calls], numbers | called, 4)
    failed = [event for event in of(CallEnded, calls.events) if event.exception is not None]
    assert [(event.call, event.item, type(event.exception)) for event in failed] == [(4, 3, ZeroDivisionError)]


def test_14_6_a_step_that_is_called_once_is_told_of_as_one_call(run_observed: Run) -> None:
    calls = Hearing(CallStarted, CallEnded)
    run_observed([calls], of_every_kind, 4)
    once = [(type(event), event.call, event.item) for event in calls.events if event.node.name == "whole"]
    assert once == [(CallStarted, 1, None), (CallEnded, 1, None)]


PLACE: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="outside")


class Marked:
    """What says in a context variable where code runs."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.before: str = ""

    def __enter__(self) -> None:
        self.before = PLACE.get()
        PLACE.set(self.place)

    def __exit__(self, *failure: object) -> None:
        assert PLACE.get() == self.place
        PLACE.set(self.before)


class Marks(Hearing):
    """Marks the code of runs, steps and calls."""

    def around(self, event: Any) -> Callable[[], Marked]:
        name = "run" if isinstance(event, RunStarted) else event.node.name
        return partial(Marked, f"{name} {event.call}" if isinstance(event, CallStarted) else name)


def places_read(items: Iterator[Any]) -> Iterator[str]:
    yield PLACE.get()
    for _ in items:
        yield PLACE.get()


async def places_read_in_task(items: AsyncIterator[Any]) -> AsyncIterator[str]:
    async for _ in items:
        await asyncio.sleep(0)
        yield PLACE.get()


async def place_in_task(item: object) -> str:
    await asyncio.sleep(0)
    return PLACE.get()


def place(item: object) -> str:
    return PLACE.get()


def places(item: object) -> Iterator[str]:
    yield PLACE.get()
    yield PLACE.get()


def places_in_all(items: Iterator[Any]) -> list[str]:
    return [PLACE.get() for _ in items]


@pipeline
def of_places(count: int) -> Any:
    """What code of every kind sees, while the others take turns with it."""
    given = numbers(count)
    return (
        given.map(step("map", fn=place)).collect(),
        given.map(step("threads", fn=place, executor="thread", max_in_flight=2)).collect(),
        given.map(step("task", fn=place_in_task)).collect(),
        given.map(step("tasks", fn=place_in_task, max_in_flight=2)).collect(),
        given.flat_map(step("flat", fn=places)).collect(),
        step("read", fn=places_read, mode="all")(given).collect(),
        step("thread", fn=places_read, mode="all", executor="thread")(given).collect(),
        step("loop", fn=places_read_in_task, mode="all")(given).collect(),
        step("once", fn=places_in_all, mode="all")(given),
    )


NAMES = ["map", "threads", "task", "tasks", "flat", "read", "thread", "loop", "once"]


def test_14_7_the_code_of_a_step_is_within_what_is_around_that_step(run_observed: Run) -> None:
    seen = run_observed([Marks(StepStarted)], of_places, 4)
    assert [set(found) for found in seen] == [{name} for name in NAMES]
    assert PLACE.get() == "outside"


def test_14_7_a_call_is_within_what_is_around_that_call(run_observed: Run) -> None:
    seen = run_observed([Marks(RunStarted, StepStarted, CallStarted)], of_places, 2)
    for name, found in list(zip(NAMES, seen, strict=True))[:4]:
        assert sorted(found) == [f"{name} 1", f"{name} 2"]
    assert seen[4] == ["flat 1", "flat 1", "flat 2", "flat 2"]
    assert set(seen[-1]) == {"once 1"}


def test_14_7_all_of_a_run_is_within_what_is_around_the_run(run_observed: Run) -> None:
    seen = run_observed([Marks(RunStarted)], of_places, 4)
    assert {each for found in seen for each in found} == {"run"}
    assert PLACE.get() == "outside"


@pytest.mark.parametrize("fails", ["around", "enter", "leave"])
def test_14_7_what_fails_around_code_is_logged_and_left_out(
    run_observed: Run, fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def __enter__(self) -> None:
            if fails == "enter":
                raise RuntimeError("an observer")

        def __exit__(self, *failure: object) -> None:
            if fails == "leave":
                raise RuntimeError("an observer")

    class Breaks(Hearing):
        def around(self, event: Any) -> Any:
            if fails == "around":
                raise RuntimeError("an observer")
            return Broken

    breaks = Breaks(StepStarted, RunEnded)
    with caplog.at_level(logging.ERROR, "headrace"):
        assert run_observed([breaks], numbers | step("double", fn=lambda n: n * 2), 3) == [0, 2, 4]
    assert "and is " in caplog.records[0].message
    assert {str(record.exc_info[1]) for record in caplog.records if record.exc_info} == {"an observer"}
    assert len(caplog.records) <= 2  # once for each step
    assert not of(RunEnded, breaks.events)
