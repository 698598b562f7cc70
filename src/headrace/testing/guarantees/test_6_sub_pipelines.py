"""Section 6 of the guarantees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from headrace import Stream, pipeline, step, stream, zip_streams
from headrace.testing import Meter

Run = Callable[..., Any]


@step
def letters(word: str) -> Iterator[str]:
    yield from word


@step
def without_repeats(letters: Iterator[str]) -> Iterator[str]:
    yield from dict.fromkeys(letters)


@step
def joined(letters: list[str]) -> str:
    return "".join(letters)


@step
def pair(left: Any, right: Any) -> tuple[Any, Any]:
    return left, right


def test_6_1_lifted_steps_are_called_per_item_and_keep_their_options(run_pipeline: Run) -> None:
    meter = Meter()
    shout = step("shout", fn=str.upper)
    asked: Any = step("asked", fn=meter.asked, max_in_flight=3)

    @pipeline
    def loud(word: str, mark: str) -> str:
        return step("marked", fn=str.__add__)(shout(asked(word)), mark)

    @pipeline
    def chant(words: list[str], mark: str) -> Stream[str]:
        return stream(words).map(loud, mark).map(meter.taken)

    assert run_pipeline(chant, ["to", "be", "or"], "!") == ["TO!", "BE!", "OR!"]
    nodes = [(node.id, node.kind, node.max_in_flight) for node in chant.dag.nodes if node.kind == "map"]
    assert nodes[:3] == [
        ("chant/loud/asked", "map", 3),
        ("chant/loud/shout", "map", 1),
        ("chant/loud/marked", "map", 1),
    ]


def test_6_1_value_that_several_steps_take_comes_from_the_same_item(run_pipeline: Run) -> None:
    size = step("size", fn=len)

    @pipeline
    def described(word: str) -> tuple[int, tuple[Any, Any]]:
        length = size(word)
        return length, pair(word, pair(length, word))

    @pipeline
    def descriptions(words: list[str]) -> Stream[Any]:
        return stream(words).map(described)

    assert run_pipeline(descriptions, ["to", "not"]) == [(2, ("to", (2, "to"))), (3, ("not", (3, "not")))]


def test_6_1_step_that_takes_nothing_of_the_item_is_called_per_item(run_pipeline: Run) -> None:
    calls: list[int] = []

    @step
    def ticket() -> int:
        calls.append(len(calls))
        return calls[-1]

    @pipeline
    def numbered(word: str) -> tuple[Any, Any]:
        return pair(ticket(), word)

    @pipeline
    def tickets(words: list[str]) -> Stream[Any]:
        return stream(words).map(numbered)

    assert run_pipeline(tickets, ["to", "be"]) == [(0, "to"), (1, "be")]
    assert calls == [0, 1]


def test_6_1_body_that_returns_nothing_runs_for_every_item(run_pipeline: Run) -> None:
    seen: list[str] = []
    note = step("note", fn=seen.append)

    @pipeline
    def noted(word: str) -> None:
        note(word)

    @pipeline
    def notes(words: list[str]) -> Stream[None]:
        return stream(words).map(noted)

    assert run_pipeline(notes, ["to", "be"]) == [None, None]
    assert seen == ["to", "be"]


def test_6_2_generators_flatten_in_order(run_pipeline: Run) -> None:
    @pipeline
    def spelled(word: str, mark: str) -> Stream[str]:
        return letters(word).map(str.__add__, mark).filter(lambda text: text[0] != "o").flat_map(list)

    @pipeline
    def spelling(words: list[str]) -> Stream[str]:
        return stream(words).flat_map(spelled, "-")

    assert run_pipeline(spelling, ["to", "", "or"]) == ["t", "-", "r", "-"]
    assert [node.kind for node in spelling.dag.nodes[2:]] == ["flat_map", "map", "filter", "flat_map"]


def test_6_3_whole_stream_is_that_of_the_item(run_pipeline: Run) -> None:
    @pipeline
    def distinct(word: str) -> str:
        return joined(without_repeats(letters(word)).collect())

    @pipeline
    def all_distinct(words: list[str]) -> Stream[str]:
        return stream(words).map(distinct)

    assert run_pipeline(all_distinct, ["nono", "", "nope"]) == ["no", "", "nope"]


def test_6_3_stream_that_is_read_as_a_whole_flattens_too(run_pipeline: Run) -> None:
    @pipeline
    def numbered(word: str, start: int) -> Stream[tuple[tuple[int, str], tuple[str, ...]]]:
        found = letters(word)
        return zip_streams(found.enumerate(), found.batched(1))

    @pipeline
    def all_numbered(words: list[str]) -> Stream[Any]:
        return stream(words).flat_map(numbered, 0)

    assert run_pipeline(all_numbered, ["to", "", "a"]) == [
        ((0, "t"), ("t",)),
        ((1, "o"), ("o",)),
        ((0, "a"), ("a",)),
    ]


def test_6_3_several_results_of_an_inner_stream(run_pipeline: Run) -> None:
    size = step("size", fn=len)

    @pipeline
    def both(word: str) -> tuple[str, int, str]:
        found = letters(word)
        return joined(found.map(str.upper).collect()), size(found.collect(set)), word

    @pipeline
    def all_both(words: list[str]) -> Stream[tuple[str, int, str]]:
        return stream(words).map(both)

    assert run_pipeline(all_both, ["nono", "be"]) == [("NONO", 2, "nono"), ("BE", 2, "be")]


def test_6_3_inner_streams_of_async_and_threaded_steps(run_pipeline: Run) -> None:
    @step
    async def spelled(word: str) -> AsyncIterator[str]:
        for letter in word:
            yield letter

    @step(max_in_flight=2)
    async def upper(letter: str) -> str:
        return letter.upper()

    @step
    async def count(letters: AsyncIterator[str]) -> int:
        return len([letter async for letter in letters])

    lower = step("lower", fn=str.lower, executor="thread", max_in_flight=2)

    @pipeline
    def measured(word: str) -> tuple[int, str]:
        found = spelled(lower(word)).map(upper)
        return count(found), joined(found.map(lower).collect())

    @pipeline
    def all_measured(words: list[str]) -> Stream[tuple[int, str]]:
        return stream(words).map(measured)

    assert run_pipeline(all_measured, ["To", "be", ""]) == [(2, "to"), (2, "be"), (0, "")]


def test_6_4_failure_inside_names_the_step_and_the_item(run_pipeline: Run) -> None:
    closed: list[str] = []

    @step
    def spelled(word: str) -> Iterator[str]:
        try:
            for letter in word:
                if letter == "!":
                    raise ValueError(word)
                yield letter
        finally:
            closed.append(word)

    @pipeline
    def collected(word: str) -> str:
        return joined(spelled(word).collect())

    @pipeline
    def all_collected(words: list[str]) -> Stream[str]:
        return stream(words).map(collected)

    with pytest.raises(ValueError, match="be!") as caught:
        run_pipeline(all_collected, ["to", "be!", "or"])
    first, second = caught.value.__notes__
    assert first.endswith("path all_collected/collected/spelled")
    assert second.endswith("failed at item 2; path all_collected/collected/inner")
    assert closed == ["to", "be!"]


def test_6_4_what_is_lifted_is_in_the_dag(run_pipeline: Run) -> None:
    @pipeline
    def distinct(word: str) -> str:
        return joined(without_repeats.options(max_in_flight=5)(letters(word)).collect())

    @pipeline
    def line(words: list[str]) -> Stream[str]:
        return stream(words).map(distinct)

    inner = line.dag.node("line/distinct/inner").inner
    assert inner is not None
    assert inner.node("line/distinct/without_repeats").max_in_flight == 5
    assert type(line.dag).from_json(line.dag.to_json()) == line.dag
    assert run_pipeline(line, ["nono"]) == ["no"]


def test_6_5_line_gives_a_pipeline_items_or_the_stream_as_its_parameter_says(run_pipeline: Run) -> None:
    @pipeline
    def distinct(word: str) -> str:
        return joined(without_repeats(letters(word)).collect())

    @pipeline
    def repeats(words: Stream[str]) -> Stream[str]:
        return without_repeats(words)

    @step
    def split(text: str) -> Iterator[str]:
        yield from text.split()

    assert run_pipeline(split | distinct | repeats, "nono no on") == ["no", "on"]


def test_6_5_items_are_spread_over_the_parameters_of_a_pipeline(run_pipeline: Run) -> None:
    @pipeline
    def repeated(word: str, count: int) -> str:
        return step("times", fn=str.__mul__)(word, count)

    @pipeline
    def all_repeated(pairs: list[tuple[str, int]]) -> Stream[str]:
        return stream(pairs).starmap(repeated)

    assert run_pipeline(all_repeated, [("no", 2), ("a", 3)]) == ["nono", "aaa"]
