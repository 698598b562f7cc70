"""Section 7 of the guarantees."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from headrace import Pipeline, WiringError, include, pipeline, step, stream, zip_streams

Run = Callable[..., Any]


@dataclass
class Count:
    count: int


class Words(NamedTuple):
    words: list[str]


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step(max_in_flight=3)
async def square(number: int) -> int:
    return number * number


def without_lines(made: Pipeline[..., Any]) -> Any:
    dag = json.loads(made.dag.to_json())
    for node in dag["nodes"]:
        del node["where"]
    return dag


def test_7_1_both_forms_of_a_pipeline_have_one_dag(run_pipeline: Run) -> None:
    @step
    def sums(number: int, square: int) -> int:
        return number + square

    @step
    def report(sums: list[int], square: frozenset[int], count: int) -> tuple[int, int, int]:
        return sum(sums), len(square), count

    @pipeline("report")
    def written(count: int) -> tuple[int, int, int]:
        items = numbers(count)
        squares = items.map(square)
        added = zip_streams(items, squares).starmap(sums)
        return report(added.collect(), squares.collect(frozenset), count)

    wired = pipeline("report", steps=[report, sums, numbers, square], params=Count)
    assert without_lines(wired) == without_lines(written)
    assert run_pipeline(wired, 4) == run_pipeline(written, 4) == (20, 4, 4)


def one(item: int) -> str:
    return repr(item)


def lazy(items: Iterator[int]) -> str:
    return f"{isinstance(items, list)} {list(items)}"


async def lazy_async(items: AsyncIterator[int]) -> str:
    return repr([item async for item in items])


def as_list(items: list[int]) -> str:
    return repr(items)


def as_set(items: set[int]) -> str:
    return repr(items)


def as_frozenset(items: frozenset[int]) -> str:
    return repr(items)


def as_tuple(items: tuple[int, ...]) -> str:
    return repr(items)


@pytest.mark.parametrize(
    ("reader", "result"),
    [
        (one, ["0", "1"]),
        (lazy, "False [0, 1]"),
        (lazy_async, "[0, 1]"),
        (as_list, "[0, 1]"),
        (as_set, "{0, 1}"),
        (as_frozenset, "frozenset({0, 1})"),
        (as_tuple, "(0, 1)"),
    ],
)
def test_7_2_delivery_follows_the_hint(run_pipeline: Run, reader: Any, result: Any) -> None:
    made = pipeline("read", steps=[numbers.options(name="items"), reader], params=Count)
    assert run_pipeline(made, 2) == result


def test_7_2_pairs_are_delivered_as_a_dict(run_pipeline: Run) -> None:
    def sizes(word: str) -> tuple[str, int]:
        return word, len(word)

    def longest(size: dict[str, int]) -> str:
        return max(size, key=lambda word: size[word])

    assert run_pipeline(pipeline("longest", steps=[sizes, longest], params=Words), ["to", "not"]) == "not"


def test_7_3_what_is_taken_by_the_item_is_zipped_and_values_go_with_it(run_pipeline: Run) -> None:
    def row(count: int, square: int, *, number: int) -> str:
        return f"{number}/{count}: {square}"

    made = pipeline("rows", steps=[row, square, numbers], params=Count)
    assert run_pipeline(made, 3) == ["0/3: 0", "1/3: 1", "2/3: 4"]


@pytest.mark.parametrize("name", ["number", "numbers_list", "numbers"])
def test_7_4_names_that_mean_one_data_set_are_refused(name: str) -> None:
    with pytest.raises(WiringError, match="mean the same; rename one of them"):
        pipeline("twice", steps=[numbers, step(name, fn=square.function)], params=Count)


def test_7_5_readers_of_a_value_do_not_hold_up_each_other(run_pipeline: Run) -> None:
    def total(words: Iterator[str]) -> int:
        return sum(map(len, words))

    def share(word: str, total: int) -> float:
        return len(word) / total

    assert run_pipeline(pipeline("shares", steps=[share, total], params=Words), ["a", "bcd"]) == [0.25, 0.75]


def test_7_5_a_stream_is_collected_once_for_all_that_want_the_same_collection() -> None:
    def first(numbers: list[int]) -> int:
        return numbers[0]

    def last(numbers_list: list[int]) -> int:
        return numbers_list[-1]

    made = pipeline("ends", steps=[numbers, first, last], params=Count)
    assert [node.id for node in made.dag.nodes if node.kind == "collect"] == ["ends/collect"]


def test_7_6_a_pipeline_is_included_once_or_for_each_item(run_pipeline: Run) -> None:
    def squares(squares: list[int]) -> int:
        return sum(squares)

    inner = pipeline("inner", steps=[numbers, square, step("total", fn=squares)], params=Count)

    def each(number: int) -> Count:
        return Count(number)

    def all_of_them(count: int) -> Count:
        return Count(count)

    @step
    def report(totals: list[int], total_of_all: int) -> tuple[list[int], int]:
        return totals, total_of_all

    steps = [numbers, include("totals", inner, fn=each), include("total_of_all", inner, fn=all_of_them), report]
    made = pipeline("outer", steps=steps, params=Count)
    assert run_pipeline(made, 4) == ([0, 0, 1, 5], 14)
    bounds = {node.id: node.max_in_flight for node in made.dag.nodes}
    assert bounds["outer/total_of_all/square"] == 3
    assert {bound for id, bound in bounds.items() if "/adapter/" in id} == {1}


def test_7_6_a_written_pipeline_is_a_step_by_its_name(run_pipeline: Run) -> None:
    @pipeline
    def lengths(words: list[str]) -> Any:
        return stream(words).map(len)

    def total(lengths: list[int]) -> int:
        return sum(lengths)

    assert run_pipeline(pipeline("total", steps=[lengths, step("sum", fn=total)], params=Words), ["to", "not"]) == 5
