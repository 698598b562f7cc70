"""Section 10 of the guarantees."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import tenacity

from headrace import (
    AsyncRunner,
    DeadlockError,
    Failure,
    Limit,
    OptionError,
    Retry,
    Stream,
    SyncRunner,
    WiringError,
    pipeline,
    step,
    stream,
    zip_streams,
)
from headrace.testing.clock import ScriptedClock
from headrace.testing.meter import Meter

Run = Callable[..., Any]
T = TypeVar("T")

# Ways in which a step may run: whatever they are, the same items fail.
MODES: dict[str, dict[str, Any]] = {
    "inline": {},
    "ahead": {"max_in_flight": 3},
    "thread": {"executor": "thread"},
    "threads": {"executor": "thread", "max_in_flight": 4},
    "async": {"async": True},
    "tasks": {"async": True, "max_in_flight": 4},
}
each_mode: pytest.MarkDecorator = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
each_flat_mode: pytest.MarkDecorator = pytest.mark.parametrize(
    "mode", [MODES["inline"], MODES["ahead"], MODES["async"]]
)


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def as_step(function: Callable[..., Any], mode: dict[str, Any], **options: Any) -> Any:
    """A step of `function`, or of an async function that does the same."""
    given = {key: value for key, value in mode.items() if key != "async"} | options

    async def as_async(*arguments: Any) -> Any:
        await asyncio.sleep(0)
        return function(*arguments)

    return step(function.__name__, fn=as_async if "async" in mode else function, **given)


def no_thirds(number: int) -> int:
    if number % 3 == 0:
        raise ValueError(f"{number} is a third")
    return number


def odd_unless_third(number: int) -> bool:
    return no_thirds(number) % 2 == 1


def report_of(pipeline: Any, *arguments: Any) -> Any:
    return SyncRunner().execute(pipeline, *arguments).report


# -- skip ----------------------------------------------------------------------------------------------------


@each_mode
def test_10_1_item_that_fails_is_left_out_and_no_other(run_pipeline: Run, mode: dict[str, Any]) -> None:
    line = numbers | as_step(no_thirds, mode, on_error="skip") | str
    assert run_pipeline(line, 100) == [str(number) for number in range(100) if number % 3]


@each_mode
def test_10_1_filter_leaves_out_what_it_fails_at(run_pipeline: Run, mode: dict[str, Any]) -> None:
    choice = as_step(odd_unless_third, mode, on_error="skip")

    @pipeline
    def chosen(count: int) -> Stream[int]:
        return numbers(count).filter(choice).map(abs)

    assert run_pipeline(chosen, 100) == [number for number in range(100) if number % 3 and number % 2]


@each_mode
def test_10_1_space_of_what_is_left_out_is_given_back(run_pipeline: Run, mode: dict[str, Any]) -> None:
    def fails(number: int) -> int:
        if number < 90:
            raise ValueError(number)
        return number

    assert run_pipeline(numbers | as_step(fails, mode, on_error="skip") | str, 91) == ["90"]


def test_10_1_several_steps_of_one_loop_each_skip_their_own(run_pipeline: Run) -> None:
    def no_fifths(number: int) -> int:
        if number % 5 == 0:
            raise LookupError(f"{number} is a fifth")
        return number

    line = numbers | step(on_error="skip")(no_thirds) | abs | step(on_error="skip")(no_fifths) | abs
    assert run_pipeline(line, 60) == [number for number in range(60) if number % 3 and number % 5]


def test_10_1_step_behind_one_that_skips_still_fails_with_its_item_number(run_pipeline: Run) -> None:
    def fails_at_four(number: int) -> int:
        if number == 4:
            raise LookupError("four")
        return number

    line = numbers | step(on_error="skip")(no_thirds) | abs | fails_at_four
    with pytest.raises(LookupError, match="four") as caught:
        run_pipeline(line, 9)
    assert "step 'fails_at_four' (" in caught.value.__notes__[0]
    assert " failed at item 3; " in caught.value.__notes__[0]  # 1, 2, and 4


@each_mode
def test_10_1_any_exception_is_a_failure_but_what_stops_a_run_is_not(run_pipeline: Run, mode: dict[str, Any]) -> None:
    def fails(kind: type[BaseException]) -> None:
        raise kind

    @pipeline
    def tried(kinds: list[Any]) -> Stream[None]:
        return stream(kinds).map(as_step(fails, mode, on_error="skip"))

    assert run_pipeline(tried, [ValueError, StopIteration, StopAsyncIteration, MemoryError, AssertionError]) == []
    if "async" not in mode:  # asyncio lets these through to whoever runs the loop
        with pytest.raises(KeyboardInterrupt):
            run_pipeline(tried, [KeyboardInterrupt])
        with pytest.raises(SystemExit):
            run_pipeline(tried, [SystemExit])


# -- what was given before -----------------------------------------------------------------------------------


def halves(number: int) -> Iterator[int]:
    yield number
    no_thirds(number)
    yield -number


async def halves_async(number: int) -> AsyncIterator[int]:
    await asyncio.sleep(0)
    yield number
    no_thirds(number)
    yield -number


@pytest.mark.parametrize("function", [halves, halves_async])
@pytest.mark.parametrize("options", [{}, {"max_in_flight": 3}])
def test_10_2_what_a_flat_map_step_gave_before_stays(run_pipeline: Run, function: Any, options: Any) -> None:
    line = numbers | step(on_error="skip", **options)(function) | str
    expected = [str(half) for n in range(9) for half in ([n, -n] if n % 3 else [n])]
    assert run_pipeline(line, 9) == expected


@each_flat_mode
def test_10_2_flat_map_step_that_gives_lists_skips_whole_items(run_pipeline: Run, mode: dict[str, Any]) -> None:
    def twice(number: int) -> list[int]:
        return [no_thirds(number)] * 2

    @pipeline
    def doubled(count: int) -> Stream[int]:
        return numbers(count).flat_map(as_step(twice, mode, on_error="skip"))

    assert run_pipeline(doubled, 7) == [1, 1, 2, 2, 4, 4, 5, 5]


def first_thirds(items: Iterator[int]) -> Iterator[int]:
    yield from map(no_thirds, items)


async def first_thirds_async(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in items:
        yield no_thirds(item)


GENERATORS: dict[str, Any] = {
    "inline": step(on_error="skip")(first_thirds),
    "ahead": step(on_error="skip", max_in_flight=3)(first_thirds),
    "thread": step(on_error="skip", executor="thread")(first_thirds),
    "async": step(on_error="skip")(first_thirds_async),
    "async, ahead": step(on_error="skip", max_in_flight=3)(first_thirds_async),
}
each_generator: pytest.MarkDecorator = pytest.mark.parametrize("generator", GENERATORS.values(), ids=GENERATORS)


@each_generator
def test_10_2_generator_that_fails_ends_behind_what_it_gave(run_pipeline: Run, generator: Any) -> None:
    @pipeline
    def line(count: int) -> Any:
        return generator(numbers(count).map(lambda number: number + 1)).map(abs)

    assert run_pipeline(line, 9) == [1, 2]


def test_10_2_source_that_fails_ends_behind_what_it_gave(run_pipeline: Run) -> None:
    @step(on_error="skip")
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("no more")

    assert run_pipeline(source | str) == ["1", "2"]


@each_generator
@pytest.mark.parametrize("bound", [1, 3])
def test_10_2_failure_of_what_a_generator_reads_is_not_its_own(run_pipeline: Run, generator: Any, bound: int) -> None:
    @step(max_in_flight=bound)
    def source() -> Iterator[int]:
        yield 1
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine") as caught:
        run_pipeline(source | generator | str)
    assert "step 'source' (" in caught.value.__notes__[0]


# -- max_failures --------------------------------------------------------------------------------------------


@each_mode
def test_10_3_one_failure_too_many_is_raised(run_pipeline: Run, mode: dict[str, Any]) -> None:
    line = numbers | as_step(no_thirds, mode, on_error="skip", max_failures=3) | str
    assert run_pipeline(line, 9) == ["1", "2", "4", "5", "7", "8"]
    with pytest.raises(ValueError, match="9 is a third") as caught:
        run_pipeline(line, 10)
    node = line.dag.node("numbers_to_str/no_thirds")
    assert caught.value.__notes__ == [
        f"headrace: step 'no_thirds' ({node.where}) failed at item 10; path numbers_to_str/no_thirds; "
        "it is failure 4, more than max_failures=3"
    ]


def test_10_3_failure_too_many_of_a_flat_map_step_is_raised(run_pipeline: Run) -> None:
    given: list[int] = []
    line = numbers | step(on_error="skip", max_failures=1)(halves) | given.append
    with pytest.raises(ValueError, match="3 is a third") as caught:
        run_pipeline(line, 9)
    assert " failed at item 4; " in caught.value.__notes__[0]
    assert given == [0, 1, -1, 2, -2, 3]


@each_mode
@pytest.mark.parametrize(
    ("items", "failing", "message"),
    [
        (20, 2, None),  # exactly the fraction
        (20, 3, "failed at item 3; path {path}; 3 of 20 items failed, more than max_failures=0.1"),
        (200, 11, None),  # it is not looked at before item 100
        (200, 21, "failed at item 21; path {path}; 21 of 200 items failed, more than max_failures=0.1"),
        (0, 0, None),
    ],
)
def test_10_3_fraction_is_looked_at_when_the_stream_has_ended(
    run_pipeline: Run, mode: dict[str, Any], items: int, failing: int, message: str | None
) -> None:
    def fails(number: int) -> int:
        if number < failing:
            raise ValueError(number)
        return number

    line = numbers | as_step(fails, mode, on_error="skip", max_failures=0.1) | str
    if message is None:
        assert len(run_pipeline(line, items)) == items - failing
    else:
        with pytest.raises(ValueError) as caught:
            run_pipeline(line, items)
        assert caught.value.args == (failing - 1,)
        assert caught.value.__notes__[0].endswith(message.format(path="numbers_to_str/fails"))


@each_mode
def test_10_3_fraction_is_looked_at_with_each_failure_from_item_100(run_pipeline: Run, mode: dict[str, Any]) -> None:
    def fails(number: int) -> int:
        if number < 30 or number == 100:
            raise ValueError(number)
        return number

    line = numbers | as_step(fails, mode, on_error="skip", max_failures=0.25) | str
    with pytest.raises(ValueError) as caught:
        run_pipeline(line, 1000)
    assert caught.value.args == (100,)
    assert caught.value.__notes__[0].endswith("; 31 of 101 items failed, more than max_failures=0.25")


def test_10_3_stream_that_is_not_read_to_its_end_is_not_looked_at(run_pipeline: Run) -> None:
    few = step("few", fn=lambda items: list(itertools.islice(items, 2)))

    @pipeline
    def line(count: int) -> Any:
        return few(numbers(count).map(step(on_error="skip", max_failures=0.1)(no_thirds)))

    assert run_pipeline(line, 20) == [1, 2]


# -- what is told --------------------------------------------------------------------------------------------


def test_10_4_each_kind_is_logged_once_a_run(run_pipeline: Run, caplog: pytest.LogCaptureFixture) -> None:
    def fails(number: int) -> None:
        raise ValueError(number) if number % 2 else KeyError(number)

    line = numbers | step(on_error="skip")(fails)
    for _ in range(2):
        caplog.clear()
        assert run_pipeline(line, 6) == []
        where = line.dag.node("numbers_to_fails/fails").where
        assert [record.getMessage() for record in caplog.records] == [
            f"headrace: step 'fails' ({where}) skips item 1: KeyError: 0 "
            "(more of KeyError in this run are counted only)",
            f"headrace: step 'fails' ({where}) skips item 2: ValueError: 1 "
            "(more of ValueError in this run are counted only)",
        ]
        assert {record.levelno for record in caplog.records} == {logging.WARNING}
        assert all(record.exc_info for record in caplog.records)


def test_10_4_items_are_numbered_as_the_step_gets_them(run_pipeline: Run, caplog: pytest.LogCaptureFixture) -> None:
    def no_fours(number: int) -> int:
        if number == 4:
            raise LookupError(number)
        return number

    line = numbers | step(on_error="skip")(no_thirds) | abs | step(on_error="skip")(no_fours)
    assert run_pipeline(line, 6) == [1, 2, 5]
    assert [record.getMessage().split(" skips ")[1][:6] for record in caplog.records] == ["item 1", "item 3"]


def test_10_4_generator_that_ends_early_is_logged(run_pipeline: Run, caplog: pytest.LogCaptureFixture) -> None:
    generator: Any = GENERATORS["inline"]
    run_pipeline(numbers | generator | str, 9)
    [record] = caplog.records
    assert " ends here: ValueError: 0 is a third (" in record.getMessage()


@each_mode
def test_10_4_report_counts_and_keeps_the_first_failures(mode: dict[str, Any]) -> None:
    failing = step("failing", fn=as_step(no_thirds, mode).function, on_error="skip")
    line = numbers | failing.options(**{key: value for key, value in mode.items() if key != "async"}) | str
    for report in (
        SyncRunner().execute(line, 600).report,
        asyncio.run(AsyncRunner().execute(line, 600)).report,
    ):
        node = report.node("numbers_to_str/failing")
        assert (node.items_in, node.items_out, node.skipped, node.failed) == (600, 400, 200, 200)
        assert [failure.item for failure in node.failures] == list(range(0, 300, 3))
        first = node.failures[0]
        assert (first.step, first.attempts, str(first.exception)) == ("numbers_to_str/failing", 1, "0 is a third")
        assert first.time.utcoffset() is not None
        assert report.node("numbers_to_str/str").items_in == 400


def test_10_4_failure_that_stops_the_run_is_counted_too() -> None:
    ended: list[Any] = []
    with pytest.raises(ValueError, match="0 is a third"):
        SyncRunner(observers=[ended.append]).execute(numbers | step(no_thirds), 9)
    assert ended[-1].report.node("numbers_to_no_thirds/no_thirds").failed == 1


@each_mode
def test_10_4_kept_failures_keep_nothing_of_the_run_alive(
    mode: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "headrace")  # pytest keeps the tracebacks of what is logged

    class Item:
        alive = 0

        def __init__(self, number: int) -> None:
            self.number = number
            Item.alive += 1

        def __del__(self) -> None:
            Item.alive -= 1

    def number_of(item: Item) -> int:
        try:
            return no_thirds(item.number)
        except ValueError as error:
            raise LookupError("no number") from error

    gc.disable()  # not even for the garbage collector
    try:
        report = report_of(numbers | Item | as_step(number_of, mode, on_error="skip"), 30)
        assert Item.alive == 10
        del report
        assert Item.alive == 0
    finally:
        gc.enable()


# -- catch ---------------------------------------------------------------------------------------------------


def item_of(failure: Failure[T]) -> T:
    return failure.item


@each_mode
def test_10_5_each_item_is_a_result_or_a_failure(run_pipeline: Run, mode: dict[str, Any]) -> None:
    checked = as_step(no_thirds, mode)

    @pipeline
    def split(count: int) -> tuple[list[int], list[Failure[int]]]:
        found, failed = numbers(count).map(checked).catch()
        return found.collect(), failed.collect()

    found, failed = run_pipeline(split, 100)
    assert found == [number for number in range(100) if number % 3]
    assert [failure.item for failure in failed] == list(range(0, 100, 3))
    assert {failure.step for failure in failed} == {"split/no_thirds"}
    assert {failure.attempts for failure in failed} == {1}
    assert [str(failure.exception) for failure in failed] == [f"{number} is a third" for number in range(0, 100, 3)]
    assert [failure.time for failure in failed] == sorted(failure.time for failure in failed)


@each_mode
def test_10_5_filter_is_caught_with_its_item(run_pipeline: Run, mode: dict[str, Any]) -> None:
    choice = as_step(odd_unless_third, mode)

    @pipeline
    def split(count: int) -> tuple[list[int], list[int]]:
        chosen, failed = numbers(count).filter(choice).catch()
        return chosen.collect(), failed.map(item_of).collect()

    assert run_pipeline(split, 10) == ([1, 5, 7], [0, 3, 6, 9])


@pytest.mark.parametrize("function", [halves, halves_async])
@pytest.mark.parametrize("options", [{}, {"max_in_flight": 3}])
def test_10_5_flat_map_is_caught_behind_what_it_gave(run_pipeline: Run, function: Any, options: Any) -> None:
    flattened = step(**options)(function)

    @pipeline
    def split(count: int) -> tuple[list[Any], list[Any]]:
        found, failed = numbers(count).flat_map(flattened).catch()
        return found.collect(), failed.map(item_of).collect()

    assert run_pipeline(split, 5) == ([0, 1, -1, 2, -2, 3, 4, -4], [0, 3])


def test_10_5_items_that_are_spread_are_caught_whole(run_pipeline: Run) -> None:
    @pipeline
    def split(pairs: list[tuple[int, int]]) -> tuple[list[Any], list[Any]]:
        found, failed = stream(pairs).starmap(divided).catch()
        return found.collect(), failed.map(item_of).collect()

    assert run_pipeline(split, [(4, 2), (1, 0), (6, 3)]) == ([2, 2], [(1, 0)])


def divided(left: int, right: int) -> int:
    return left // right


def test_10_5_failure_is_an_item_like_any_other(run_pipeline: Run) -> None:
    def again(failure: Failure[int]) -> Failure[int]:
        if failure.item % 2:
            raise LookupError(failure.item)
        return failure

    @pipeline
    def twice(count: int) -> tuple[list[Any], list[Any]]:
        _, failed = numbers(count).map(no_thirds).catch()
        found, still_failed = failed.map(again).catch()
        return found.map(item_of).collect(), still_failed.map(item_of).map(item_of).collect()

    assert run_pipeline(twice, 10) == ([0, 6], [3, 9])


@each_mode
def test_10_5_many_may_read_either(run_pipeline: Run, mode: dict[str, Any]) -> None:
    checked = as_step(no_thirds, mode)
    count_of = step("count_of", fn=lambda items: sum(1 for _ in items))

    @pipeline
    def split(count: int) -> tuple[Any, ...]:
        found, failed = numbers(count).map(checked).catch()
        return found.collect(), failed.map(item_of).collect(), count_of(found), count_of(failed), count_of(failed)

    assert run_pipeline(split, 10) == ([1, 2, 4, 5, 7, 8], [0, 3, 6, 9], 6, 4, 4)


def test_10_5_what_stops_a_run_is_not_caught(run_pipeline: Run) -> None:
    def fails(number: int) -> None:
        raise KeyboardInterrupt

    @pipeline
    def split(count: int) -> tuple[Any, ...]:
        found, failed = numbers(count).map(fails).catch()
        return found.collect(), failed.collect()

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(split, 3)


@each_mode
def test_10_5_failure_of_what_is_read_is_not_caught(run_pipeline: Run, mode: dict[str, Any]) -> None:
    checked = as_step(abs_of, mode)

    @pipeline
    def split(count: int) -> tuple[Any, ...]:
        found, failed = numbers(count).map(no_thirds).map(checked).catch()
        return found.collect(), failed.collect()

    with pytest.raises(ValueError, match="0 is a third"):
        run_pipeline(split, 3)


def abs_of(number: int) -> int:
    return abs(number)


@each_mode
def test_10_5_one_failure_too_many_is_raised(run_pipeline: Run, mode: dict[str, Any]) -> None:
    checked = as_step(no_thirds, mode, max_failures=2)

    @pipeline
    def split(count: int) -> tuple[list[Any], list[Any]]:
        found, failed = numbers(count).map(checked).catch()
        return found.collect(), failed.map(item_of).collect()

    assert run_pipeline(split, 6) == ([1, 2, 4, 5], [0, 3])
    with pytest.raises(ValueError, match="6 is a third") as caught:
        run_pipeline(split, 7)
    assert caught.value.__notes__[0].endswith("; it is failure 3, more than max_failures=2")


@pytest.mark.parametrize("bound", [1, 3])
@pytest.mark.parametrize("executor", ["inline", "thread"])
def test_10_6_failures_that_nobody_has_taken_hold_the_step_back(run_pipeline: Run, bound: int, executor: Any) -> None:
    log: list[Any] = []
    lock = threading.Lock()

    def fails(number: int) -> None:
        with lock:
            log.append(number)
        raise ValueError(number)

    @step
    def slow(failures: Iterator[Failure[int]]) -> int:
        for count, failure in enumerate(failures):
            with lock:
                asked = sum(isinstance(entry, int) for entry in log)
                log.append(failure)
            assert asked <= count + 1 + bound - 1, "asked for more than the bound ahead of the failures"
        return count

    @pipeline
    def split(count: int) -> tuple[int, list[Any]]:
        found, failed = numbers(count).map(step("fails", fn=fails, max_in_flight=bound, executor=executor)).catch()
        return slow(failed), found.collect()

    assert run_pipeline(split, 20) == (19, [])
    assert [entry for entry in log if isinstance(entry, int)] == list(range(20))


@pytest.mark.parametrize("bound", [1, 3])
def test_10_6_both_edges_keep_to_the_bound(bound: int) -> None:
    @pipeline
    def split(count: int) -> tuple[Any, ...]:
        found, failed = numbers(count).map(step("checked", fn=no_thirds, max_in_flight=bound)).catch()
        return found.collect(), failed.map(item_of).collect()

    for report in (SyncRunner().execute(split, 60).report, asyncio.run(AsyncRunner().execute(split, 60)).report):
        edges = {edge.target: edge for edge in report.edges if edge.source == "split/checked"}
        counts = {target: (edge.taken, edge.highest_in_flight) for target, edge in edges.items()}
        assert counts == {"split/checked/failures": (20, bound), "split/collect": (40, bound)}
        node = report.node("split/checked")
        assert (node.items_in, node.items_out, node.failed, node.skipped) == (60, 40, 20, 0)
        assert report.node("split/checked/failures").items_out == 20


def test_10_6_results_that_are_read_behind_the_failures_raise_deadlock(run_pipeline: Run) -> None:
    @step
    def one_after_the_other(failures: Iterator[Failure[int]], found: Iterator[int]) -> int:
        return len(list(failures)) + len(list(found))

    @pipeline
    def joined(count: int) -> int:
        found, failed = numbers(count).map(no_thirds).catch()
        return one_after_the_other(failed, found)

    with pytest.raises(DeadlockError, match=r"step 'joined/no_thirds' .* is held back: its edge to step 'joined/one"):
        run_pipeline(joined, 9)
    assert run_pipeline(joined, 1) == 1


def test_10_6_collected_failures_joined_with_lazy_results_are_rejected() -> None:
    with pytest.raises(WiringError, match="which can never finish"):

        @pipeline
        def joined(count: int) -> Stream[Any]:
            found, failed = numbers(count).map(no_thirds).catch()
            return found.map(lambda number, failures: (number, failures), failed.collect())


@each_mode
def test_10_7_failures_that_nobody_reads_are_skipped(
    run_pipeline: Run, mode: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    checked = as_step(no_thirds, mode)

    @pipeline
    def found(count: int) -> Stream[int]:
        results, _ = numbers(count).map(checked).catch()
        return results

    assert found.dag.node("found/no_thirds").on_error == "skip"
    assert run_pipeline(found, 6) == [1, 2, 4, 5]
    assert len(caplog.records) == 1


@each_mode
def test_10_7_results_that_nobody_reads_are_drained(run_pipeline: Run, mode: dict[str, Any]) -> None:
    checked = as_step(no_thirds, mode)

    @pipeline
    def failures(count: int) -> Stream[int]:
        _, failed = numbers(count).map(checked).catch()
        return failed.map(item_of)

    assert run_pipeline(failures, 10) == [0, 3, 6, 9]


@pytest.mark.parametrize("bound", [1, 4])
def test_10_7_who_stops_early_does_not_hold_the_other_back(run_pipeline: Run, bound: int) -> None:
    closed: list[str] = []

    @step
    def source(count: int) -> Iterator[int]:
        try:
            yield from range(count)
        finally:
            closed.append("source")

    few = step("few", fn=lambda items: len(list(itertools.islice(items, 2))))
    all_of = step("all_of", fn=lambda items: len(list(items)))

    @pipeline
    def one(count: int) -> tuple[Any, Any]:
        found, failed = source(count).map(step("checked", fn=no_thirds, max_in_flight=bound)).catch()
        return few(found), all_of(failed)

    @pipeline
    def other(count: int) -> tuple[Any, Any]:
        found, failed = source(count).map(step("checked", fn=no_thirds, max_in_flight=bound)).catch()
        return all_of(found), few(failed)

    @pipeline
    def both(count: int) -> tuple[Any, Any]:
        found, failed = source(count).map(step("checked", fn=no_thirds, max_in_flight=bound)).catch()
        return few(found), few(failed)

    assert run_pipeline(one, 30) == (2, 10)
    assert run_pipeline(other, 30) == (20, 2)
    assert run_pipeline(both, 10**9) == (2, 2)
    assert closed == ["source"] * 3


# -- retry ---------------------------------------------------------------------------------------------------


def again(**options: Any) -> Retry:
    """Three calls at most; the waits are of 1, 2, 4 ... seconds."""
    given: dict[str, Any] = {"on": ValueError, "attempts": 3, "timeout": None}
    waits = {"wait_initial": 1, "wait_max": 10**6, "wait_jitter": 0}
    return Retry(**given | waits | options)


class Flaky:
    """A step that fails at an item as often as `fails` says; `log` has each call with its time."""

    def __init__(self, fails: Mapping[int, int], clock: ScriptedClock, error: Callable[[int], Exception] = ValueError):
        self.fails = fails
        self.clock = clock
        self.error = error
        self.lock: threading.Lock = threading.Lock()
        self.calls: Counter[int] = Counter()
        self.log: list[tuple[int, float]] = []

    def __call__(self, number: int) -> int:
        with self.lock:
            self.log.append((number, self.clock.now()))
            self.calls[number] += 1
            if self.calls[number] <= self.fails.get(number, 0):
                raise self.error(number)
        return number

    def as_step(self, mode: dict[str, Any], **options: Any) -> Any:
        def call(number: int) -> int:
            return self(number)

        return as_step(call, mode, **{"retry": again()} | options)


@each_mode
def test_10_8_call_that_fails_is_made_again(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({1: 1, 3: 2, 4: 1}, clock)
    assert run_in_time(clock, numbers | flaky.as_step(mode) | str, 6) == list("012345")
    assert flaky.calls == {0: 1, 1: 2, 2: 1, 3: 3, 4: 2, 5: 1}


@each_mode
def test_10_8_calls_are_made_again_in_real_time(run_pipeline: Run, mode: dict[str, Any]) -> None:
    flaky = Flaky({number: number * 7 % 3 for number in range(100)}, ScriptedClock())
    call = flaky.as_step(mode, retry=again(wait_initial=1e-4))
    assert run_pipeline(numbers | call | str, 100) == [*map(str, range(100))]
    assert flaky.calls == {number: number * 7 % 3 + 1 for number in range(100)}


@each_mode
def test_10_8_filter_is_asked_again(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    choice = Flaky({1: 1, 2: 2}, clock).as_step(mode)

    @pipeline
    def chosen(count: int) -> Stream[int]:
        return numbers(count).filter(choice)

    assert run_in_time(clock, chosen, 4) == [1, 2, 3]


@each_mode
def test_10_8_last_failure_is_raised_with_how_often(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({1: 1, 2: 9}, clock)
    line = numbers | flaky.as_step(mode) | str
    with pytest.raises(ValueError) as caught:
        run_in_time(clock, line, 4)
    assert caught.value.args == (2,)
    [note] = caught.value.__notes__
    assert note.endswith(" failed at item 3; path numbers_to_str/call; after 3 attempts")
    assert flaky.calls[2] == 3


@each_mode
@pytest.mark.parametrize("on_error", ["skip", "catch"])
def test_10_8_policy_is_asked_about_the_last_failure_only(
    run_in_time: Run, mode: dict[str, Any], on_error: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 1, 1: 3, 2: 9, 3: 2}, clock)
    call = flaky.as_step(mode, max_failures=2)

    @pipeline
    def caught(count: int) -> tuple[list[int], list[Any]]:
        found, failed = numbers(count).map(call).catch()
        return found.collect(), failed.map(lambda failure: (failure.item, failure.attempts)).collect()

    @pipeline
    def skipped(count: int) -> list[int]:
        return numbers(count).map(call.options(on_error="skip")).collect()

    if on_error == "skip":
        assert run_in_time(clock, skipped, 5) == [0, 3, 4]
    else:
        assert run_in_time(clock, caught, 5) == ([0, 3, 4], [(1, 3), (2, 3)])
    assert len(caplog.records) == (on_error == "skip")
    assert flaky.calls == {0: 2, 1: 3, 2: 3, 3: 3, 4: 1}


@each_mode
def test_10_8_report_counts_calls_that_were_made_again(mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    call = Flaky({0: 1, 1: 3, 3: 2}, clock).as_step(mode, on_error="skip")
    node = SyncRunner(clock=clock).execute(numbers | call | str, 5).report.node("numbers_to_str/call")
    assert (node.items_in, node.items_out, node.skipped, node.failed, node.retried) == (5, 4, 1, 1, 5)
    assert [failure.attempts for failure in node.failures] == [3]


class Gone(ValueError):
    """Is a ValueError too."""


@pytest.mark.parametrize(
    ("on", "calls"),
    [
        (ValueError, {0: 2, 1: 2, 2: 1}),
        (Gone, {0: 1, 1: 2, 2: 1}),
        ((Gone, LookupError), {0: 1, 1: 2, 2: 2}),
        (lambda error: "2" in str(error), {0: 1, 1: 1, 2: 2}),
    ],
)
@each_mode
def test_10_8_only_after_what_was_named(run_in_time: Run, mode: dict[str, Any], on: Any, calls: Any) -> None:
    clock = ScriptedClock()
    kinds = [ValueError, Gone, LookupError]
    flaky = Flaky({0: 9, 1: 9, 2: 9}, clock, error=lambda number: kinds[number](number))
    call = flaky.as_step(mode, retry=again(on=on, attempts=2), on_error="skip")
    assert run_in_time(clock, numbers | call, 3) == []
    assert flaky.calls == calls


@each_mode
def test_10_8_what_stops_a_run_is_raised_at_once(run_pipeline: Run, mode: dict[str, Any]) -> None:
    calls: list[int] = []
    interrupt = asyncio.CancelledError if "async" in mode else KeyboardInterrupt

    def stopped(number: int) -> None:
        calls.append(number)
        raise interrupt

    with pytest.raises(interrupt):
        run_pipeline(numbers | as_step(stopped, mode, retry=again(on=lambda error: True)), 1)
    assert calls == [0]


@pytest.mark.parametrize("mode", [MODES["inline"], MODES["thread"], MODES["async"]], ids=["inline", "thread", "async"])
def test_10_8_one_call_is_made_again_too(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({1: 2, 2: 9}, clock)
    call = flaky.as_step(mode)

    @pipeline
    def once(number: int) -> Stream[int]:
        return numbers(call(number))

    assert run_in_time(clock, once, 1) == [0]
    assert flaky.log == [(1, 0), (1, 1), (1, 3)]
    with pytest.raises(ValueError) as caught:
        run_in_time(clock, once, 2)
    [note] = caught.value.__notes__
    assert note.endswith(" failed; path once/call; after 3 attempts")


@each_mode
def test_10_8_ready_tenacity_object_decides(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    told: list[tuple[str, int, float | None]] = []
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ValueError),
        stop=tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(100),
        wait=tenacity.wait_fixed(7),
        sleep=lambda seconds: pytest.fail("the run waits, not tenacity"),
        after=lambda state: told.append(("after", state.attempt_number, state.seconds_since_start)),
        before_sleep=lambda state: told.append(("before", state.attempt_number, state.upcoming_sleep)),
    )
    flaky = Flaky({0: 2}, clock)
    assert run_in_time(clock, numbers | flaky.as_step(mode, retry=retrying), 1) == [0]
    assert flaky.log == [(0, 0), (0, 7), (0, 14)]
    assert told == [("after", 1, 0), ("before", 1, 7), ("after", 2, 7), ("before", 2, 7)]


@each_mode
def test_10_8_tenacity_object_may_look_at_results(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    calls: Counter[int] = Counter()

    def odd(number: int) -> bool:
        calls[number] += 1
        return calls[number] > number

    def retrying(**options: Any) -> Any:
        return tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda odd: not odd), stop=tenacity.stop_after_attempt(3), **options
        )

    line = numbers | as_step(odd, mode, retry=retrying())
    assert run_in_time(clock, line, 3) == [True, True, True]
    with pytest.raises(tenacity.RetryError) as caught:
        run_in_time(clock, numbers | as_step(odd, mode, retry=retrying()) | str, 9)
    assert "after 3 attempts" in caught.value.__notes__[0]
    given = retrying(retry_error_callback=lambda state: state.attempt_number)
    calls.clear()
    assert run_in_time(clock, numbers | as_step(odd, mode, retry=given), 5) == [True, True, True, 3, 3]


# -- the wait ------------------------------------------------------------------------------------------------


@each_mode
def test_10_9_waits_grow_and_end_with_the_timeout(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 99}, clock)
    retry = again(attempts=None, timeout=20, wait_max=6)
    with pytest.raises(ValueError) as caught:
        run_in_time(clock, numbers | flaky.as_step(mode, retry=retry) | str, 1)
    assert caught.value.__notes__[0].endswith("; after 6 attempts")
    assert [time for _, time in flaky.log] == [0, 1, 3, 7, 13, 19]


@each_mode
def test_10_9_order_is_kept(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    fails = {number: number * 7 % 3 for number in range(40)}
    assert run_in_time(clock, numbers | Flaky(fails, clock).as_step(mode) | str, 40) == [*map(str, range(40))]


@pytest.mark.parametrize("mode", [MODES["threads"], MODES["tasks"]], ids=["threads", "tasks"])
def test_10_9_without_order_others_overtake_one_that_waits(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 2, 2: 1}, clock)
    assert run_in_time(clock, numbers | flaky.as_step(mode, ordered=False) | str, 4) == ["1", "3", "2", "0"]


@pytest.mark.parametrize("mode", [MODES["threads"], MODES["tasks"]], ids=["threads", "tasks"])
def test_10_9_call_that_waits_counts_for_the_bound_and_leaves_its_place(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 1}, clock)
    line = numbers | flaky.as_step(mode, max_in_flight=3, concurrency=1) | str
    assert run_in_time(clock, line, 6) == list("012345")
    assert flaky.log == [(0, 0), (1, 0), (2, 0), (0, 1), (3, 1), (4, 1), (5, 1)]


def test_10_9_call_whose_time_has_come_waits_for_a_place(run_in_time: Run) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 1}, clock)
    meter = Meter()

    @step(max_in_flight=4, concurrency=2, retry=again())
    async def call(number: int) -> int:
        meter.asked()
        try:
            flaky(number)
            await asyncio.sleep(5)
            return number
        finally:
            meter.taken()

    assert run_in_time(clock, numbers | call | str, 4) == list("0123")
    assert flaky.log == [(0, 0), (1, 0), (2, 0), (0, 5), (3, 5)]
    assert meter.highest == 2


def test_10_9_calls_whose_time_has_come_wait_for_a_place_at_the_end_too(run_in_time: Run) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 1, 1: 1}, clock)

    @step(max_in_flight=4, concurrency=1, retry=again())
    async def call(number: int) -> int:
        flaky(number)
        await asyncio.sleep(5)
        return number

    assert run_in_time(clock, numbers | call | str, 2) == list("01")
    assert flaky.log == [(0, 0), (1, 0), (0, 1), (1, 6)]


def test_10_9_call_whose_time_has_come_goes_before_new_ones(run_in_time: Run) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 1, 1: 1}, clock)

    @step(max_in_flight=4, concurrency=1, retry=again())
    async def call(number: int) -> int:
        if number == 1:
            await asyncio.sleep(5)
        return flaky(number)

    assert run_in_time(clock, numbers | call | str, 4) == list("0123")
    assert flaky.log == [(0, 0), (1, 5), (0, 5), (2, 5), (3, 5), (1, 11)]


def test_10_9_place_that_waits_for_an_item_is_given_to_a_call_whose_time_has_come(run_in_time: Run) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 1, 1: 2, 3: 1}, clock)
    call = flaky.as_step(MODES["tasks"], max_in_flight=2, concurrency=1)

    @pipeline
    def joined(count: int) -> Stream[Any]:
        found = numbers(count)  # holds one item: the next one comes when both have taken this one
        return zip_streams(found.map(call), found)

    assert run_in_time(clock, joined, 5) == [(number, number) for number in range(5)]


def test_10_9_call_that_has_lost_its_place_begins_later(run_in_time: Run) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 1}, clock)

    @step
    async def slow(count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number
            await asyncio.sleep(3)

    @step(max_in_flight=3, concurrency=1, retry=again())
    async def call(number: int) -> int:
        flaky(number)
        await asyncio.sleep(5)
        return number

    assert run_in_time(clock, slow | call | str, 3) == list("012")
    assert flaky.log == [(0, 0), (0, 1), (1, 6), (2, 14)]


def test_10_9_failure_behind_a_call_under_way_keeps_its_attempts(run_in_time: Run) -> None:
    clock = ScriptedClock()
    flaky = Flaky({1: 9, 2: 1, 3: 9}, clock)

    @step(max_in_flight=4, retry=again())
    async def call(number: int) -> int:
        if number == 0:
            await asyncio.sleep(100)
        elif number == 3:
            await asyncio.sleep(10)
        return flaky(number)

    @pipeline
    def split(count: int) -> tuple[list[int], list[Any]]:
        found, failed = numbers(count).map(call).catch()
        return found.collect(), failed.map(lambda failure: (failure.item, failure.attempts)).collect()

    assert run_in_time(clock, split, 4) == ([0, 2], [(1, 3), (3, 3)])


# -- in the run's own thread ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", [1, 2, 5])
def test_10_9_who_waits_in_the_runs_thread_holds_back_within_the_bound_only(run_in_time: Run, bound: int) -> None:
    clock = ScriptedClock()
    flaky = Flaky({3: 2, 4: 2}, clock)
    meters = [Meter(), Meter(), Meter()]

    def produced(number: int) -> int:
        for meter in meters:
            meter.asked()
        return number

    def plain(number: int) -> int:
        meters[0].taken()
        return number

    def first(number: int) -> int:
        if not flaky.calls[number]:
            meters[1].taken()
        return flaky(number)

    def last(number: int) -> int:
        meters[2].taken()
        return number

    @pipeline
    def fanned(count: int) -> tuple[Any, ...]:
        found = numbers(count).map(step("produced", fn=produced, max_in_flight=bound))
        return found.map(plain).collect(), found.map(step(retry=again())(first)).collect(), found.map(last).collect()

    assert run_in_time(clock, fanned, 20) == (list(range(20)),) * 3
    assert [meter.highest for meter in meters] == [bound] * 3
    assert clock.now() == 6


@pytest.mark.parametrize("bound", [1, 2])
def test_10_9_other_branch_goes_on_while_one_waits_in_the_runs_thread(run_in_time: Run, bound: int) -> None:
    clock = ScriptedClock()
    log: list[tuple[int, float]] = []
    flaky = Flaky({0: 1}, clock)

    def waits(number: int) -> int:
        return flaky(number)

    def logged(number: int) -> None:
        log.append((number, clock.now()))

    @pipeline
    def fanned(count: int) -> tuple[Any, ...]:
        found = numbers(count).map(step("produced", fn=int, max_in_flight=bound))
        return found.map(step("waits", fn=waits, retry=again(wait_initial=5))).collect(), found.map(logged).collect()

    run_in_time(clock, fanned, 4)
    assert log == [(number, 0 if number <= bound else 5) for number in range(4)]  # the first one was taken


@pytest.mark.parametrize("mode", [MODES["inline"], MODES["thread"], MODES["async"]], ids=["inline", "thread", "async"])
def test_10_9_who_does_not_need_a_value_goes_on_while_its_call_waits(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    log: list[tuple[int, float]] = []
    call = Flaky({7: 1}, clock).as_step(mode, retry=again(wait_initial=5))

    def logged(number: int) -> None:
        log.append((number, clock.now()))

    def added(number: int, other: int) -> int:
        return number + other

    @pipeline
    def fanned(count: int) -> tuple[Any, ...]:
        found = numbers(count).map(step("produced", fn=int, max_in_flight=2))
        return found.map(added, call(7)).collect(), found.map(logged).collect()

    assert run_in_time(clock, fanned, 4)[0] == [7, 8, 9, 10]
    assert log == [(0, 0), (1, 0), (2, 5), (3, 5)]


def test_10_9_tasks_go_on_while_the_run_waits_in_its_own_thread(run_in_time: Run) -> None:
    clock = ScriptedClock()
    log: list[tuple[int, float]] = []
    flaky = Flaky({0: 1}, clock)

    @step(max_in_flight=2, concurrency=1)
    async def in_task(number: int) -> int:
        await asyncio.sleep(1)
        log.append((number, clock.now()))
        return number

    line = numbers | in_task | step("waits", fn=flaky.__call__, retry=again(wait_initial=30))
    assert run_in_time(clock, line, 4) == [0, 1, 2, 3]
    assert log == [(0, 1), (1, 2), (2, 32), (3, 33)]  # what is under way goes on
    assert flaky.log == [(0, 1), (0, 31), (1, 31), (2, 32), (3, 33)]


def test_10_9_plain_step_between_async_ones_is_made_again(run_in_time: Run) -> None:
    clock = ScriptedClock()
    flaky = Flaky({1: 1, 2: 2}, clock)

    @step
    async def before(count: int) -> AsyncIterator[int]:
        for number in range(count):
            await asyncio.sleep(0)
            yield number

    @step(max_in_flight=2)
    async def behind(number: int) -> str:
        await asyncio.sleep(0)
        return str(number)

    assert run_in_time(clock, before | flaky.as_step({}) | behind, 4) == list("0123")
    assert flaky.log == [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (2, 4), (3, 4)]


# -- Retry-After ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (30, 30),
        (timedelta(minutes=2), 120),
        (datetime(1970, 1, 1, 0, 0, 40, tzinfo=UTC), 40),
        ("50", 50),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 60),
        ("soon", 1),
        (None, 1),
        (-3, 0),
    ],
)
@each_mode
def test_10_9_function_may_say_how_long(run_in_time: Run, mode: dict[str, Any], said: Any, seconds: float) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 1}, clock)
    line = numbers | flaky.as_step(mode, retry=again(retry_after=lambda error: said))
    assert run_in_time(clock, line, 1) == [0]
    assert flaky.log == [(0, 0), (0, seconds)]


@each_mode
def test_10_9_wait_that_would_end_too_late_is_not_waited(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 9}, clock)
    call = flaky.as_step(mode, retry=again(timeout=60, retry_after=lambda error: 61), on_error="skip")
    assert run_in_time(clock, numbers | call, 1) == []
    assert flaky.log == [(0, 0)]
    assert clock.now() == 0


@each_mode
@pytest.mark.parametrize("option", ["on", "retry_after"])
def test_10_9_failure_of_what_decides_is_a_failure_of_the_step(
    run_in_time: Run, mode: dict[str, Any], option: str
) -> None:
    clock = ScriptedClock()

    def decides(error: Exception) -> Any:
        raise LookupError("cannot say")

    line = numbers | Flaky({1: 1}, clock).as_step(mode, retry=again(**{option: decides})) | str
    with pytest.raises(LookupError, match="cannot say") as caught:
        run_in_time(clock, line, 3)
    assert "step 'call' (" in caught.value.__notes__[0]
    assert " failed at item 2; " in caught.value.__notes__[0]


@each_mode
def test_10_9_wait_that_is_none_is_a_failure_of_the_step(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    line = numbers | Flaky({1: 1}, clock).as_step(mode, retry=again(retry_after=lambda error: [])) | str
    with pytest.raises(
        OptionError, match=r"retry_after must give seconds, .*, got \[\]; correct that function"
    ) as caught:
        run_in_time(clock, line, 3)
    assert " failed at item 2; " in caught.value.__notes__[0]


# -- retry with other options --------------------------------------------------------------------------------


@each_mode
def test_10_11_each_call_passes_the_limit(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 2, 2: 1}, clock)
    call = flaky.as_step(mode, retry=again(wait_initial=0), limit=Limit(rate="1/s", concurrency=1))
    assert run_in_time(clock, numbers | call | str, 4) == list("0123")
    assert [time for _, time in flaky.log] == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("mode", [MODES["threads"], MODES["tasks"]], ids=["threads", "tasks"])
def test_10_11_call_that_is_made_again_passes_the_limit_first(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 2, 1: 1}, clock)
    call = flaky.as_step(mode, max_in_flight=9, retry=again(wait_initial=0.25), limit=Limit(rate="1/s"))
    assert run_in_time(clock, numbers | call | str, 9) == list("012345678")
    assert [number for number, _ in flaky.log] == [0, 0, 0, 1, 1, *range(2, 9)]


@each_mode
def test_10_11_no_time_before_the_first_failure_counts_for_the_timeout(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 1, 3: 1}, clock)
    call = flaky.as_step(mode, retry=again(timeout=45), limit=Limit(rate="1/min"))
    assert run_in_time(clock, numbers | call | str, 4) == list("0123")


@each_mode
def test_10_11_call_that_waits_leaves_its_place_in_the_limit(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    log: list[tuple[int, float]] = []
    api = Limit(concurrency=1)
    call = Flaky({0: 1}, clock).as_step(mode, retry=again(wait_initial=60), limit=api)

    @step(limit=api, executor="thread")
    def other(number: int) -> int:
        log.append((number, clock.now()))
        return number

    @pipeline
    def both(count: int) -> tuple[list[int], list[int]]:
        return numbers(1).map(call).collect(), numbers(count).map(other).collect()

    assert run_in_time(clock, both, 3) == ([0], [0, 1, 2])
    assert log == [(0, 0), (1, 0), (2, 0)]


@each_mode
def test_10_11_hook_may_pause_the_limit_for_all(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    api = Limit(rate="1/s")

    def told(error: Exception) -> int:
        api.pause(60)
        return 60

    flaky = Flaky({1: 1}, clock)
    call = flaky.as_step(mode, retry=again(retry_after=told), limit=api)
    assert run_in_time(clock, numbers | call | str, 4) == list("0123")
    assert [time for _, time in flaky.log] == [0, 1, 61, 62, 63]


def test_10_11_each_call_has_the_timeout_for_itself(run_in_time: Run) -> None:
    clock = ScriptedClock()
    calls: Counter[int] = Counter()

    @step(max_in_flight=2, timeout=10, retry=again(on=TimeoutError))
    async def slow(number: int) -> tuple[int, float]:
        calls[number] += 1
        await asyncio.sleep(9 if calls[number] > number else 3600)
        return number, clock.now()

    assert run_in_time(clock, numbers | slow, 3) == [(0, 9), (1, 20), (2, 9 + 10 + 1 + 10 + 2 + 9)]


@each_mode
def test_10_11_only_what_succeeds_is_kept(run_kept: Run, mode: dict[str, Any], tmp_path: Path) -> None:
    made: Counter[int] = Counter()

    def hiccups(number: int) -> int:
        made[number] += 1
        if made[number] < 3:
            raise ValueError(number)
        return number * number

    retry = again(attempts=2, wait_initial=0)
    line = numbers | as_step(hiccups, mode, checkpoint=True, retry=retry, on_error="skip")
    assert run_kept(tmp_path / "kept.db", line, 2) == []
    assert run_kept(tmp_path / "kept.db", line, 3) == [0, 1]
    assert run_kept(tmp_path / "kept.db", line, 3) == [0, 1, 4]
    assert made == {0: 3, 1: 3, 2: 3}


@each_mode
def test_10_11_calls_in_a_pipeline_that_runs_for_each_item_are_made_again(
    run_in_time: Run, mode: dict[str, Any]
) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 1, 1: 2, 2: 1}, clock)
    call = flaky.as_step(mode)

    @pipeline
    def called(number: int) -> Any:
        return call(number)

    @pipeline
    def below(count: int) -> list[int]:
        return numbers(count).map(called).collect()

    @pipeline
    def nested(count: int) -> Stream[list[int]]:
        return numbers(count).map(below)

    assert run_in_time(clock, nested, 4) == [[], [0], [0, 1], [0, 1, 2]]
    assert flaky.calls == {0: 1 + 3, 1: 2 + 2, 2: 1 + 1}


# -- the end of a run ----------------------------------------------------------------------------------------


def beside_a_failure(call: Any) -> Any:
    """A pipeline that maps `call` over numbers, and fails elsewhere after 60 seconds."""

    @step
    async def fails() -> None:
        await asyncio.sleep(60)
        raise LookupError("elsewhere")

    @pipeline
    def both(count: int) -> tuple[Any, ...]:
        return fails(), numbers(count).map(call).collect(), numbers(count).collect()

    return both


@each_mode
def test_10_10_no_call_is_made_again_when_the_run_has_failed(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 9}, clock)
    call = flaky.as_step(mode, retry=again(wait_initial=3600))

    with pytest.raises(LookupError, match="elsewhere"):
        run_in_time(clock, beside_a_failure(call), 3)
    assert flaky.calls[0] == 1
    assert clock.now() == 60


@pytest.mark.parametrize("concurrency", [1, 3])
def test_10_10_no_call_is_made_again_while_others_are_ended(run_in_time: Run, concurrency: int) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 9}, clock)

    @step(max_in_flight=3, concurrency=concurrency, retry=again(wait_initial=30 if concurrency == 1 else 100))
    async def call(number: int) -> int:
        flaky(number)
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(100)  # from 60 to 160
        return number

    with pytest.raises(LookupError, match="elsewhere"):
        run_in_time(clock, beside_a_failure(call), 3)
    assert flaky.calls[0] == 1
    assert clock.now() == 160


@pytest.mark.parametrize("mode", [MODES["threads"], MODES["tasks"]], ids=["threads", "tasks"])
def test_10_10_no_call_is_made_again_that_nobody_wants(run_in_time: Run, mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 1, 1: 9, 2: 9}, clock)
    call = flaky.as_step(mode, retry=again(retry_after=lambda error: 3600 if error.args[0] else 1))
    few = step("few", fn=lambda items: list(itertools.islice(items, 1)))

    @step
    async def sleeps() -> float:
        await asyncio.sleep(3600 * 9)
        return clock.now()

    @pipeline
    def one(count: int) -> Any:
        return few(numbers(count).map(call))

    @pipeline
    def with_another(count: int) -> Any:
        return few(numbers(count).map(call)), sleeps()

    assert run_in_time(clock, one, 9) == [0]
    assert clock.now() == 1
    flaky.calls.clear()
    assert run_in_time(clock, with_another, 9) == ([0], 1 + 1 + 3600 * 9)
    assert flaky.calls == {0: 2, 1: 1, 2: 1, 3: 1}


@each_mode
def test_10_10_who_leaves_early_does_not_wait(mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    call = Flaky({1: 9}, clock).as_step(mode, retry=again(wait_initial=3600))
    line = numbers | call | str

    async def leave() -> None:
        items = line.aiter(9)
        async for _ in items:
            break
        await items.aclose()

    for _ in line.iter(9):
        break
    asyncio.run(leave())


@pytest.mark.parametrize("mode", [MODES["inline"], MODES["thread"], MODES["tasks"]], ids=["inline", "thread", "tasks"])
def test_10_10_run_is_cancelled_while_a_call_waits(mode: dict[str, Any]) -> None:
    clock = ScriptedClock()
    flaky = Flaky({0: 9}, clock)
    line = numbers | flaky.as_step(mode, retry=again(wait_initial=3600)) | str

    async def cancelled() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await line.arun(3)

    clock.run(cancelled())
    assert flaky.log == [(0, 0)] or mode.get("async")
    assert flaky.calls[0] == 1
    assert clock.now() == 60


@pytest.mark.parametrize("mode", [MODES["thread"], MODES["tasks"]], ids=["thread", "tasks"])
def test_10_10_nothing_stays_behind_in_the_callers_loop(mode: dict[str, Any]) -> None:
    class Item:
        alive = 0

        def __init__(self, number: int) -> None:
            self.number = number
            Item.alive += 1

        def __del__(self) -> None:
            Item.alive -= 1

    def fails_later(item: Item) -> int:
        if item.number:
            raise ValueError(item.number)
        return item.number

    line = numbers | Item | as_step(fails_later, mode, retry=again(wait_initial=3600))

    async def leave() -> None:
        items = line.aiter(9)
        async for _ in items:
            break
        await asyncio.sleep(0.01)
        await items.aclose()
        del items
        gc.collect()
        assert Item.alive == 0

    asyncio.run(leave())
