"""Section 10 of the guarantees."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import pytest

from headrace import AsyncRunner, DeadlockError, Failure, Stream, SyncRunner, WiringError, pipeline, step, stream

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
each_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
each_flat_mode = pytest.mark.parametrize("mode", [MODES["inline"], MODES["ahead"], MODES["async"]])


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


GENERATORS = {
    "inline": step(on_error="skip")(first_thirds),
    "ahead": step(on_error="skip", max_in_flight=3)(first_thirds),
    "thread": step(on_error="skip", executor="thread")(first_thirds),
    "async": step(on_error="skip")(first_thirds_async),
    "async, ahead": step(on_error="skip", max_in_flight=3)(first_thirds_async),
}
each_generator = pytest.mark.parametrize("generator", GENERATORS.values(), ids=GENERATORS)


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
