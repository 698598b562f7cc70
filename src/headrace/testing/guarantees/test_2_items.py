"""Section 2 of the guarantees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace import Stream, pipeline, step, stream, zip_streams

Run = Callable[..., Any]
FAILURE = ValueError("an item, not a failure")
STRANGE = [None, FAILURE, StopIteration, StopIteration(3), NotImplemented, ..., (), GeneratorExit(), float]


def same(item: Any) -> Any:
    return item


def total_of(numbers: list[int]) -> int:
    return sum(numbers)


def each(items: Iterator[Any]) -> Iterator[Any]:
    yield from items


@pytest.mark.parametrize(
    ("bound", "executor"),
    [(1, "inline"), (4, "inline"), (1, "thread"), (4, "thread")],
    ids=lambda value: str(value),
)
def test_2_1_any_object_is_an_item(run_pipeline: Run, bound: int, executor: Any) -> None:
    called = step("called", fn=same, max_in_flight=bound, executor=executor)
    through = step("through", fn=each, max_in_flight=bound, executor=executor)

    @pipeline
    def strange() -> tuple[list[Any], list[Any], list[Any]]:
        items = stream(STRANGE)
        twice = zip_streams(items.map(called), through(items))
        return (
            twice.starmap(lambda left, _: left).collect(),
            items.collect(),
            items.map(lambda item: item).collect(),
        )

    assert run_pipeline(strange) == (STRANGE, STRANGE, STRANGE)


def test_2_1_exception_object_is_an_item() -> None:
    @step
    def failures() -> Iterator[Exception]:
        yield FAILURE

    assert list(failures.iter()) == [FAILURE]
    assert failures.run() == [FAILURE]


def test_2_1_none_is_an_item(run_pipeline: Run) -> None:
    @step
    def nothing() -> None:
        return None

    @step
    def of(value: None) -> list[None]:
        return [value]

    @pipeline
    def wrapped() -> list[None]:
        return of(nothing())

    assert run_pipeline(wrapped) == [None]


@pytest.mark.parametrize("executor", ["inline", "thread"])
def test_2_2_results_are_in_input_order(run_pipeline: Run, executor: Any) -> None:
    work = step("work", fn=same, max_in_flight=7, executor=executor)

    @pipeline
    def ordered() -> Stream[int]:
        return stream(range(500)).map(work).flat_map(lambda number: [number, -number]).filter(lambda number: number % 3)

    assert run_pipeline(ordered) == [m for n in range(500) for m in (n, -n) if m % 3]


def test_2_3_each_consumer_gets_every_item(run_pipeline: Run) -> None:
    lazily = step("lazily", fn=lambda items: sum(1 for _ in items))

    @pipeline
    def fan_out() -> tuple[Any, Any, Any, Any]:
        items = stream(range(100))
        batches = items.batched(7)
        return items.collect(), lazily(items), items.map(str).collect(), lazily(batches)

    assert run_pipeline(fan_out) == (list(range(100)), 100, [str(number) for number in range(100)], 15)


def test_2_3_same_stream_twice_in_one_call_is_two_branches(run_pipeline: Run) -> None:
    @step
    def pairs(left: Iterator[int], right: Iterator[int]) -> Iterator[tuple[int, int]]:
        yield from zip(left, right, strict=True)

    @pipeline
    def twice() -> Stream[tuple[int, int]]:
        items = stream([1, 2, 3])
        return pairs(items, items)

    assert run_pipeline(twice) == [(1, 1), (2, 2), (3, 3)]


def test_2_3_collected_list_reads_a_stream_twice(run_pipeline: Run) -> None:
    @pipeline
    def average() -> Stream[float]:
        numbers = stream([1, 2, 3]).collect()
        total = step("total", fn=total_of)(numbers)
        return stream(numbers).map(lambda number, total: number / total, total)

    assert run_pipeline(average) == [1 / 6, 2 / 6, 3 / 6]


def test_2_4_every_recorded_step_runs(run_pipeline: Run) -> None:
    log: list[str] = []

    @step
    def note(text: str) -> None:
        log.append(text)

    @step
    def notes(texts: Iterator[str]) -> Iterator[str]:
        for text in texts:
            log.append(text)
            yield text

    @pipeline
    def unreturned() -> None:
        note("value")
        stream(["a", "b"]).map(note)
        notes(stream(["c", "d"]))

    run_pipeline(unreturned)
    assert sorted(log) == ["a", "b", "c", "d", "value"]


def test_2_4_streams_may_be_empty(run_pipeline: Run) -> None:
    @pipeline
    def empty(items: list[int]) -> tuple[Any, Any, Any, Any]:
        all_of = stream(items)
        lengths = step("lengths", fn=lambda left, right: (len(list(left)), len(list(right))))
        zipped = zip_streams(all_of, all_of.map(abs))
        return (
            all_of.collect(),
            all_of.batched(3).collect(),
            zipped.collect(),
            lengths(all_of.filter(abs), stream(items)),
        )

    assert run_pipeline(empty, []) == ([], [], [], (0, 0))
