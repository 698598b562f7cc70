"""Section 11 of the guarantees."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import functools
import itertools
import logging
import math
import pickle
import re
import sqlite3
import threading
from collections import namedtuple
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest

from headrace import AsyncRunner, Checkpoint, CheckpointError, Stream, SyncRunner, pipeline, resource, step, stream
from headrace.engine.encoding import identity
from headrace.stores import AT_MOST, SqliteStore, runs_in

RunKept = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "kept.db"


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


class Broken(Exception):
    pass


class Calls:
    """Functions that note what they are called with, and fail at `broken`."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.broken: Any = None

    def note(self, item: Any) -> None:
        self.made.append(item)
        if item == self.broken:
            raise Broken(item)

    def square(self, number: int) -> int:
        self.note(number)
        return number * number

    async def square_later(self, number: int) -> int:
        await asyncio.sleep(0)
        return self.square(number)

    def odd(self, number: int) -> bool:
        self.note(number)
        return bool(number % 2)

    async def odd_later(self, number: int) -> bool:
        return self.odd(number)

    def each(self, number: int) -> Iterator[tuple[int, str]]:
        yield from ((number, str(place)) for place in range(number))
        self.note(number)

    def listed(self, number: int) -> list[int]:
        self.note(number)
        return [number] * number

    async def each_later(self, number: int) -> AsyncIterator[int]:
        for place in range(number):
            yield place
        self.note(number)

    async def listed_later(self, number: int) -> list[int]:
        return self.listed(number)


def line(kind: str, function: Any, **options: Any) -> Any:
    return line_of(kind, step("kept", fn=function, checkpoint=True, **options))


def line_of(kind: str, kept: Any) -> Any:
    @pipeline
    def body(count: int) -> Stream[Any]:
        return getattr(numbers(count), kind)(kept)  # type: ignore[no-any-return]

    return body


FORMS: dict[str, Callable[[Calls], Any]] = {
    "map": lambda calls: line("map", calls.square),
    "map, ahead": lambda calls: line("map", calls.square, max_in_flight=3),
    "map, threads": lambda calls: line("map", calls.square, max_in_flight=3, executor="thread"),
    "map, async": lambda calls: line("map", calls.square_later),
    "map, async ahead": lambda calls: line("map", calls.square_later, max_in_flight=3),
    "filter": lambda calls: line("filter", calls.odd),
    "filter, threads": lambda calls: line("filter", calls.odd, max_in_flight=3, executor="thread"),
    "filter, async": lambda calls: line("filter", calls.odd_later),
    "filter, async ahead": lambda calls: line("filter", calls.odd_later, max_in_flight=3),
    "generator": lambda calls: line("flat_map", calls.each),
    "list": lambda calls: line("flat_map", calls.listed),
    "async generator": lambda calls: line("flat_map", calls.each_later),
    "async list": lambda calls: line("flat_map", calls.listed_later),
}
each_form: pytest.MarkDecorator = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


# -- 11.1: finished, failed ----------------------------------------------------------------------------------


@each_form
def test_11_1_failed_run_goes_on_where_it_was(run_kept: RunKept, store: Path, form: Callable[[Calls], Any]) -> None:
    calls = Calls()
    body = form(calls)
    expected = body.run(9)
    calls.made.clear()
    calls.broken = 5
    with pytest.raises(Broken):
        run_kept(store, body, 9)
    finished = [item for item in calls.made if item != 5]
    assert set(finished) >= {0, 1, 2, 3, 4}
    calls.made.clear()
    calls.broken = None
    assert run_kept(store, body, 9) == expected
    assert sorted(finished + calls.made) == list(range(9))
    calls.made.clear()
    assert run_kept(store, body, 9) == expected
    assert calls.made == []


@each_form
def test_11_1_results_are_those_of_a_run_without_checkpoint(
    run_kept: RunKept, store: Path, form: Callable[[Calls], Any]
) -> None:
    body = form(Calls())
    assert run_kept(store, body, 7) == run_kept(store, body, 9)[: len(body.run(7))] == body.run(7)


def test_11_1_failure_that_is_skipped_keeps_nothing(run_kept: RunKept, store: Path) -> None:
    calls = Calls()
    body = line("map", calls.square, on_error="skip")
    calls.broken = 2
    assert run_kept(store, body, 4) == [0, 1, 9]
    calls.broken = None
    calls.made.clear()
    assert run_kept(store, body, 4) == [0, 1, 4, 9]
    assert calls.made == [2]


def test_11_1_any_runner_goes_on_for_another(store: Path) -> None:
    calls = Calls()
    body = line("map", calls.square_later, max_in_flight=2)
    SyncRunner(checkpoint=store).execute(body, 3)
    assert asyncio.run(AsyncRunner(checkpoint=str(store)).execute(body, 5)).result == [0, 1, 4, 9, 16]
    assert sorted(calls.made) == [0, 1, 2, 3, 4]


def test_11_1_event_loop_goes_on_while_results_are_read_back(store: Path) -> None:
    calls = Calls()
    body = line("map", calls.square_later, max_in_flight=3)
    turns: list[None] = []

    async def main(count: int) -> Any:
        async def others() -> None:
            while True:
                await asyncio.sleep(0)
                turns.append(None)

        other = asyncio.create_task(others())
        await AsyncRunner(checkpoint=store).execute(body, count)
        other.cancel()

    asyncio.run(main(1000))
    turns.clear()
    asyncio.run(main(1000))
    assert len(calls.made) == 1000
    assert len(turns) > 5


def test_11_1_without_a_checkpoint_every_call_is_made(store: Path) -> None:
    calls = Calls()
    body = line("map", calls.square)
    SyncRunner(checkpoint=store).execute(body, 2)
    SyncRunner().execute(body, 2)
    body.run(2)
    assert list(body.iter(2)) == [0, 1]
    assert calls.made == [0, 1] * 4


