"""Section 3 of the guarantees."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from headrace import DeadlockError, LengthError, Stream, WiringError, pipeline, step, stream, zip_streams
from headrace.graph.options import Executor

Run = Callable[..., Any]


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
def checked(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


@step
def checking(items: Iterator[int]) -> Iterator[int]:
    for number in items:
        yield checked(number)


@step
def summing(items: Iterator[int]) -> int:
    return sum(map(checked, items))


@step
def same(items: Iterator[int]) -> Iterator[int]:
    yield from items


def in_thread(one: Any) -> Any:
    return one.options(executor="thread", max_in_flight=2)


FAILING: dict[str, Any] = {
    "called per item": (numbers | abs | checked | str, "checked", " at item 4"),
    "called per item, ahead": (numbers | checked.options(max_in_flight=3) | same, "checked", " at item 4"),
    "called per item, in a thread": (numbers | in_thread(checked) | same, "checked", " at item 4"),
    "generator": (numbers | same | checking | same.options(name="later") | str, "checking", ""),
    "generator, ahead": (numbers | checking.options(max_in_flight=3) | same, "checking", ""),
    "generator, in a thread": (
        numbers | same | in_thread(checking) | same.options(name="later"),
        "checking",
        "",
    ),
    "generator below one in a thread": (numbers | checking | in_thread(same), "checking", ""),
    "value": (numbers | same | summing, "summing", ""),
    "the same step twice": (numbers | checking | same | checking, "checking", ""),
}


@pytest.mark.parametrize(("line", "name", "item"), FAILING.values(), ids=FAILING.keys())
def test_3_1_original_exception_with_a_note(run_pipeline: Run, line: Any, name: str, item: str) -> None:
    with pytest.raises(ValueError, match="three") as caught:
        run_pipeline(line, 9)
    node = next(node for node in line.dag.nodes if node.name == name)
    assert caught.value.__notes__ == [f"headrace: step '{name}' ({node.where}) failed{item}; path {node.id}"]


def test_3_1_first_of_several_steps_that_are_one_function_is_named(run_pipeline: Run) -> None:
    @pipeline
    def twice(count: int) -> Stream[int]:
        return numbers(count).map(abs).map(checked).map(checked)

    with pytest.raises(ValueError) as caught:
        run_pipeline(twice, 9)
    assert caught.value.__notes__[0].endswith("path twice/checked")


def test_3_1_of_two_steps_with_one_function_the_failing_one_is_named(run_pipeline: Run) -> None:
    @step
    def source(count: int, fails: bool) -> Iterator[int]:
        yield from range(count)
        if fails:
            raise ValueError("source")

    @pipeline
    def zipped() -> Stream[tuple[int, int]]:
        return zip_streams(source.options(name="left")(2, False), source.options(name="right")(2, True))

    with pytest.raises(ValueError, match="source") as caught:
        run_pipeline(zipped)
    assert caught.value.__notes__[0].endswith("path zipped/right")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, ValueError, GeneratorExit])
@pytest.mark.parametrize("readers", [1, 2])
def test_3_1_any_exception_of_a_value_step_reaches_the_caller(run_pipeline: Run, kind: Any, readers: int) -> None:
    @step
    def fails(items: Iterator[int]) -> None:
        next(items)
        raise kind("mine")

    @pipeline
    def failing(count: int) -> None:
        items = numbers(count)
        fails(items)
        for _ in range(readers - 1):
            items.collect()

    with pytest.raises(kind, match="mine"):
        run_pipeline(failing, 9)


def leave_at_three(number: int) -> int:
    if number == 3:
        raise GeneratorExit("mine")
    return number


async def leave_in_task(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for number in items:
        yield leave_at_three(number)


LEAVING: dict[str, Any] = {
    "inline": step("leaving", fn=leave_at_three),
    "ahead": step("leaving", fn=leave_at_three, max_in_flight=3),
    "task": step("leaving", fn=leave_in_task),
}


@pytest.mark.parametrize("leaving", LEAVING.values(), ids=LEAVING)
def test_3_1_generator_exit_of_a_step_does_not_end_the_items_silently(leaving: Any) -> None:
    async def items_in_task() -> list[int]:
        return [number async for number in (numbers | leaving).aiter(9)]

    with pytest.raises(GeneratorExit, match="mine"):
        list((numbers | leaving).iter(9))
    with pytest.raises(GeneratorExit, match="mine"):
        asyncio.run(items_in_task())


@pytest.mark.parametrize("options", [{}, {"executor": "thread"}], ids=["inline", "thread"])
def test_3_1_stop_iteration_does_not_end_a_stream_silently(run_pipeline: Run, options: dict[str, Any]) -> None:
    @step(**options)
    def stops(number: int) -> int:
        raise StopIteration

    with pytest.raises(RuntimeError, match="raised StopIteration") as caught:
        run_pipeline(numbers | stops, 9)
    assert isinstance(caught.value.__cause__, StopIteration)


def test_3_1_stop_iteration_of_a_value_step_is_a_failure(run_pipeline: Run) -> None:
    @step
    def first(items: Iterator[int]) -> int:
        return next(items)

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        run_pipeline(numbers | first, 0)


@pytest.mark.parametrize("bound", [1, 5])
@pytest.mark.parametrize("executor", ["inline", "thread"])
def test_3_2_failure_comes_behind_what_was_made_before(bound: int, executor: Any) -> None:
    for failing in (checked, checking):
        received = []
        with pytest.raises(ValueError, match="three"):
            for item in (numbers | failing.options(max_in_flight=bound, executor=executor)).iter(9):
                received.append(item)
        assert received == [0, 1, 2]


def test_3_2_error_with_full_channel_terminates(run_pipeline: Run) -> None:
    @step(max_in_flight=2)
    def source() -> Iterator[int]:
        yield from range(3)
        raise ValueError("source")

    @step
    def late(items: Iterator[int], other: int) -> int:
        return sum(items)

    @pipeline
    def fan_out() -> tuple[int, int]:
        items = source()
        first = step("first", fn=_first)(items)
        return late(items, first), late(items.map(abs), first)

    with pytest.raises(ValueError, match="source"):
        run_pipeline(fan_out)


class Log:
    """Generator steps that say when they are closed."""

    def __init__(self) -> None:
        self.closed: list[str] = []

    def source(self) -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            self.closed.append("source")

    def through(self, items: Iterator[int], name: str) -> Iterator[int]:
        try:
            for item in items:
                yield item
        finally:
            self.closed.append(name)


def fail_at(number: int, at: int) -> int:
    if number == at:
        raise ValueError("failed")
    return number


@pytest.mark.parametrize(
    "options",
    [{}, {"max_in_flight": 4}, {"executor": "thread", "max_in_flight": 2}],
    ids=["direct", "ahead", "thread"],
)
@pytest.mark.parametrize("ending", ["stop", "fail"])
@pytest.mark.parametrize("branches", [1, 2])
def test_3_3_everything_is_closed_when_control_comes_back(
    run_pipeline: Run, options: dict[str, Any], ending: str, branches: int
) -> None:
    log, threads = Log(), threading.active_count()
    source = step("source", fn=log.source, **options)
    through = step("through", fn=log.through, **options)
    count = 5 if ending == "stop" else None

    @step
    def some(items: Iterator[int]) -> list[int]:
        return list(islice(items, count))

    @pipeline
    def line() -> None:
        items = source()
        for index in range(branches):
            some(through(items, f"through {index}").map(fail_at, 7))

    if ending == "stop":
        run_pipeline(line)
    else:
        with pytest.raises(ValueError, match="failed"):
            run_pipeline(line)
    assert sorted(log.closed) == ["source", *(f"through {index}" for index in range(branches))]
    assert threading.active_count() == threads


def test_3_3_generators_are_closed_consumers_first(run_pipeline: Run) -> None:
    log = Log()
    a, b = step("a", fn=log.through), step("b", fn=log.through)

    @pipeline
    def line() -> int:
        return step("first", fn=_first)(b(a(step("source", fn=log.source)(), "a"), "b"))

    assert run_pipeline(line) == 0
    assert log.closed == ["b", "a", "source"]


def test_3_3_early_break_cancels_in_flight() -> None:
    log, threads = Log(), threading.active_count()
    release = threading.Event()
    calls: list[int] = []

    @step(executor="thread", max_in_flight=4)
    def work(number: int) -> int:
        calls.append(number)
        if number:
            release.wait(timeout=20)
        return number

    items = (step("source", fn=log.source) | work).iter()
    for item in items:
        assert item == 0
        release.set()
        break
    items.close()
    assert sorted(calls) == [0, 1, 2, 3]
    assert log.closed == ["source"]
    assert threading.active_count() == threads


@pytest.mark.parametrize("started", [True, False])
def test_3_3_leaving_iter_as_a_context_manager_closes(started: bool) -> None:
    log = Log()
    with step("source", fn=log.source).iter() as items:
        if started:
            next(items)
    assert log.closed == (["source"] if started else [])


def test_3_3_failure_in_the_consumer_of_iter_closes() -> None:
    log = Log()
    with pytest.raises(ValueError, match="mine"), step("source", fn=log.source).iter() as items:
        for _ in items:
            raise ValueError("mine")
    assert log.closed == ["source"]


def test_3_3_nothing_is_kept_alive_after_a_run(run_pipeline: Run) -> None:
    class Item:
        alive = 0

        def __init__(self, number: int) -> None:
            Item.alive += 1

        def __del__(self) -> None:
            Item.alive -= 1

    @pipeline
    def fan_out(count: int) -> tuple[int, int]:
        items = numbers(count).map(Item)
        length = step("length", fn=lambda items: sum(1 for _ in items))
        return length(items), length(items.map(lambda item: item))

    gc.disable()  # not even for the garbage collector
    try:
        assert run_pipeline(fan_out, 50) == (50, 50)
        assert Item.alive == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("max_in_flight", [1, 4])
@pytest.mark.parametrize("executor", ["inline", "thread"])
def test_3_4_first_failure_wins_second_is_noted(run_pipeline: Run, max_in_flight: int, executor: Executor) -> None:
    @step
    def source() -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            raise LookupError("while closing")

    with pytest.raises(ValueError, match="three") as caught:
        run_pipeline(source | checked.options(max_in_flight=max_in_flight, executor=executor))
    assert caught.value.__notes__[1:] == ["headrace: then LookupError: while closing"]


def test_3_4_failure_while_closing_after_an_early_stop_is_raised(run_pipeline: Run) -> None:
    @step
    def source() -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            raise LookupError("while closing")

    with pytest.raises(LookupError, match="while closing"):
        run_pipeline(source | step("first", fn=_first))


def _first(items: Iterator[int]) -> int:
    return next(items)


def _same_number(number: int) -> int:
    return number


def _total(numbers: list[int]) -> int:
    return sum(numbers)


def _share(number: int, total: int) -> float:
    return number / total


def test_3_5_diamond_uneven_branches_raises_deadlock(run_pipeline: Run) -> None:
    @pipeline
    def uneven(count: int) -> Stream[tuple[Any, ...]]:
        items = numbers(count)
        return zip_streams(items.batched(3), items)

    with pytest.raises(DeadlockError) as caught:
        run_pipeline(uneven, 9)
    message = str(caught.value)
    assert message.startswith("every stage waits for another: ")
    place = uneven.dag.node("uneven/numbers").where
    assert f"step 'uneven/numbers' ({place}) is held back: its edge to step 'uneven/zip' (" in message
    assert "is full (1 of 1 in flight)" in message
    assert f"max_in_flight=2 on step 'uneven/numbers' ({place})" in message


@pytest.mark.parametrize("bound", [1, 2, 3])
def test_3_5_suggested_bound_gets_past_the_point(run_pipeline: Run, bound: int) -> None:
    source = numbers.options(max_in_flight=bound)

    @pipeline
    def shifted(count: int) -> Stream[Any]:
        items = source(count)
        return zip_streams(items, skip_three(items))

    error = DeadlockError if bound < 3 else LengthError
    with pytest.raises(error, match=f"max_in_flight={bound + 1} on step 'shifted/numbers'" if bound < 3 else "length"):
        run_pipeline(shifted, 9)


@step
def skip_three(items: Iterator[int]) -> Iterator[int]:
    yield from islice(items, 3, None)


@pytest.mark.parametrize("executor", ["inline", "thread"])
def test_3_5_join_that_drains_one_side_first_raises_deadlock(run_pipeline: Run, executor: Any) -> None:
    @step
    def one_after_the_other(left: Iterator[int], right: Iterator[int]) -> int:
        return sum(left) + sum(right)

    @pipeline
    def join(count: int) -> int:
        items = numbers(count)
        worked = items.map(step("work", fn=_same_number, executor=executor))
        return one_after_the_other(worked, items)

    with pytest.raises(DeadlockError):
        run_pipeline(join, 9)
    assert run_pipeline(join, 0) == 0


def test_3_5_deadlock_of_several_fibers_is_found(run_pipeline: Run) -> None:
    @step
    def crossed(left: Iterator[int], right: Iterator[int]) -> int:
        return sum(left) + sum(right)

    @pipeline
    def two(count: int) -> None:
        one, other = numbers(count), numbers(count)
        crossed(one, other)
        crossed(other, one)

    with pytest.raises(DeadlockError) as caught:
        run_pipeline(two, 9)
    assert str(caught.value).count("is held back") == 2
    run_pipeline(two, 0)


def test_3_6_collected_branch_joined_with_a_lazy_one_is_rejected() -> None:
    with pytest.raises(WiringError, match="which can never finish"):

        @pipeline
        def scaled(count: int) -> Stream[float]:
            items = numbers(count)
            return items.map(_share, step("total", fn=_total)(items.collect()))


@pytest.mark.parametrize(("left", "right"), [(2, 3), (3, 2), (0, 1)])
def test_3_7_zips_are_strict(run_pipeline: Run, left: int, right: int) -> None:
    @pipeline
    def zipped(left: int, right: int) -> Stream[tuple[int, int]]:
        return zip_streams(numbers.options(name="left")(left), numbers.options(name="right")(right))

    with pytest.raises(LengthError, match=r"step 'right' \(.*\) is (longer|shorter) than step 'left'"):
        run_pipeline(zipped, left, right)


def test_3_7_streams_of_one_name_are_told_apart_by_their_place(run_pipeline: Run) -> None:
    @pipeline
    def zipped(left: list[int], right: list[int]) -> Stream[tuple[int, int]]:
        return zip_streams(left, right)

    with pytest.raises(
        LengthError, match=r"stream 2, of step 'stream' \(.*\), is shorter than stream 1, of step 'stream'"
    ):
        run_pipeline(zipped, [1, 2], [1])


def test_3_7_a_value_error_of_the_user_is_not_taken_for_a_difference_in_length(run_pipeline: Run) -> None:
    @step
    def broken() -> Iterator[int]:
        raise ValueError("zip() argument 2 is shorter than argument 1")
        yield

    @pipeline
    def zipped() -> Stream[tuple[int, int]]:
        return zip_streams(stream([1]), broken())

    with pytest.raises(ValueError) as caught:
        run_pipeline(zipped)
    assert not isinstance(caught.value, LengthError)


def test_3_8_nothing_runs_before_the_first_item_is_asked_for() -> None:
    log = Log()
    items = step("source", fn=log.source).iter()
    assert log.closed == []
    assert next(items) == 0
    items.close()
    with pytest.raises(StopIteration):
        next(items)


def test_3_8_other_values_of_a_stream_pipeline_are_computed_with_iter() -> None:
    log: list[int] = []

    @pipeline
    def logged(count: int) -> Stream[int]:
        items = numbers(count)
        items.map(log.append)
        return items.map(abs)

    assert list(logged.iter(5)) == [0, 1, 2, 3, 4]
    assert log == [0, 1, 2, 3, 4]


def test_3_8_failure_of_another_branch_reaches_the_caller_of_iter() -> None:
    @pipeline
    def failing(count: int) -> Stream[int]:
        items = numbers(count)
        items.map(checked)
        return items.map(abs)

    received = []
    with pytest.raises(ValueError, match="three"):
        for item in failing.iter(9):
            received.append(item)
    assert received in ([0, 1, 2], [0, 1, 2, 3])
