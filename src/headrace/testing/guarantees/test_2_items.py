"""Section 2 of the guarantees."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace import OptionError, Stream, pipeline, step, stream, zip_streams

Run = Callable[..., Any]
FAILURE = ValueError("an item, not a failure")
STRANGE: list[Any] = [None, FAILURE, StopIteration, StopIteration(3), NotImplemented, ..., (), GeneratorExit(), float]


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


def test_2_5_take_asks_for_no_more_than_it_gives(run_pipeline: Run) -> None:
    log: list[Any] = []

    @step
    def numbers() -> Iterator[int]:
        try:
            for number in itertools.count():
                log.append(number)
                yield number
        finally:
            log.append("closed")

    def noted(number: int) -> int:
        log.append(f"got {number}")
        return number

    @pipeline
    def first(count: int) -> Stream[int]:
        return numbers().take(count).map(noted)

    assert run_pipeline(first, 0) == []
    assert log == []
    assert run_pipeline(first, 2) == [0, 1]
    assert log == [0, "got 0", 1, "closed", "got 1"]


def test_2_5_branch_that_took_enough_holds_nobody_back(run_pipeline: Run) -> None:
    @pipeline
    def beginnings() -> tuple[Any, Any]:
        numbers = stream(range(100))
        few = zip_streams(numbers.take(2), numbers, strict=False)
        return few.collect(), numbers.collect()

    assert run_pipeline(beginnings) == ([(0, 0), (1, 1)], list(range(100)))


def test_2_5_number_that_is_known_only_in_the_run_is_checked_there(run_pipeline: Run) -> None:
    @pipeline
    def batches(items: list[int], size: int) -> Stream[tuple[int, ...]]:
        return stream(items).batched(size)

    assert run_pipeline(batches, [1, 2, 3], 2) == [(1, 2), (3,)]
    with pytest.raises(OptionError, match="must get a whole number of 1 or more, got 0"):
        run_pipeline(batches, [1, 2, 3], 0)


def test_2_6_zip_is_as_long_as_it_says(run_pipeline: Run) -> None:
    @pipeline
    def zips(left: list[int], right: list[int]) -> tuple[Any, Any, Any]:
        short = zip_streams(left, right, strict=False)
        long = zip_streams(left, right, stream(left).map(str), fill=None)
        return short.collect(), zip_streams(right, left, strict=False).collect(), long.collect()

    assert run_pipeline(zips, [1, 2, 3], [4]) == (
        [(1, 4)],
        [(4, 1)],
        [(1, 4, "1"), (2, None, "2"), (3, None, "3")],
    )


def test_2_7_collect_makes_what_it_is_given(run_pipeline: Run) -> None:
    def joined(words: Iterator[str]) -> str:
        return " ".join(words)

    @pipeline
    def collections(words: list[str]) -> tuple[Any, ...]:
        found = stream(words)
        pairs = found.enumerate(1)
        return (
            found.collect(),
            found.map(str.upper).collect(set),
            found.collect(frozenset),
            found.map(len).collect(tuple),
            pairs.collect(dict),
            found.collect(Counter),
            found.collect(sorted),
            found.collect(joined),
        )

    assert run_pipeline(collections, ["to", "be", "to"]) == (
        ["to", "be", "to"],
        {"TO", "BE"},
        frozenset({"to", "be"}),
        (2, 2, 2),
        {1: "to", 2: "be", 3: "to"},
        Counter(["to", "be", "to"]),
        ["be", "to", "to"],
        "to be to",
    )


def test_2_7_collect_behind_an_async_step(run_pipeline: Run) -> None:
    async def upper(word: str) -> str:
        return word.upper()

    @pipeline
    def upper_words(words: list[str]) -> set[str]:
        return stream(words).map(upper).collect(set)

    assert run_pipeline(upper_words, ["to", "be", "to"]) == {"TO", "BE"}


def test_2_7_collection_that_cannot_be_made_is_blamed(run_pipeline: Run) -> None:
    @pipeline
    def of_lists(items: list[Any]) -> set[Any]:
        return stream(items).collect(set)

    with pytest.raises(TypeError, match="unhashable") as caught:
        run_pipeline(of_lists, [[1]])
    assert "path of_lists/collect" in caught.value.__notes__[0]


def test_2_3_consumers_that_are_called_per_item_see_each_item_in_turn(run_pipeline: Run) -> None:
    log: list[str] = []

    def noting(name: str) -> Any:
        def note(number: Any) -> Any:
            log.append(f"{name}{number}")
            return number

        return step(name, fn=note)

    @pipeline
    def woven() -> tuple[Any, Any, Any]:
        numbers = stream([1, 2])
        left, right = numbers.map(noting("a")), numbers.map(noting("b"))
        joined = zip_streams(left, right, numbers).map(noting("c"))
        joined.map(noting("d"))
        return joined.collect(), joined.collect(set), joined.map(len).collect(sorted)

    expected = [(1, 1, 1), (2, 2, 2)]
    assert run_pipeline(woven) == (expected, set(expected), [3, 3])
    assert [entry[0] for entry in log] == ["a", "b", "c", "d"] * 2


def test_2_3_value_of_one_consumer_is_there_for_whoever_needs_it(run_pipeline: Run) -> None:
    @pipeline
    def shares(numbers: list[int], others: list[int]) -> tuple[Any, Any, Any]:
        found = stream(numbers)
        first = step("first", fn=total_of)(stream(others).collect())
        evens = found.map(lambda number: number % 2).collect()
        odd = step("odd", fn=total_of)(evens)
        shifted = found.map(lambda number, by: number + by, first).collect()
        return odd, shifted, stream(shifted).map(lambda number, by: number * by, odd).collect()

    assert run_pipeline(shares, [1, 2, 3], [4, 5]) == (2, [10, 11, 12], [20, 22, 24])


def test_3_1_failure_among_woven_steps_is_that_of_its_step_and_item(run_pipeline: Run) -> None:
    def boom(number: int) -> int:
        return 1 // (3 - number)

    @pipeline
    def woven() -> Stream[Any]:
        numbers = stream(range(10))
        return zip_streams(numbers.map(abs), numbers.map(boom), numbers.map(str))

    with pytest.raises(ZeroDivisionError) as caught:
        run_pipeline(woven)
    [note] = caught.value.__notes__
    assert note.endswith("failed at item 4; path woven/boom")