def test_11_1_other_steps_run_again(run_kept: RunKept, store: Path) -> None:
    log: list[str] = []

    @step
    def source() -> Iterator[int]:
        log.append("source")
        yield from [1, 2]

    @step(checkpoint=True)
    def kept(number: int) -> int:
        log.append(f"kept {number}")
        return number

    @step
    def totals(items: Iterator[int]) -> Iterator[int]:
        log.append("totals")
        yield from itertools.accumulate(items)

    def last(number: int) -> int:
        log.append(f"last {number}")
        return number

    body = source | kept | totals | last
    assert run_kept(store, body) == [1, 3]
    assert sorted(log) == ["kept 1", "kept 2", "last 1", "last 3", "source", "totals"]
    log.clear()
    assert run_kept(store, body) == [1, 3]
    assert sorted(log) == ["last 1", "last 3", "source", "totals"]


@pytest.mark.parametrize("executor", ["inline", "thread"])
def test_11_1_step_that_is_called_once_with_values_keeps_its_result(
    run_kept: RunKept, store: Path, executor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls()

    @step(checkpoint=True, executor=executor)
    def total(items: list[int]) -> int:
        calls.note(tuple(items))
        return sum(items)

    @step(checkpoint=True)
    async def doubled(number: int) -> int:
        calls.note(number)
        return number * 2

    @pipeline
    def body(count: int) -> int:
        return doubled(total(numbers(count).collect()))

    assert [run_kept(store, body, count) for count in (3, 4, 3)] == [6, 12, 6]
    assert calls.made == [(0, 1, 2), 3, (0, 1, 2, 3), 6]
    assert caplog.messages == []


def test_11_1_filter_keeps_whether_not_what(run_kept: RunKept, store: Path) -> None:
    @step(checkpoint=True)
    def matches(text: str) -> Any:
        return re.match("b", text)  # which is no data

    @pipeline
    def body(texts: list[str]) -> Stream[str]:
        return stream(texts).filter(matches)

    assert run_kept(store, body, ["be", "to"]) == run_kept(store, body, ["be", "to"]) == ["be"]


def test_11_1_async_generator_that_is_left_early_is_closed_before_control_comes_back(store: Path) -> None:
    log: list[str] = []

    @step(checkpoint=True)
    async def each(number: int) -> AsyncIterator[int]:
        try:
            yield number
            yield number
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    @pipeline
    def first() -> Stream[int]:
        return numbers(1).flat_map(each).take(1)

    async def main() -> list[str]:
        await AsyncRunner(checkpoint=store).execute(first)
        return log.copy()

    assert asyncio.run(main()) == ["closed"]


def test_11_1_generator_that_is_left_early_keeps_nothing(run_kept: RunKept, store: Path) -> None:
    calls = Calls()
    each = step("each", fn=calls.each, checkpoint=True)

    @pipeline
    def first(number: int, count: int) -> Stream[Any]:
        return stream([4]).flat_map(each).take(count)

    assert run_kept(store, first, 4, 2) == [(4, "0"), (4, "1")]
    assert calls.made == []
    assert len(run_kept(store, first, 4, 9)) == 4
    assert len(run_kept(store, first, 4, 9)) == 4
    assert calls.made == [4]


def test_11_1_results_in_worker_processes_are_kept(run_kept: RunKept, store: Path, tmp_path: Path) -> None:
    pytest.importorskip("cloudpickle")
    log = tmp_path / "log"

    @step(checkpoint=True, executor="process", max_in_flight=2)
    def square(number: int) -> int:
        with log.open("a") as file:
            file.write(f"{number}\n")
        return number * number

    assert run_kept(store, numbers | square, 3) == [0, 1, 4]
    assert run_kept(store, numbers | square, 4) == [0, 1, 4, 9]
    assert sorted(log.read_text().split()) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("waits", [False, True])
def test_11_1_steps_of_inner_runs_keep_their_results(
    run_kept: RunKept, store: Path, waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls()
    ahead: dict[str, Any] = {"max_in_flight": 2} if waits else {}
    square: Any = step("square", fn=calls.square_later if waits else calls.square, checkpoint=True, **ahead)

    @step(checkpoint=True)
    def total(squares: list[int], more: int) -> int:
        calls.note((squares, more))
        return sum(squares) + more

    @pipeline
    def of_item(number: int, more: int) -> int:
        return total(numbers(number).map(square).collect(), more)

    @pipeline
    def body(count: int, more: int) -> Stream[int]:
        return numbers(count).map(of_item, more)

    assert [node.inner is not None for node in body.dag.nodes].count(True) == 1
    assert run_kept(store, body, 4, 0) == [0, 0, 1, 5]
    assert sorted(calls.made, key=str) == [([0, 1, 4], 0), ([0, 1], 0), ([0], 0), ([], 0), 0, 0, 0, 1, 1, 2]
    calls.made.clear()
    assert run_kept(store, body, 5, 0) == [0, 0, 1, 5, 14]
    assert sorted(calls.made, key=str) == [([0, 1, 4, 9], 0), 0, 1, 2, 3]
    assert caplog.messages == []


def test_11_1_arguments_that_come_with_the_outer_item_are_no_change(
    run_kept: RunKept, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls()

    @step(checkpoint=True)
    def plus(number: int, more: int) -> int:
        calls.note((number, more))
        return number + more

    @pipeline
    def of_item(number: int) -> list[int]:
        return numbers(number).map(plus, number).collect()

    @pipeline
    def body(items: list[int]) -> Stream[list[int]]:
        return stream(items).map(of_item)

    assert run_kept(store, body, [1, 2]) == [[1], [2, 3]]
    assert run_kept(store, body, [2, 1]) == [[2, 3], [1]]
    assert calls.made == [(0, 1), (0, 2), (1, 2)]
    assert caplog.messages == []


# -- 11.2: items ---------------------------------------------------------------------------------------------


def test_11_2_arguments_are_those_of_their_parameters(run_kept: RunKept, store: Path) -> None:
    def minus(left: int, right: int = 0, more: int = 0) -> int:
        return left - right + more

    kept = step("minus", fn=minus, checkpoint=True)

    def crawl(of_item: Any) -> Any:
        @pipeline
        def inner(number: int) -> int:
            return of_item(number)  # type: ignore[no-any-return]

        @pipeline
        def body(count: int) -> Stream[int]:
            return numbers(count).map(inner)

        return body

    assert run_kept(store, crawl(lambda number: kept(number, right=1)), 2) == [-1, 0]
    assert run_kept(store, crawl(lambda number: kept(number, more=1)), 2) == [1, 2]
    assert run_kept(store, crawl(lambda number: kept(1, number)), 2) == [1, 0]
    assert run_kept(store, crawl(lambda number: kept(number, 1)), 2) == [-1, 0]
    assert [sum(each.read for each in entry.steps) for entry in runs_in(store)] == [0, 0, 0, 2]


@pytest.mark.parametrize(
    "options",
    [{}, {"max_in_flight": 3}, {"max_in_flight": 3, "executor": "thread"}],
    ids=["inline", "ahead", "threads"],
)
def test_11_2_equal_items_have_a_result_each(run_kept: RunKept, store: Path, options: Any) -> None:
    tickets = itertools.count(1)
    lock = threading.Lock()
    broken = [3]

    def ticket(name: str) -> str:
        with lock:
            number = next(tickets)
        if number in broken:
            raise Broken
        return f"{name}{number}"

    @pipeline
    def body(names: list[str]) -> Stream[str]:
        return stream(names).map(step("ticket", fn=ticket, checkpoint=True, **options))

    with pytest.raises(Broken):
        run_kept(store, body, list("aaaa"))
    broken.clear()
    first = run_kept(store, body, list("aaaa"))
    assert first[:2] == ["a1", "a2"] or options.get("executor")
    assert len(set(first)) == 4
    again = next(tickets)
    assert run_kept(store, body, list("aaaa")) == first
    assert run_kept(store, body, list("aa")) == first[:2]
    assert run_kept(store, body, list("aaaba"))[:3] == first[:3]
    assert next(tickets) == again + 2  # a call for b


def test_11_2_equal_items_keep_their_turns_where_calls_overlap(run_kept: RunKept, store: Path) -> None:
    """The second call for an item is over first, and the first one fails: its result stays that of the second."""
    begun, second_is_over = itertools.count(), asyncio.Event()
    fails = True

    @step(checkpoint=True, max_in_flight=2)
    async def turn(name: str) -> int:
        number = next(begun)
        if fails and number == 0:
            await second_is_over.wait()
            raise Broken
        second_is_over.set()
        return number

    @pipeline
    def body(names: list[str]) -> Stream[int]:
        return stream(names).map(turn)

    with pytest.raises(Broken):
        run_kept(store, body, ["a", "a"])
    fails = False
    assert run_kept(store, body, ["a", "a"]) == [2, 1]


def test_11_2_items_are_found_in_any_order(run_kept: RunKept, store: Path) -> None:
    calls = Calls()

    @pipeline
    def body(items: list[int]) -> Stream[int]:
        return stream(items).map(step("square", fn=calls.square, checkpoint=True))

    assert run_kept(store, body, [1, 2, 3]) == [1, 4, 9]
    assert run_kept(store, body, [4, 3, 1]) == [16, 9, 1]
    assert calls.made == [1, 2, 3, 4]


@dataclasses.dataclass
class Point:
    x: float
    y: Any = None


@dataclasses.dataclass
class Pixel:
    x: float
    y: Any = None


class Pair(NamedTuple):
    x: float
    y: Any


class Level(enum.IntEnum):
    LOW = 1


DIFFERENT: list[list[Any]] = [
    [1, True, 1.0, "1", b"1", None, Level.LOW, Decimal(1)],
    [[1, 2], (1, 2), {1, 2}, {1: 2}, Pair(1, 2), Point(1, 2), Pixel(1, 2), frozenset({1, 2})],
    [Point(1, Point(2)), Point(1, Pixel(2)), Point(1, {"x": 2}), Point(1, [2])],
    ["2020-01-01", date(2020, 1, 1), datetime(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC), Path("2020-01-01")],
    [2**64, 2**65, -(2**64), "0x10000000000000000", 2.0**64],
    [0.0, -0.0, float("nan"), float("inf")],
]


@pytest.mark.parametrize("items", DIFFERENT)
def test_11_2_items_that_differ_in_type_or_value_are_told_apart(store: Path, items: list[Any]) -> None:
    made: list[Any] = []

    def place(item: Any) -> int:
        made.append(item)
        return len(made)

    @pipeline
    def body(items: list[Any]) -> Stream[int]:
        return stream(items).map(step("place", fn=place, checkpoint=True))

    runner = SyncRunner(checkpoint=store)
    assert runner.execute(body, items).result == list(range(1, len(items) + 1))
    assert runner.execute(body, items[::-1]).result == list(range(len(items), 0, -1))


EQUAL: list[tuple[Any, Any]] = [
    ({1: "a", "b": 2}, {"b": 2, 1: "a"}),
    ({"to", "be", "or"}, {"or", "be", "to"}),
    (Point(1, {"a": [1, 2]}), Point(1, {"a": [1, 2]})),
    (2**70, 2**70),
    (float("nan"), float("nan")),
    (PurePosixPath("a/b"), PurePosixPath("a") / "b"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_11_2_equal_items_are_found(store: Path, one: Any, other: Any) -> None:
    calls = Calls()

    @step(checkpoint=True)
    def noted(item: Any) -> int:
        calls.note(item)
        return 1

    @pipeline
    def body(items: list[Any]) -> Stream[int]:
        return stream(items).map(noted)

    for item in (one, other):
        assert SyncRunner(checkpoint=store).execute(body, [item]).result == [1]
    assert len(calls.made) == 1


def test_11_2_sets_are_found_in_another_process(store: Path) -> None:
    """The order of a set of texts differs from process to process."""
    items = [frozenset(f"{number}" for number in range(place)) for place in range(9)]
    kept = step("kept", fn=len, checkpoint=True)

    @pipeline
    def body() -> Stream[int]:
        return stream(items).map(kept)

    SyncRunner(checkpoint=store).execute(body)
    other = [frozenset(sorted(item, reverse=True)) for item in items]
    assert [sorted(item) for item in items] == [sorted(item) for item in other]
    SyncRunner(checkpoint=store).execute(body)
    assert runs_in(store)[-1].steps[0].kept == 0


@pytest.mark.parametrize("options", [{}, {"max_in_flight": 2, "executor": "thread"}])
def test_11_2_item_that_is_no_data_is_refused(run_kept: RunKept, store: Path, options: Any) -> None:
    @pipeline
    def body() -> Stream[str]:
        return stream([object()]).map(step("shown", fn=str, checkpoint=True, **options))

    with pytest.raises(CheckpointError) as caught:
        run_kept(store, body)
    assert str(caught.value).endswith(
        "): keeps results by its items, which must be data, got <object> (object is not data); make it a dataclass, or "
        "ask for pickle: Checkpoint(..., pickle=True)"
    )
    assert "failed at item 1; path body/shown" in caught.value.__notes__[0]


# -- 11.3: changes -------------------------------------------------------------------------------------------


def after(number: int) -> int:
    return number + 1


def after_two(number: int) -> int:
    return number + 2


def test_11_3_changed_function_invalidates_its_own_results_and_says_so(
    run_kept: RunKept, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls()

    def crawl(function: Any) -> Any:
        @pipeline
        def body(count: int) -> Stream[int]:
            kept = numbers(count).map(step("square", fn=calls.square, checkpoint=True))
            return kept.map(step("after", fn=function, checkpoint=True))

        return body

    assert run_kept(store, crawl(after), 3) == [1, 2, 5]
    assert caplog.messages == []
    assert run_kept(store, crawl(after_two), 3) == [2, 3, 6]
    (message,) = caplog.messages
    assert message.startswith("headrace: step 'after' (test_11_checkpoints.py:")
    assert message.endswith(") has changed since its last run: 3 results are not used")
    assert run_kept(store, crawl(after_two), 4) == [2, 3, 6, 11]
    assert len(caplog.messages) == 1
    assert calls.made == [0, 1, 2, 3]


def test_11_3_changed_argument_invalidates_its_own_results_and_says_so(
    run_kept: RunKept, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls()

    @step(checkpoint=True)
    def plus(number: int, more: int, factor: int = 1) -> int:
        calls.note(number)
        return (number + more) * factor

    @pipeline
    def body(count: int, more: int) -> Stream[int]:
        return numbers(count).map(plus, more, factor=2)

    assert run_kept(store, body, 3, 0) == [0, 2, 4]
    assert run_kept(store, body, 3, 1) == [2, 4, 6]
    (message,) = caplog.messages
    assert message.endswith(") gets another 'more' than in its last run: new results are made")
    assert run_kept(store, body, 4, 1) == [2, 4, 6, 8]
    assert run_kept(store, body, 3, 0) == [0, 2, 4]
    assert calls.made == [0, 1, 2, 0, 1, 2, 3]


def test_11_3_changed_version_invalidates_its_results_whatever_the_code(store: Path) -> None:
    calls = Calls()

    def crawl(function: Any, version: str) -> Any:
        return numbers | step("kept", fn=function, checkpoint=True, version=version)

    runner = SyncRunner(checkpoint=store)
    assert runner.execute(crawl(after, "1"), 2).result == [1, 2]
    assert runner.execute(crawl(after_two, "1"), 2).result == [1, 2]
    assert runner.execute(crawl(after_two, "2"), 2).result == [2, 3]
    assert calls.made == []


def closed_over(amount: Any) -> Any:
    return lambda number: number + amount


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapper


def calling(function: Any) -> Any:
    return lambda number: function(number)


def recursive() -> Any:
    def down(number: int) -> int:
        return number and down(number - 1)

    return down


class Adder:
    def __init__(self, amount: int) -> None:
        self.amount = amount

    def add(self, number: int) -> int:
        return number + self.amount


@dataclasses.dataclass
class DataAdder:
    amount: int

    def __call__(self, number: int) -> int:
        return number + self.amount


def documented(number: int) -> int:
    """What it says about itself does not count."""
    # nor do comments, lines and its name
    return number + 1


SAME: list[tuple[Any, Any]] = [
    (after, documented),
    (closed_over(1), closed_over(1)),
    (decorated(after), decorated(documented)),
    (recursive(), recursive()),
    (functools.partial(max, 3), functools.partial(max, 3)),
    (DataAdder(1), DataAdder(1)),
    (step(after), step(after)),
]
CHANGED: list[tuple[Any, Any]] = [
    (after, after_two),
    (closed_over(1), closed_over(2)),
    (calling(after), calling(after_two)),
    (decorated(after), decorated(after_two)),
    (lambda number, more=1: number + more, lambda number, more=2: number + more),
    (lambda number, *, more=1: number + more, lambda number, *, more=2: number + more),
    (lambda number: number.real, lambda number: number.imag),
    (lambda number: [each + 1 for each in [number]], lambda number: [each + 2 for each in [number]]),
    (lambda number: number in {1, 2}, lambda number: number in {1, 3}),
    (functools.partial(max, 3), functools.partial(max, 4)),
    (functools.partial(max, 3), functools.partial(min, 3)),
    (abs, int),
    (DataAdder(1), DataAdder(2)),
    (DataAdder(1).__call__, DataAdder(2).__call__),
]


def is_called_again(store: Path, one: Any, other: Any) -> bool:
    for function in (one, other):
        SyncRunner(checkpoint=store).execute(numbers | step("kept", fn=function, checkpoint=True), 1)
    return runs_in(store)[-1].steps[0].kept == 1


@pytest.mark.parametrize(("one", "other"), SAME)
def test_11_3_function_is_the_same_if_its_code_and_what_it_has_with_it_are(store: Path, one: Any, other: Any) -> None:
    assert not is_called_again(store, one, other)


@pytest.mark.parametrize(("one", "other"), CHANGED)
def test_11_3_function_has_changed_if_its_code_or_what_it_has_with_it_has(store: Path, one: Any, other: Any) -> None:
    assert is_called_again(store, one, other)


def test_11_3_object_that_is_no_data_counts_by_its_type_where_a_function_has_it_with_it(store: Path) -> None:
    assert not is_called_again(store, Adder(1).add, Adder(2).add)
    assert is_called_again(store, Adder(1).add, DataAdder(1).__call__)


def test_11_3_changed_class_of_the_results_invalidates_them(store: Path) -> None:
    def crawl(*fields: Any) -> Any:
        made = dataclasses.make_dataclass("Made", [("number", int), *fields])

        def kept(number: int) -> Any:
            return made(number)

        kept.__annotations__["return"] = made
        return numbers | step(checkpoint=True)(kept)

    runner = SyncRunner(checkpoint=store)
    runner.execute(crawl(), 2)
    runner.execute(crawl(), 2)
    assert runs_in(store)[-1].steps[0].read == 2
    runner.execute(crawl(("more", int, dataclasses.field(default=0))), 2)
    assert runs_in(store)[-1].steps[0].read == 0


@pytest.mark.parametrize("version", [None, "1"])
def test_11_3_what_stands_in_for_a_step_has_results_of_its_own(store: Path, version: str | None) -> None:
    one = step("one", fn=after, checkpoint=True, version=version)

    @pipeline
    def body(count: int) -> Stream[int]:
        return numbers(count).map(one)

    runner = SyncRunner(checkpoint=store)
    assert runner.execute(body, 2).result == [1, 2]
    assert runner.execute(body.override({after: after_two}), 2).result == [2, 3]
    assert runner.execute(body, 2).result == [1, 2]
    assert runs_in(store)[-1].steps[0].read == 2


class Client:
    """No data."""


@pytest.mark.parametrize("options", [{}, {"max_in_flight": 2, "executor": "thread"}])
def test_11_3_argument_that_is_no_data_is_refused(run_kept: RunKept, store: Path, options: Any) -> None:
    @step(checkpoint=True, **options)
    def fetch(number: int, client: Client) -> int:
        return number

    @pipeline
    def body(client: Client) -> Stream[int]:
        return numbers(2).map(fetch, client).map(after)

    with pytest.raises(CheckpointError) as caught:
        run_kept(store, body, Client())
    assert str(caught.value).endswith(
        "): keeps results by its arguments, which must be data, got 'client'=<Client> (Client is not data); if results "
        "do not depend on it, add unkeyed='client', or else make it a dataclass, or ask for pickle: "
        "Checkpoint(..., pickle=True)"
    )
    assert caught.value.__notes__[0].endswith("failed; path body/fetch")


@pytest.mark.parametrize("options", [{}, {"max_in_flight": 2, "executor": "thread"}])
def test_11_3_unkeyed_argument_invalidates_nothing(
    run_kept: RunKept, store: Path, options: Any, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls()

    @step(checkpoint=True, unkeyed="client", **options)
    def fetch(number: int, client: object, factor: int) -> int:
        calls.note(number)
        return number * factor

    @pipeline
    def body(client: object) -> Stream[int]:
        return numbers(3).map(fetch, client, 2)

    assert run_kept(store, body, Client()) == run_kept(store, body, 7) == [0, 2, 4]
    assert sorted(calls.made) == [0, 1, 2]
    assert caplog.messages == []


@pytest.mark.parametrize("scope", ["run", "item"])
def test_11_3_resource_invalidates_nothing(
    run_kept: RunKept, store: Path, scope: Any, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls()
    opened: list[str] = []

    @contextlib.contextmanager
    def client(name: str) -> Iterator[Client]:
        opened.append(name)
        yield Client()

    @step(checkpoint=True)
    def fetch(number: int, client: Client) -> int:
        calls.note(number)
        return number

    @step(checkpoint=True)
    def total(numbers: list[int], client: Client) -> int:
        calls.note(tuple(numbers))
        return sum(numbers)

    @pipeline
    def of_item(count: int, name: str) -> int:
        own = resource(client, name, scope=scope)
        return total(numbers(count).map(fetch, own).collect(), own)

    @pipeline
    def body(count: int, name: str) -> Stream[int]:
        return numbers(count).map(fetch, resource(client, name, scope=scope)).map(of_item, name)

    assert run_kept(store, body, 3, "first") == [0, 0, 1]
    assert len(calls.made) == 9
    times = len(opened)
    assert run_kept(store, body, 3, "second") == [0, 0, 1]
    assert len(calls.made) == 9
    assert opened[times:] == (["second", "second"] if scope == "run" else [])
    assert caplog.messages == []


def test_11_3_steps_of_one_function_have_results_of_their_own(store: Path) -> None:
    calls = Calls()
    kept = step("kept", fn=calls.square, checkpoint=True)

    @pipeline
    def body(count: int) -> Stream[int]:
        return numbers(count).map(kept).map(kept)

    runner = SyncRunner(checkpoint=store)
    assert runner.execute(body, 3).result == runner.execute(body, 3).result == [0, 1, 16]
    assert calls.made == [0, 0, 1, 1, 2, 4]


# -- 11.4: what is read back ---------------------------------------------------------------------------------


class Address(msgspec.Struct):
    street: str
    lines: tuple[str, ...] = ()


Old: Any = namedtuple("Old", "a b")

READ_BACK: list[tuple[Any, Any]] = [
    (Any, [None, True, 1, -(2**63), 2**64 - 1, 1.5, "text", b"bytes", [1, ["a", {"b": [None]}]], {1: "a", None: []}]),
    (int, [3, True, "text"]),
    (float, [3, 2.5]),
    (Point, [Point(1.5, [1]), None, Point(0.0)]),
    (Point | None, [Point(1.5, [1]), None]),
    (list[Address], [[Address("a", ("b", "c")), Address("d")], []]),
    (tuple[int, ...], [(1, 2), ()]),
    (tuple[int, Pair], [(1, Pair(1.0, "x"))]),
    (dict[str, set[int]], [{"a": {1, 2}}, {}]),
    (frozenset[str], [frozenset("a")]),
    (Old, [Old(1, "x")]),
    (Level, [Level.LOW]),
    (datetime, [datetime(2020, 1, 1, 12, 30, 1, 5), datetime(2020, 1, 1, tzinfo=UTC)]),
    (timedelta, [timedelta(1, 2, 3)]),
    (Decimal, [Decimal("1.10")]),
    (UUID, [UUID(int=5)]),
    (Path, [Path("a/b")]),
    (list[PurePosixPath], [[PurePosixPath("a")]]),
]


@pytest.mark.parametrize(("hint", "values"), READ_BACK, ids=[str(hint) for hint, _ in READ_BACK])
def test_11_4_result_is_read_back_equal_in_value_and_type(
    run_kept: RunKept, store: Path, hint: Any, values: list[Any]
) -> None:
    def value(number: int) -> Any:
        return values[number]

    value.__annotations__["return"] = hint
    body = numbers | step(checkpoint=True)(value)
    first = run_kept(store, body, len(values))
    assert first == values
    assert [type(each) for each in first] == [type(each) for each in values]
    again = run_kept(store, body, len(values))
    assert [identity(each) for each in again] == [identity(each) for each in values]
    assert runs_in(store)[-1].steps[0].read == len(values)


def test_11_4_where_a_hint_says_float_the_result_has_one_in_every_run(run_kept: RunKept, store: Path) -> None:
    @step(checkpoint=True)
    def point(number: int) -> Point:
        return Point(number, number)

    body = numbers | point
    assert repr(run_kept(store, body, 2)) == repr(run_kept(store, body, 2)) == "[Point(x=0.0, y=0), Point(x=1.0, y=1)]"


def test_11_4_result_that_is_changed_later_is_kept_as_it_was(run_kept: RunKept, store: Path) -> None:
    @step(checkpoint=True)
    def listed(number: int) -> list[int]:
        return [number]

    def grown(items: list[int]) -> list[int]:
        items.append(9)
        return items

    body = numbers | listed | grown
    assert run_kept(store, body, 2) == run_kept(store, body, 2) == [[0, 9], [1, 9]]


class Opaque:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque)

    __hash__: None  # type: ignore[assignment]  # as `__eq__` alone makes it


class Word(str):
    pass


@dataclasses.dataclass
class Hidden:
    _secret: int = 1


def with_more() -> Any:
    point: Any = Point(1.0)
    point.z = 3
    return point


NOT_EQUAL: list[tuple[Any, Any]] = [
    (Any, (1, 2)),
    (list[Any], [Point(1)]),
    (tuple, Pair(1, 2)),
    (list[tuple[float, Any]], [Pair(1, 2)]),
    (dict[str, Any], {"a": Level.LOW}),
    (int, 2**64),
    (str, Word("text")),
    (str, "\ud800"),
    (Any, {1, 2}),
    (Point, Pixel(1)),
    (Point, with_more()),
    (Any, Opaque()),
    (Opaque, Opaque()),
    (datetime, datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=2)))),
]


@pytest.mark.parametrize(("hint", "value"), NOT_EQUAL)
def test_11_4_result_that_would_come_back_as_something_else_is_refused(store: Path, hint: Any, value: Any) -> None:
    def made(number: int) -> Any:
        return value

    made.__annotations__["return"] = hint
    with pytest.raises(CheckpointError, match="keeps its results, which must come back equal as ") as caught:
        SyncRunner(checkpoint=store).execute(numbers | step(checkpoint=True)(made), 1)
    assert str(caught.value).startswith("step 'made' (test_11_checkpoints.py:")
    assert "failed at item 1; path numbers_to_made/made" in caught.value.__notes__[0]


@pytest.mark.parametrize("options", [{}, {"max_in_flight": 2, "executor": "thread"}])
@pytest.mark.parametrize("kind", ["map", "flat_map"])
def test_11_4_result_that_cannot_be_kept_is_no_failure_that_is_skipped(
    run_kept: RunKept, store: Path, kind: str, options: Any
) -> None:
    if kind == "flat_map":
        options = {}
    opaque = step("opaque", fn=lambda number: [Opaque()], checkpoint=True, on_error="skip", **options)
    with pytest.raises(CheckpointError):
        run_kept(store, numbers | opaque if kind == "map" else line_of(kind, opaque), 2)


def test_11_4_private_field_is_kept_too(store: Path) -> None:
    @step(checkpoint=True)
    def hidden(number: int) -> Hidden:
        return Hidden(number)

    runner = SyncRunner(checkpoint=store)
    assert runner.execute(numbers | hidden, 2).result == runner.execute(numbers | hidden, 2).result
    assert runs_in(store)[-1].steps[0].read == 2


# -- 11.5: pickle --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"max_in_flight": 2, "executor": "thread"}])
def test_11_5_pickle_is_used_where_it_was_asked_for(run_kept: RunKept, store: Path, options: Any) -> None:
    calls = Calls()

    @step(checkpoint=True, **options)
    def opaque(item: Any, more: Any) -> Any:
        calls.note(item)
        return Opaque()

    @pipeline
    def body() -> Stream[Any]:
        return stream([Opaque(), 3]).map(opaque, 1j)

    checkpoint = Checkpoint(store, pickle=True)
    assert run_kept(checkpoint, body) == run_kept(checkpoint, body) == [Opaque(), Opaque()]
    assert len(calls.made) == 2


class Bomb:
    """What runs when it is unpickled."""

    set_off: list[str] = []  # noqa: RUF012

    def __reduce__(self) -> Any:
        return Bomb.set_off.append, ("boom",)


def test_11_5_nothing_is_unpickled_where_it_was_not_asked_for(run_kept: RunKept, store: Path) -> None:
    @step(checkpoint=True)
    def bomb(number: int) -> Any:
        return Bomb()

    run_kept(Checkpoint(store, pickle=True), numbers | bomb, 1)
    assert Bomb.set_off == []
    with pytest.raises(CheckpointError) as caught:
        run_kept(store, numbers | bomb, 1)
    assert str(caught.value).endswith(
        "): a result that was kept cannot be read: it was pickled, which is not allowed; allow it: "
        "Checkpoint(..., pickle=True)"
    )
    assert Bomb.set_off == []


def test_11_5_what_others_wrote_into_the_file_is_not_unpickled(store: Path) -> None:
    @step(checkpoint=True)
    def kept(number: int) -> int:
        return number

    SyncRunner(checkpoint=store).execute(numbers | kept, 1)
    with sqlite3.connect(store) as file:
        for kind in range(256):
            file.execute("UPDATE results SET value = ? WHERE step > 1", (bytes([kind]) + pickle.dumps(Bomb()),))
            file.commit()
            with pytest.raises(CheckpointError):
                SyncRunner(checkpoint=store).execute(numbers | kept, 1)
    file.close()
    assert Bomb.set_off == []


def test_11_5_pickle_that_cannot_be_read_any_more_is_said(store: Path) -> None:
    @step(checkpoint=True)
    def bomb(number: int) -> Any:
        return Bomb()

    runner = SyncRunner(checkpoint=Checkpoint(store, pickle=True))
    runner.execute(numbers | bomb, 1)
    with sqlite3.connect(store) as file:
        file.execute("UPDATE results SET value = ? WHERE step > 1", (b"\2not a pickle",))
    file.close()
    with pytest.raises(CheckpointError, match="a result that was kept cannot be read: pickle: "):
        runner.execute(numbers | bomb, 1)


# -- 11.6: ends ----------------------------------------------------------------------------------------------


def test_11_6_everything_finished_is_kept_when_a_run_is_cancelled(store: Path) -> None:
    calls = Calls()
    five = asyncio.Event()

    @step(checkpoint=True, max_in_flight=3)
    async def kept(number: int) -> int:
        calls.note(number)
        if number >= 5:
            five.set()
            await asyncio.Event().wait()
        return number

    async def main() -> None:
        five.clear()
        run = asyncio.create_task(AsyncRunner(checkpoint=store).execute(numbers | kept, 9))
        await five.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    (entry,) = runs_in(store)
    assert (entry.state, entry.failure) == ("interrupted", "CancelledError")
    assert entry.steps[0].kept == 5


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_11_6_everything_finished_is_kept_when_a_run_is_interrupted(
    run_kept: RunKept, store: Path, kind: type[BaseException]
) -> None:
    def kept(number: int) -> int:
        if number == 5:
            raise kind
        return number

    with pytest.raises(kind):
        run_kept(store, numbers | step(checkpoint=True)(kept), 9)
    (entry,) = runs_in(store)
    assert entry.state == "interrupted"
    assert entry.steps[0].kept == 5


def test_11_6_store_tells_of_its_runs(run_kept: RunKept, store: Path) -> None:
    calls = Calls()
    body = line("map", calls.square)
    calls.broken = 1
    with pytest.raises(Broken):
        run_kept(store, body, 3)
    calls.broken = None
    run_kept(store, body, 3)
    failed, finished = runs_in(store)
    assert (failed.run, failed.pipeline, failed.state, failed.failure) == (1, "body", "failed", "Broken: 1")
    assert (finished.run, finished.state, finished.failure) == (2, "finished", None)
    assert [(each.step, each.kept, each.read) for each in failed.steps + finished.steps] == [
        ("body/kept", 1, 0),
        ("body/kept", 2, 1),
    ]
    assert failed.started <= (failed.ended or failed.started) <= finished.started


def test_11_6_run_that_was_killed_was_interrupted(store: Path) -> None:
    told: list[list[str]] = []

    @step(checkpoint=True)
    def kept(number: int) -> int:
        told.append([entry.state for entry in runs_in(store)])
        return number

    runner = SyncRunner(checkpoint=store)
    runner.execute(numbers | kept, 1)
    with sqlite3.connect(store) as file:
        file.execute("UPDATE runs SET state = 'running'")  # as if it had ended without a word
    file.close()
    assert [entry.state for entry in runs_in(store)] == ["interrupted"]
    runner.execute(numbers | kept, 2)
    assert told == [["running"], ["interrupted", "running"]]


@pytest.mark.parametrize("size", [10, 20_000])
def test_11_6_at_most_100_results_and_1_mib_wait_to_be_written(
    run_kept: RunKept, store: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen from another connection, as if the process were gone. Time is no reason to write here."""
    monkeypatch.setattr("headrace.stores.SHARE", math.inf)
    monkeypatch.setattr("headrace.stores.LATEST", math.inf)
    lost: list[int] = []

    def there() -> int:
        with sqlite3.connect(store) as file:
            [number] = file.execute("SELECT count(*) FROM results WHERE step > 1").fetchone()
        file.close()
        return int(number)

    @step(checkpoint=True)
    def text(number: int) -> str:
        lost.append(number - there())
        return "x" * size

    run_kept(store, numbers | text, 250)
    assert max(lost) == min(AT_MOST, 2**20 // size + 1) - 1
    assert there() == 250


def test_11_6_result_is_written_when_the_last_write_is_long_ago(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count(0.0, 10.0)
    monkeypatch.setattr("headrace.stores.monotonic", lambda: next(now))
    there: list[int] = []

    @step(checkpoint=True)
    def kept(number: int) -> int:
        with sqlite3.connect(store) as file:
            there.extend(file.execute("SELECT count(*) FROM results WHERE step > 1").fetchone())
        file.close()
        return number

    SyncRunner(checkpoint=store).execute(numbers | kept, 5)
    assert there == [0, 1, 2, 3, 4]


def test_11_6_results_of_calls_that_overlap_are_written_while_others_are_under_way(
    run_kept: RunKept, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.stores.SHARE", math.inf)
    monkeypatch.setattr("headrace.stores.LATEST", math.inf)
    written = threading.Event()
    flush = SqliteStore.flush

    def flushed(self: SqliteStore) -> None:
        flush(self)
        written.set()

    monkeypatch.setattr(SqliteStore, "flush", flushed)

    @step(checkpoint=True, executor="thread", max_in_flight=3)
    def kept(number: int) -> int:
        if number == 0:
            written.clear()
        if number == 2:
            written.wait()
        return number

    assert run_kept(store, numbers | kept, 3) == [0, 1, 2]


# -- 11.7: the store -----------------------------------------------------------------------------------------


def test_11_7_second_run_at_a_time_is_refused(run_kept: RunKept, store: Path) -> None:
    @step(checkpoint=True)
    def inner(number: int) -> int:
        return number

    @step
    def outer(number: int) -> int:
        SyncRunner(checkpoint=store).execute(numbers | inner, 1)
        return number

    with pytest.raises(CheckpointError) as caught:
        run_kept(store, numbers | outer, 1)
    assert str(caught.value) == (
        f"checkpoint '{store}': is for one run at a time, got a second one; wait for the first, or give each a file of "
        "its own"
    )
    assert run_kept(store, numbers | inner, 2) == [0, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no database at all, but some text that is longer than a header" * 9, "cannot be used, SQLite says: "),
        ("CREATE TABLE mine (x)", "is a file of some other program; name another"),
        ("PRAGMA application_id = 7", "is a file of some other program; name another"),
    ],
)
def test_11_7_file_of_another_program_is_refused(store: Path, content: Any, message: str) -> None:
    if isinstance(content, bytes):
        store.write_bytes(content)
    else:
        with sqlite3.connect(store) as file:
            file.execute(content)
        file.close()
    before = store.read_bytes()
    with pytest.raises(CheckpointError) as caught:
        SyncRunner(checkpoint=store).execute(numbers | step("kept", fn=after, checkpoint=True), 1)
    assert str(caught.value).startswith(f"checkpoint '{store}': {message}")
    assert store.read_bytes() == before


def test_11_7_file_of_another_version_is_refused(store: Path) -> None:
    body = numbers | step("kept", fn=after, checkpoint=True)
    SyncRunner(checkpoint=store).execute(body, 1)
    with sqlite3.connect(store) as file:
        file.execute("PRAGMA user_version = 2")
    file.close()
    with pytest.raises(CheckpointError) as caught:
        SyncRunner(checkpoint=store).execute(body, 1)
    assert str(caught.value) == (
        f"checkpoint '{store}': must be of version 1, got 2, from another headrace; use that one, or name another file"
    )


def test_11_7_write_that_fails_is_made_again(store: Path) -> None:
    kept = SqliteStore(store)
    kept.begin("body")
    kept.put("body/kept@1", b"key", b"value")
    kept.waiting.append((1, 1, b"key", object()))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="cannot be used, SQLite says: "):
        kept.flush()
    kept.waiting.pop()
    kept.end(None)
    assert [entry.state for entry in runs_in(store)] == ["finished"]


def test_11_7_failing_store_fails_the_run_and_hides_no_failure(run_kept: RunKept) -> None:
    class Full:
        def begin(self, pipeline: str) -> None: ...

        def count(self, step: str) -> int:
            return 0

        def get(self, step: str, key: bytes) -> bytes | None:
            return None

        def put(self, step: str, key: bytes, value: bytes) -> None:
            if step:
                raise OSError("full")

        def flush(self) -> None: ...

        def end(self, failure: BaseException | None) -> None:
            raise LookupError("gone")

    kept = step("kept", fn=after, checkpoint=True, on_error="skip")  # which is about failures of the step
    with pytest.raises(CheckpointError) as caught:
        run_kept(Checkpoint(Full()), numbers | kept, 1)
    failed = f"checkpoint in <{Full.__qualname__}>: the store failed, "
    assert str(caught.value) == f"{failed}OSError: full; mend it"
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__notes__[-1] == f"headrace: then CheckpointError: {failed}LookupError: gone; mend it"


def test_11_7_checkpoint_without_a_step_that_keeps_anything_is_said(
    run_kept: RunKept, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert run_kept(store, numbers | abs, 2) == [0, 1]
    (message,) = caplog.messages
    assert message == (
        "headrace: pipeline 'numbers_to_abs' has no step with checkpoint=True: nothing is kept in "
        f"<checkpoint '{store}'>"
    )
