"""Right programs: what they build, and what they give."""

import asyncio
import functools
import io
import json
import operator
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NewType, Optional, Protocol, TextIO, TypedDict, TypeVar, cast

import jsonschema
import pytest

from headrace import (
    AsyncRunner,
    Dag,
    DagError,
    Failure,
    Limit,
    Pipeline,
    Retry,
    Step,
    Stream,
    SyncRunner,
    pipeline,
    step,
    stream,
    zip_streams,
)
from headrace.graph.dag import schema
from headrace.graph.render import mermaid
from headrace.graph.tree import tree
from tools import dag_schema

T = TypeVar("T")
U = TypeVar("U")


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
def words(count: int) -> Iterator[str]:
    yield from map(str, range(count))


@step
def double(number: int) -> int:
    return number * 2


@step
def total(values: list[int]) -> int:
    return sum(values)


def kinds(flow: Pipeline[..., Any] | Step[..., Any]) -> list[str]:
    return [node.kind for node in flow.dag.nodes]


def ids(flow: Pipeline[..., Any] | Step[..., Any]) -> list[str]:
    return [node.id for node in flow.dag.nodes]


# -- forms of step -------------------------------------------------------------------------------------------


def plain(number: int) -> int:
    return number + 1


def bare_decorator() -> Step[[int], int]:
    @step
    def plain(number: int) -> int:
        return number + 1

    return plain


def decorator_with_options() -> Step[[int], int]:
    @step(max_in_flight=3)
    def plain(number: int) -> int:
        return number + 1

    return plain


def decorator_with_a_name() -> Step[[int], int]:
    @step("plain", max_in_flight=3)
    def function(number: int) -> int:
        return number + 1

    return function


FORMS: list[tuple[Callable[[], Any], int]] = [
    (bare_decorator, 1),
    (decorator_with_options, 3),
    (decorator_with_a_name, 3),
    (lambda: step(plain), 1),
    (lambda: step(plain, max_in_flight=3), 3),
    (lambda: step()(plain), 1),
    (lambda: step(max_in_flight=3)(plain), 3),
    (lambda: step("plain")(plain), 1),
    (lambda: step(name="plain", max_in_flight=3)(plain), 3),
    (lambda: step("plain", fn=plain), 1),
    (lambda: step("plain", fn=plain, max_in_flight=3), 3),
    (lambda: step("plain", fn=step(plain), max_in_flight=3), 3),
    (lambda: step("other", fn=plain).options(name="plain", max_in_flight=3), 3),
]


@pytest.mark.parametrize(("make", "bound"), FORMS)
def test_every_form_of_step_makes_the_same_step(make: Callable[[], Any], bound: int) -> None:
    made = make()
    assert (made.name, made(2), made.settings.max_in_flight) == ("plain", 3, bound)
    assert (numbers | made).run(3) == [1, 2, 3]
    assert (numbers | made).dag.node("numbers_to_plain/plain").max_in_flight == bound


def test_options_give_a_copy_and_leave_the_step_as_it_was() -> None:
    changed = double.options(max_in_flight=10, name="twice")
    assert (changed.name, changed.settings.max_in_flight) == ("twice", 10)
    assert (double.name, double.settings.max_in_flight) == ("double", 1)
    assert changed.options(executor="thread").settings.max_in_flight == 10


def test_step_keeps_what_its_function_says_about_itself() -> None:
    @step
    def documented(number: int) -> int:
        """What it does."""
        return number

    assert (documented.__doc__, documented.__name__) == ("What it does.", "documented")
    assert documented.__module__ == __name__


def test_step_outside_of_a_pipeline_is_its_function() -> None:
    assert double(4) == 8
    assert list(numbers(3)) == [0, 1, 2]
    assert double.options(max_in_flight=9, executor="thread")(4) == 8


def test_step_inside_of_another_step_is_its_function() -> None:
    @step
    def quadruple(number: int) -> int:
        return double(double(number))

    @step
    def doubles(count: int) -> Iterator[int]:
        for number in numbers(count):
            yield double(number)

    assert (doubles | quadruple).run(3) == [0, 8, 16]
    assert len((doubles | quadruple).dag.nodes) == 3


def test_step_may_run_a_pipeline() -> None:
    @step
    def inner(count: int) -> int:
        return sum((numbers | double).run(count))

    assert (numbers | inner).run(4) == [0, 0, 2, 6]


# -- functions of every kind ---------------------------------------------------------------------------------


class Times:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, number: int) -> int:
        return number * self.factor

    def method(self, number: int) -> int:
        return number * self.factor

    @staticmethod
    def static(number: int) -> int:
        return number + 100

    @classmethod
    def of(cls, number: int) -> str:
        return f"{cls.__name__} {number}"


class Box:
    def __init__(self, content: int) -> None:
        self.content = content

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and self.content == other.content

    __hash__ = object.__hash__


@functools.lru_cache
def cached(number: int) -> int:
    return number + 1


def traced(function: Callable[[int], int]) -> Callable[[int], int]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@pytest.mark.parametrize(
    ("function", "name", "result"),
    [
        (double, "double", [0, 2, 4]),
        (plain, "plain", [1, 2, 3]),
        (lambda number: number - 1, "lambda", [-1, 0, 1]),
        (str, "str", ["0", "1", "2"]),
        (float, "float", [0.0, 1.0, 2.0]),
        (hex, "hex", ["0x0", "0x1", "0x2"]),
        (operator.neg, "neg", [0, -1, -2]),
        (int.bit_length, "bit_length", [0, 1, 2]),
        (functools.partial(pow, 2), "pow", [1, 2, 4]),
        (functools.partial(max, 1), "max", [1, 1, 2]),
        (Times(3), "Times", [0, 3, 6]),
        (Times(3).method, "method", [0, 3, 6]),
        (Times.static, "static", [100, 101, 102]),
        (Times.of, "of", ["Times 0", "Times 1", "Times 2"]),
        (Box, "Box", [Box(0), Box(1), Box(2)]),
        (cached, "cached", [1, 2, 3]),
        (traced(plain), "plain", [1, 2, 3]),
    ],
)
def test_any_callable_may_stand_where_a_step_does(function: Any, name: str, result: list[Any]) -> None:
    assert (numbers | function).run(3) == result
    assert (numbers | function).dag.nodes[-1].name == name
    assert step(function)(2) == result[2]

    @pipeline
    def body(count: int):  # type: ignore[no-untyped-def]
        return numbers(count).map(function)

    assert body.run(3) == result


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (sorted, [0, 1, 2]),
        (sum, 3),
        (max, 2),
        (list, [0, 1, 2]),
        (set, {0, 1, 2}),
        (tuple, (0, 1, 2)),
        (any, True),
        (functools.partial(sorted, reverse=True), [2, 1, 0]),
        (enumerate, [(0, 0), (1, 1), (2, 2)]),
    ],
)
def test_built_in_that_takes_an_iterable_gets_the_whole_stream(function: Any, result: Any) -> None:
    assert (numbers | function).run(3) == result


def test_built_in_without_a_signature_runs_with_one_argument() -> None:
    assert step("number", fn=int).run("3") == 3
    assert step("highest", fn=max).run([1, 2]) == 2


def test_joining_texts_gets_the_whole_stream() -> None:
    assert (words | "-".join).run(3) == "0-1-2"


def test_len_and_print_are_called_per_item(capsys: pytest.CaptureFixture[str]) -> None:
    assert (words | len).run(12) == [1] * 10 + [2] * 2
    assert (words | print).run(2) == [None, None]
    assert capsys.readouterr().out == "0\n1\n"


def test_one_method_may_be_used_twice() -> None:
    times = Times(3)
    assert (numbers | times.method | times.method).run(2) == [0, 9]
    assert ids(numbers | Times(2) | Times(3))[2:] == ["numbers_to_Times/Times", "numbers_to_Times/Times#2"]


def test_step_and_sub_pipeline_may_have_one_name() -> None:
    @pipeline("double")
    def doubles(found: Stream[int]) -> Stream[int]:
        return found.map(double)

    @pipeline
    def body(count: int) -> Stream[int]:
        return doubles(doubles(numbers(count).map(double)))

    assert body.run(2) == [0, 8]
    assert ids(body)[2:] == ["body/double", "body/double#2/double", "body/double#3/double"]


def test_class_that_is_an_iterator_is_a_stream() -> None:
    @pipeline
    def body(count: int):  # type: ignore[no-untyped-def]
        return step("numbered", fn=enumerate)(numbers(count), 1)

    assert body.run(2) == [(1, 0), (2, 1)]


def test_file_is_a_stream_of_lines() -> None:
    @step
    def opened(content: str) -> TextIO:
        return io.StringIO(content)

    assert (opened | str.strip).run("to\nbe\n") == ["to", "be"]


# -- parameters ----------------------------------------------------------------------------------------------


def joined(a: str, /, b: str = "b", *rest: str, sign: str = "-", **more: str) -> str:
    return sign.join([a, b, *rest, *more.values()])


def test_arguments_of_every_kind_reach_the_function() -> None:
    @pipeline
    def body(count: int, extra: str) -> tuple[list[str], str, list[str], list[str]]:
        found = words(count)
        return (
            found.map(joined).collect(),
            step(joined)("a", extra, "c", extra, sign="+", last=extra),
            found.map(joined, extra, "c", sign=extra).collect(),
            found.filter(joined, extra, last="z").collect(),
        )

    assert body.run(2, "x") == (["0-b", "1-b"], "a+x+c+x+x", ["0xxxc", "1xxxc"], ["0", "1"])


def test_keyword_after_a_skipped_default_is_passed_by_keyword() -> None:
    def shown(number: int, width: int = 3, fill: str = "0") -> str:
        return str(number).rjust(width, fill)

    @pipeline
    def body(count: int, sign: str) -> Stream[str]:
        return numbers(count).map(shown, fill=sign)

    assert body.run(2, ".") == ["..0", "..1"]


def test_pipeline_has_defaults_and_keyword_only_parameters() -> None:
    @pipeline
    def body(count: int = 2, /, sign: str = "-", *, tail: str = "z") -> Stream[str]:
        return words(count).map(joined, tail, sign=sign)

    @pipeline
    def outer(tail: str) -> Stream[str]:
        return body(1, tail=tail)

    assert body.run() == ["0-z", "1-z"]
    assert body.run(1, "+", tail="y") == ["0+y"]
    assert outer.run("q") == ["0-q"]


def test_step_with_any_number_of_parameters_takes_values_and_constants() -> None:
    @step
    def summed(*values: int, **more: int) -> int:
        return sum(values) + sum(more.values())

    @pipeline
    def body(a: int, b: int) -> int:
        return summed(a, b, 3, c=a, d=4)

    assert body.run(1, 2) == 1 + 2 + 3 + 1 + 4


def test_starmap_fills_defaults_and_any_number_of_parameters() -> None:
    def added(a: int, b: int, c: int = 100) -> int:
        return a + b + c

    def summed(*values: int) -> int:
        return sum(values)

    @pipeline
    def body(count: int) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
        found = numbers(count)
        pairs = zip_streams(found, found)
        return (
            pairs.starmap(added).collect(),
            pairs.starmap(summed).collect(),
            pairs.starmap(max).collect(),
            pairs.starmap(operator.add).collect(),
            found.batched(2).starmap(summed).collect(),
        )

    assert body.run(3) == ([100, 102, 104], [0, 2, 4], [0, 1, 2], [0, 2, 4], [1, 2])


# -- hints ---------------------------------------------------------------------------------------------------


UserId = NewType("UserId", int)


class Titled(Protocol):
    def title(self) -> str: ...


class Row(TypedDict):
    size: int


HINTED: list[tuple[Any, Any]] = []


def takes(wanted: Any, gives: Any, value: Any) -> None:
    """Adds a step that gives `value` under one hint, and one that takes it under another."""

    def source() -> Any:
        return value

    def sink(item: Any) -> Any:
        return item

    source.__annotations__["return"] = gives
    sink.__annotations__.update(item=wanted, **{"return": wanted})
    HINTED.append((source, sink))


takes(float, int, 3)
takes(complex, float, 3.5)
takes(Sequence[float], list[int], [3])
takes(Optional[int], int, 3)  # noqa: UP045
takes(int | str, str, "a")
takes(int, bool, True)
takes(int, UserId, 3)
takes(UserId, UserId, 3)
takes(Annotated[int, "m"], int, 3)
takes(int, Annotated[int, "m"], 3)
takes(Titled, str, "a")
takes(dict[str, Any], Row, {"size": 1})
takes(Row, Row, {"size": 1})
takes(str, Literal["a"], "a")
takes(Literal["a", "b"], Literal["a"], "a")
takes(Callable[[str], int], Callable[[object], int], id)
takes(Callable[..., Any], type[int], int)
takes(Any, object, 3)
takes(int, Any, 3)
takes(T, int, 3)
takes(list[T], list[int], [3])
takes(tuple[int, ...], tuple[int, int], (1, 2))
takes(Iterable[int], list[int], [3])
takes(None, None, None)


@pytest.mark.parametrize(("source", "sink"), HINTED, ids=range(len(HINTED)))
def test_right_hints_are_accepted_however_they_are_written(source: Any, sink: Any) -> None:
    given, taken = step("given", fn=source), step("taken", fn=sink)

    @pipeline
    def body():  # type: ignore[no-untyped-def]
        return taken(given())

    assert body.run() == source()


def test_functions_without_hints_work() -> None:
    @step
    def source(count):  # type: ignore[no-untyped-def]
        yield from range(count)

    @step
    def even(number):  # type: ignore[no-untyped-def]
        return number % 2 == 0

    @step
    def all_of(values):  # type: ignore[no-untyped-def]
        return list(values)

    @pipeline
    def body(count):  # type: ignore[no-untyped-def]
        return all_of(source(count).filter(even).map(double))

    assert body.run(5) == [0, 4, 8]
    assert {node.type for node in body.dag.nodes if node.name in ("count", "source", "even", "all_of")} == {"Any"}


def test_generic_steps_pass_item_types_on() -> None:
    @step
    def distinct(items: Iterator[T]) -> Iterator[T]:
        yield from dict.fromkeys(items)

    @step
    def paired(item: T, other: U) -> tuple[T, U]:
        return item, other

    @step
    def first(items: list[T]) -> T | None:
        return items[0] if items else None

    @step
    def either(a: T, b: T) -> list[T]:
        return [a, b]

    @pipeline
    def body(count: int) -> list[Any]:
        found = distinct(distinct(words(count))).map(paired, count)
        return either(first(found.collect()), "none")

    assert [body.dag.node(id).type for id in ids(body)[2:]] == [
        "str",
        "str",
        "tuple[str, int]",
        "list[tuple[str, int]]",
        "tuple[str, int] | None",
        "list[Any]",
    ]
    assert body.run(2) == [("0", 2), "none"]


def test_value_that_can_be_iterated_may_be_returned_as_an_iterable() -> None:
    @pipeline
    def body(count: int) -> Iterable[int]:
        return numbers(count).collect()

    assert body.run(2) == [0, 1]


# -- bodies --------------------------------------------------------------------------------------------------


def test_body_may_return_a_value_a_stream_a_tuple_or_nothing() -> None:
    @pipeline
    def value(count: int) -> int:
        return total(numbers(count).collect())

    @pipeline
    def items(count: int) -> Stream[int]:
        return numbers(count)

    @pipeline
    def both(count: int) -> tuple[int, int]:
        return double(count), total(numbers(count).collect())

    @pipeline
    def nothing(count: int) -> None:
        numbers(count)

    assert (value.run(3), items.run(3), both.run(3), nothing.run(3)) == (3, [0, 1, 2], (6, 3), None)
    assert [each.dag.returns for each in (value, items, both, nothing)] == [
        "value",
        "stream",
        "tuple",
        "nothing",
    ]


def test_every_recorded_step_runs_returned_or_not() -> None:
    seen: list[int] = []

    @pipeline
    def body(count: int) -> None:
        numbers(count).map(seen.append)

    body.run(3)
    assert seen == [0, 1, 2]
    assert kinds(body) == ["parameter", "source", "map", "drain"]


def test_parameter_may_be_returned() -> None:
    @pipeline
    def same(count: int) -> int:
        return count

    assert same.run(3) == 3


def test_stream_reads_parameters_values_streams_and_constants() -> None:
    @pipeline
    def body(names: list[str], count: int) -> tuple[list[str], list[int], list[int], list[str], list[str]]:
        found = numbers(count).collect()
        return (
            stream(names).collect(),
            stream(found).map(double).collect(),
            stream(stream(range(3))).collect(),
            stream("ab").collect(),
            stream({"k": 1}).collect(),
        )

    assert body.run(["x"], 2) == (["x"], [0, 2], [0, 1, 2], ["a", "b"], ["k"])


def test_collected_list_may_be_read_twice() -> None:
    @pipeline
    def body(count: int) -> Stream[int]:
        found = numbers(count).collect()
        return stream(found).map(operator.add, total(found))

    assert body.run(3) == [3, 4, 5]


def test_header_of_a_stream_may_join_its_rows() -> None:
    @step
    def first(items: Iterator[int]) -> int:
        return next(items)

    @pipeline
    def body(count: int) -> Stream[int]:
        found = numbers(count)
        return found.map(operator.sub, first(found))

    assert body.run(3) == [0, 1, 2]


def test_handles_show_what_they_stand_for() -> None:
    shown: list[str] = []

    @pipeline
    def body(count: int) -> Stream[int]:
        found = numbers(count)
        shown.extend([repr(count), str(found), f"{found!r}"])
        return found

    assert shown == ["<the value of 'body(count)'>", *["<the stream of 'body/numbers'>"] * 2]


# -- sub-pipelines -------------------------------------------------------------------------------------------


@step(max_in_flight=30)
def fetch(url: str, client: str) -> str:
    return client + url


@pipeline
def pages_of(urls: Iterable[str], client: str) -> Stream[str]:
    return stream(urls).map(fetch, client)


@pipeline
def twice(urls: Stream[str], client: str) -> Stream[str]:
    return pages_of(pages_of(urls, client), "+")


@pipeline
def crawl(count: int, client: str) -> Stream[tuple[str, str]]:
    found = words(count)
    return zip_streams(twice(found, client), pages_of(found, "#"))


def test_sub_pipelines_expand_in_place_each_use_with_its_own_path() -> None:
    assert ids(crawl) == [
        "crawl(count)",
        "crawl(client)",
        "crawl/words",
        "crawl/twice/pages_of/fetch",
        "crawl/twice/pages_of#2/fetch",
        "crawl/pages_of/fetch",
        "crawl/zip",
    ]
    assert crawl.run(2, "-") == [("+-0", "#0"), ("+-1", "#1")]


def test_options_survive_expansion_and_generated_nodes_have_one_in_flight() -> None:
    @pipeline
    def body(urls: list[str]) -> int:
        found = pages_of(stream(urls), "-").batched(2).collect()
        return step("size", fn=len)(found)

    assert {node.name: node.max_in_flight for node in body.dag.nodes} == {
        "urls": 1,
        "stream": 1,
        "fetch": 30,
        "batched": 1,
        "collect": 1,
        "size": 1,
    }


def test_body_may_rename_and_retune_a_step_for_one_use() -> None:
    @pipeline
    def body(count: int) -> Stream[str]:
        return words(count).map(fetch, "a").map(fetch.options(name="again", max_in_flight=2), "b")

    assert [(node.name, node.max_in_flight) for node in body.dag.nodes[2:]] == [("fetch", 30), ("again", 2)]
    assert body.run(1) == ["ba0"]


def test_one_step_may_be_used_twice_in_a_body() -> None:
    @pipeline
    def body(count: int) -> Stream[int]:
        return numbers(count).map(double).map(double)

    assert ids(body)[2:] == ["body/double", "body/double#2"]


def test_sub_pipeline_takes_a_list_where_it_wants_a_stream() -> None:
    @pipeline
    def body(count: int) -> tuple[list[str], list[str]]:
        return twice(words(count).collect(), "-").collect(), twice(["a"], "-").collect()

    assert body.run(1) == (["+-0"], ["+-a"])


def test_sub_pipeline_gives_values_and_tuples() -> None:
    @pipeline
    def ends(count: int) -> tuple[int, int]:
        found = numbers(count).collect()
        return total(found), double(count)

    @pipeline
    def body(count: int) -> tuple[int, int]:
        low, high = ends(count)
        return double(low), double(high)

    assert body.run(3) == (6, 12)


def test_named_pipeline_is_a_copy() -> None:
    other = crawl.named("other")
    assert (crawl.name, other.name) == ("crawl", "other")
    assert ids(other)[2] == "other/words"
    assert other.run(1, "-") == crawl.run(1, "-")


# -- straight lines ------------------------------------------------------------------------------------------


def test_line_gives_whole_streams_to_functions_of_iterators_and_items_to_others() -> None:
    @step
    def distinct(items: Iterable[int]) -> Iterator[int]:
        yield from dict.fromkeys(items)

    @step
    def spread(number: int) -> Iterator[int]:
        yield from range(number)

    line = numbers | spread | double | distinct | total_of
    assert kinds(line) == ["parameter", "source", "flat_map", "map", "transform", "value"]
    assert line.run(5) == 0 + 2 + 4 + 6


def total_of(items: Iterator[int]) -> int:
    return sum(items)


def test_lines_join_lines_and_pipelines() -> None:
    doubled = numbers | double
    shout = words | str.upper
    assert (doubled | (lambda number: number + 1)).run(2) == [1, 3]
    assert (words | (shouted := pipeline(upper_all))).run(2) == ["0!", "1!"]
    assert ids(words | shouted)[-1] == "words_to_upper_all/upper_all/lambda"
    assert shout.run(1) == ["0"]


def upper_all(found: Stream[str]) -> Stream[str]:
    return found.map(lambda word: word + "!")


def test_line_may_be_used_in_a_body() -> None:
    line = numbers | double | double

    @pipeline
    def body(count: int) -> int:
        return total(line(count).collect())

    assert body.run(3) == 12
    assert ids(body)[1:4] == [
        "body/numbers_to_double/numbers",
        "body/numbers_to_double/double",
        "body/numbers_to_double/double#2",
    ]


def test_line_of_a_thousand_steps_runs() -> None:
    line = functools.reduce(operator.or_, [plain] * 1000, numbers)
    assert line.run(3) == [1000, 1001, 1002]
    assert len(line.dag.nodes) == 1002


def test_line_of_a_thousand_generators_runs() -> None:
    @step
    def passed(items: Iterator[int]) -> Iterator[int]:
        yield from items

    line = functools.reduce(operator.or_, [passed] * 1000, numbers)
    assert line.run(3) == [0, 1, 2]


# -- async steps ---------------------------------------------------------------------------------------------

Execute = Callable[..., Any]


def run(flow: Pipeline[..., Any] | Step[..., Any], *arguments: Any) -> Any:
    return flow.run(*arguments)


def arun(flow: Pipeline[..., Any] | Step[..., Any], *arguments: Any) -> Any:
    return asyncio.run(flow.arun(*arguments))


either = pytest.mark.parametrize("execute", [run, arun])


@step
async def numbers_async(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@step
async def double_async(number: int) -> int:
    return number * 2


@step
async def doubles_async(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
    async for number in numbers:
        yield number * 2


@step
async def sum_async(numbers: AsyncIterator[int]) -> int:
    return sum([number async for number in numbers])


@step
async def divisors_async(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


@step
async def range_async(number: int) -> AsyncIterator[int]:
    for one in range(number):
        yield one


@step
async def is_even_async(number: int) -> bool:
    return number % 2 == 0


@step
async def add_async(left: int, right: int) -> int:
    return left + right


@step
def passed(items: Iterator[int]) -> Iterator[int]:
    yield from items


def stages(flow: Pipeline[..., Any] | Step[..., Any]) -> list[tuple[str, list[str]]]:
    """What runs where: each stage's executor, and the names of its nodes."""
    return [
        (stage.executor, [flow.dag.node(id).name.removesuffix("_async") for id in stage.nodes])
        for stage in flow.dag.stages
    ]


class Fetcher:
    """Has an async method of every kind."""

    async def __call__(self, number: int) -> int:
        return number + 1

    async def method(self, number: int) -> int:
        return number + 1

    async def scaled(self, factor: int, number: int) -> int:
        return factor * number

    async def both(self, number: int) -> AsyncIterator[int]:
        yield number
        yield -number

    @classmethod
    async def of(cls, number: int) -> int:
        return number + 1

    @staticmethod
    async def static(number: int) -> int:
        return number + 1


def returns_an_awaitable(number: int) -> Awaitable[int]:
    return Fetcher.static(number)


def returns_a_coroutine(number: int) -> Coroutine[Any, Any, int]:
    return Fetcher.static(number)


def returns_an_async_iterator(number: int) -> AsyncIterator[int]:
    return Fetcher().both(number)


@functools.wraps(Fetcher.static)
def decorated(*arguments: Any) -> Any:
    return Fetcher.static(*arguments)


@either
@pytest.mark.parametrize(
    ("function", "name", "result"),
    [
        (double_async, "double_async", [0, 2, 4]),
        (Fetcher.static, "static", [1, 2, 3]),
        (Fetcher.of, "of", [1, 2, 3]),
        (Fetcher().method, "method", [1, 2, 3]),
        (Fetcher(), "Fetcher", [1, 2, 3]),
        (Fetcher().both, "both", [0, 0, 1, -1, 2, -2]),
        (functools.partial(Fetcher().scaled, 3), "scaled", [0, 3, 6]),
        (functools.partial(functools.partial(Fetcher().scaled, 3)), "scaled", [0, 3, 6]),
        (functools.partial(Fetcher()), "Fetcher", [1, 2, 3]),
        (decorated, "static", [1, 2, 3]),
        (returns_an_awaitable, "returns_an_awaitable", [1, 2, 3]),
        (returns_a_coroutine, "returns_a_coroutine", [1, 2, 3]),
        (returns_an_async_iterator, "returns_an_async_iterator", [0, 0, 1, -1, 2, -2]),
    ],
)
def test_any_async_callable_may_stand_where_a_step_does(
    execute: Execute, function: Any, name: str, result: list[int]
) -> None:
    line = numbers | function
    node = line.dag.nodes[-1]
    assert execute(line, 3) == result
    assert (node.name, node.executor, node.type) == (name, "async", "int")
    assert execute(numbers | step("named", fn=function), 3) == result


@either
def test_async_steps_work_wherever_plain_ones_do(execute: Execute) -> None:
    @pipeline
    def body(count: int) -> tuple[list[int], list[int], list[int], list[int], list[int], int, int, list[int]]:
        found = numbers(count)
        return (
            found.map(double_async).collect(),
            found.map(add_async, right=count).collect(),
            found.flat_map(divisors_async).collect(),
            found.flat_map(range_async).collect(),
            found.filter(is_even_async).collect(),
            sum_async(found),
            double_async(count),
            zip_streams(found, doubles_async(found)).starmap(add_async).collect(),
        )

    lists = ([0, 2, 4, 6], [4, 5, 6, 7], [1, 1, 2, 1, 3], [0, 0, 1, 0, 1, 2], [0, 2])
    assert execute(body, 4) == (*lists, 6, 8, [0, 3, 6, 9])
    assert {node.name for node in body.dag.nodes if node.executor == "async"} == {
        "double_async",
        "add_async",
        "divisors_async",
        "range_async",
        "is_even_async",
        "sum_async",
        "doubles_async",
    }
    assert body.dag.node("body/divisors_async").type == "int"


@either
def test_async_function_that_gives_an_iterator_gives_a_value(execute: Execute) -> None:
    @step
    async def opened(count: int) -> Iterator[int]:
        return iter(range(count))

    @pipeline
    def body(count: int) -> Stream[int]:
        return stream(opened(count)).flat_map(opened)

    assert execute(body, 4) == [0, 0, 1, 0, 1, 2]
    assert [(node.kind, node.type) for node in body.dag.nodes[1:]] == [
        ("value", "Iterator[int]"),
        ("iterate", "int"),
        ("flat_map", "int"),
    ]


@either
def test_async_functions_without_hints_work(execute: Execute) -> None:
    async def source(count):  # type: ignore[no-untyped-def]
        for number in range(count):
            yield number

    async def added(number, other):  # type: ignore[no-untyped-def]
        return number + other

    async def listed(items):  # type: ignore[no-untyped-def]
        return [item async for item in items]

    @pipeline
    def body(count):  # type: ignore[no-untyped-def]
        return step(listed)(step(source)(count).map(added, count))

    assert execute(body, 3) == [3, 4, 5]
    assert {node.type for node in body.dag.nodes} == {"Any"}


@either
def test_stream_of_either_kind_goes_to_a_parameter_for_both(execute: Execute) -> None:
    @step
    def sum_of(numbers: Iterator[int] | AsyncIterator[int]) -> int:
        assert isinstance(numbers, Iterator)
        return sum(numbers)

    @step
    async def sum_of_async(numbers: Iterable[int] | AsyncIterable[int]) -> int:
        assert isinstance(numbers, AsyncIterable)
        return sum([number async for number in numbers])

    assert [execute(numbers | each, 4) for each in (sum_of, sum_of_async)] == [6, 6]
    assert [execute(numbers_async | each, 4) for each in (sum_of, sum_of_async)] == [6, 6]


@either
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (numbers_async | double_async | double_async, [("async", ["numbers", "double", "double"])]),
        (
            numbers_async | doubles_async | range_async | double_async | sum_async,
            [("async", ["numbers", "doubles", "range", "double", "sum"])],
        ),
        (numbers | double_async | double_async, [("inline", ["numbers"]), ("async", ["double", "double"])]),
        (numbers | double | double_async, [("inline", ["numbers", "double"]), ("async", ["double"])]),
        # a plain step that is called per item is called wherever the item is
        (numbers_async | double | double_async, [("async", ["numbers", "double", "double"])]),
        (numbers_async | double_async | double, [("async", ["numbers", "double", "double"])]),
        # but a plain generator needs a thread of control of its own
        (
            numbers_async | passed | double_async,
            [("async", ["numbers"]), ("inline", ["passed"]), ("async", ["double"])],
        ),
        (numbers_async | double_async | total_of, [("async", ["numbers", "double"]), ("inline", ["total_of"])]),
        # calls that overlap are a stage of their own, behind which another one begins
        (
            numbers_async | double_async.options(max_in_flight=2) | double_async,
            [("async", ["numbers"]), ("async", ["double"]), ("async", ["double"])],
        ),
        (
            numbers_async.options(max_in_flight=2) | double_async,
            [("async", ["numbers"]), ("async", ["double"])],
        ),
        (
            numbers_async | double.options(executor="thread") | double_async,
            [("async", ["numbers"]), ("thread", ["double"]), ("async", ["double"])],
        ),
    ],
)
def test_run_of_async_steps_is_one_stage(execute: Execute, line: Any, expected: list[tuple[str, list[str]]]) -> None:
    assert stages(line) == expected
    plain = functools.reduce(operator.or_, [plain_twin(node.name) for node in line.dag.nodes[1:]])
    assert execute(line, 4) == plain.run(4)


def plain_twin(name: str) -> Any:
    @step
    def spread(number: int) -> Iterator[int]:
        yield from range(number)

    twins = {"doubles": double, "range": spread, "sum": total_of, "total_of": total_of}
    return {"numbers": numbers, "double": double, "passed": passed, **twins}[name.removesuffix("_async")]


@either
def test_collect_and_drain_are_in_the_stage_of_an_async_step(execute: Execute) -> None:
    seen: list[int] = []

    async def see(number: int) -> None:
        seen.append(number)

    @pipeline
    def body(count: int) -> list[int]:
        numbers_async(count).map(see)
        return numbers_async(count).map(double_async).collect()

    assert execute(body, 3) == [0, 2, 4]
    assert seen == [0, 1, 2]
    assert stages(body) == [("async", ["numbers", "see", "drain"]), ("async", ["numbers", "double", "collect"])]


def test_options_of_async_steps_are_in_the_dag() -> None:
    fetch_async = double_async.options(max_in_flight=100, concurrency=30, ordered=False)
    node = (numbers | fetch_async | fetch_async.options(name="again", concurrency=None, ordered=True)).dag.nodes
    assert [(each.executor, each.max_in_flight, each.concurrency, each.ordered) for each in node[2:]] == [
        ("async", 100, 30, False),
        ("async", 100, 100, True),
    ]
    default = (numbers | double_async).dag.nodes[-1]
    assert (default.executor, default.max_in_flight, default.concurrency, default.ordered) == ("async", 1, 1, True)


def test_copy_of_an_async_step_is_async() -> None:
    copies = [
        double_async.options(max_in_flight=3),
        double_async.options(executor="inline"),
        double_async.options(name="again").options(max_in_flight=2),
        step("again", fn=double_async),
        step(double_async),
    ]
    assert {copy.settings.executor for copy in copies} == {"async"}
    assert [(numbers | copy).run(3) for copy in copies] == [[0, 2, 4]] * 5


@either
def test_async_step_that_may_give_results_out_of_order_gives_them_all(execute: Execute) -> None:
    line = numbers | double_async.options(max_in_flight=5, concurrency=3, ordered=False)
    assert sorted(execute(line, 20)) == [number * 2 for number in range(20)]


def test_one_async_step_may_be_mapped_and_called_once() -> None:
    fetch_async = double_async.options(max_in_flight=3, concurrency=2, ordered=False)

    @pipeline
    def body(count: int) -> tuple[list[int], int]:
        return numbers(count).map(fetch_async).collect(), fetch_async(count)

    assert (sorted(body.run(3)[0]), body.run(3)[1]) == ([0, 2, 4], 6)


def test_async_step_outside_of_a_pipeline_is_its_function() -> None:
    async def use() -> tuple[int, list[int]]:
        return await double_async(4), [number async for number in numbers_async(3)]

    assert asyncio.run(use()) == (8, [0, 1, 2])


def test_async_step_inside_of_another_step_is_its_function() -> None:
    @step
    async def quadruple(number: int) -> int:
        return await double_async(await double_async(number))

    assert (numbers_async | quadruple).run(3) == [0, 4, 8]
    assert asyncio.run((numbers | quadruple).arun(3)) == [0, 4, 8]


def test_async_runner_gives_what_the_sync_runner_gives() -> None:
    line = numbers | double_async | sum_async
    one, other = SyncRunner().execute(line, 4), asyncio.run(AsyncRunner().execute(line, 4))
    assert one.result == other.result == 12
    assert one.report.counts() == other.report.counts()


def test_aiter_gives_items_as_they_are_asked_for() -> None:
    log: list[str] = []

    @step
    async def logged(count: int) -> AsyncIterator[int]:
        for number in range(count):
            log.append(f"give {number}")
            yield number

    async def use() -> None:
        items = (logged | double_async).aiter(3)
        log.append("begin")
        async with items:
            async for item in items:
                log.append(f"take {item}")
                if item == 2:
                    break
        log.append("end")

    asyncio.run(use())
    assert log == ["begin", "give 0", "take 0", "give 1", "take 2", "end"]


def test_arun_runs_nothing_before_it_is_awaited() -> None:
    log: list[int] = []

    async def use() -> None:
        result = (numbers | log.append).arun(2)
        await asyncio.sleep(0)
        assert log == []
        await result

    asyncio.run(use())
    assert log == [0, 1]


def test_task_that_a_plain_step_gives_is_an_item() -> None:
    @step(max_in_flight=3)
    def begun(number: int) -> asyncio.Task[int]:
        return asyncio.create_task(Fetcher.static(number))

    @step
    async def ended(task: asyncio.Task[int]) -> int:
        return await task

    assert asyncio.run((numbers | begun | ended).arun(5)) == [1, 2, 3, 4, 5]


# -- compiled once -------------------------------------------------------------------------------------------


def test_changing_a_step_after_compiling_changes_nothing() -> None:
    @step(max_in_flight=3)
    def changed(number: int) -> int:
        return number + 1

    line = numbers | changed
    before = line.dag.to_json()
    changed.function = lambda number: number - 1
    changed.settings = double.settings
    assert line.run(2) == [1, 2]
    assert line.dag.to_json() == before
    assert SyncRunner().execute(line, 2).result == [1, 2]


def test_body_runs_once() -> None:
    calls: list[object] = []

    @pipeline
    def body(count: int) -> Stream[int]:
        calls.append(count)
        return numbers(count)

    assert (body.run(1), body.run(2), list(body.iter(1))) == ([0], [0, 1], [0])
    assert len(calls) == 1


def test_failed_body_leaves_no_trace_behind() -> None:
    with pytest.raises(ZeroDivisionError):

        @pipeline
        def body(count: int) -> Stream[int]:
            return numbers(1 // 0)

    assert double(2) == 4


# -- the DAG -------------------------------------------------------------------------------------------------

FLOWS = [crawl, twice, numbers, numbers | double | total_of, double, numbers | double_async.options(max_in_flight=3)]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_dag_is_the_same_after_a_round_trip_through_json(flow: Pipeline[..., Any]) -> None:
    data = flow.dag.to_json()
    assert Dag.from_json(data) == flow.dag
    assert Dag.from_json(data).to_json() == data


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_dag_json_is_what_the_published_schema_says(flow: Pipeline[..., Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(flow.dag.to_json()), json.loads(dag_schema.FILE.read_text()))


def test_published_schema_is_that_of_the_structs() -> None:
    assert dag_schema.FILE.read_text() == dag_schema.text(), "run: python tools/dag_schema.py"


def test_schema_refuses_an_unknown_kind() -> None:
    data = json.loads(numbers.dag.to_json())
    data["nodes"][0]["kind"] = "teapot"
    with pytest.raises(jsonschema.ValidationError, match="teapot"):
        jsonschema.validate(data, schema())


NO_DAG = {
    "another version": (
        '{"version": 2, "name": "crawl", "nodes": {}}',
        "DAG 'crawl': must be of schema version 1 for this headrace to read it, got 2; read it with the headrace that "
        "wrote it",
    ),
    "no version": (
        '{"name": "crawl"}',
        "DAG 'crawl': must be of schema version 1 for this headrace to read it, got none; read it with the headrace "
        "that wrote it",
    ),
    "no DAG": (
        '{"version": 1, "name": "crawl"}',
        "DAG: must be JSON as Dag.to_json writes it, got other data: Object missing required field `returns`",
    ),
    "no JSON": (
        "{",
        "DAG: must be JSON as Dag.to_json writes it, got other data: Input data was truncated",
    ),
}


@pytest.mark.parametrize(("data", "message"), NO_DAG.values(), ids=NO_DAG.keys())
def test_what_is_no_dag_of_this_version_is_refused(data: str, message: str) -> None:
    with pytest.raises(DagError) as caught:
        Dag.from_json(data)
    assert str(caught.value) == message


def test_inner_dag_of_another_version_is_refused() -> None:
    @pipeline
    def doubled_total(values: list[int]) -> int:
        return total(stream(values).map(double).collect())

    @pipeline
    def totals(lists: list[list[int]]) -> Stream[int]:
        return stream(lists).map(doubled_total)

    data = json.loads(totals.dag.to_json())
    (inner,) = (node["inner"] for node in data["nodes"] if "inner" in node)
    assert Dag.from_json(json.dumps(inner)).returns == "value"
    inner["version"] = 2
    with pytest.raises(DagError, match=r"`\$\.nodes.*version"):
        Dag.from_json(json.dumps(data))


PROGRAM = textwrap.dedent(
    """
    from headrace import Stream, pipeline, step, stream

    @step
    def tagged(number: int, tags: set[str], lookup: dict[str, object]) -> str: ...

    @pipeline
    def body(numbers: list[int]) -> Stream[str]:
        return stream(numbers).map(tagged, {"to", "be", "or", "not"}, {"a": frozenset("xyz"), "b": object()})

    print(body.dag.to_json().decode())
    """
)


def test_dag_json_is_the_same_in_every_process() -> None:
    def run(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    outputs = {run(seed) for seed in ("0", "1", "2")}
    assert len(outputs) == 1
    assert "{'be', 'not', 'or', 'to'}" in outputs.pop()


def test_levels_hold_what_depends_only_on_levels_before() -> None:
    assert crawl.dag.levels() == [
        ["crawl(count)", "crawl(client)"],
        ["crawl/words"],
        ["crawl/twice/pages_of/fetch", "crawl/pages_of/fetch"],
        ["crawl/twice/pages_of#2/fetch"],
        ["crawl/zip"],
    ]


def test_mermaid_draws_values_streams_and_bounds() -> None:
    assert mermaid(crawl.dag) == textwrap.dedent(
        """\
        flowchart TD
            n0[/"count"/]
            n1[/"client"/]
            n2("words")
            n3("fetch")
            n4("fetch")
            n5("fetch")
            n6("zip")
            n0 -->|count| n2
            n2 ==>|1 in flight| n3
            n1 -->|client| n3
            n3 ==>|30 in flight| n4
            n2 ==>|1 in flight| n5
            n4 ==>|30 in flight| n6
            n5 ==>|30 in flight| n6"""
    )


def test_a_pipeline_prints_as_a_tree() -> None:
    assert str(numbers | double | total_of) == textwrap.dedent(
        """\
        numbers_to_total_of(count: int) -> int
        ├─ numbers   source  count    Stream[int]  1 in flight
        ├─ double    map     numbers  Stream[int]  1 in flight
        └─ total_of  value   double   int"""
    )
    assert repr(numbers | double | total_of) == "<pipeline 'numbers_to_total_of'>"


def test_tree_shows_sub_pipelines_and_bounds() -> None:
    assert tree(crawl.dag) == textwrap.dedent(
        """\
        crawl(count: int, client: str) -> Stream[tuple[str, str]]
        ├─ words          source  count                           Stream[str]              1 in flight
        ├─ twice
        │  ├─ pages_of
        │  │  └─ fetch    map     words, client                   Stream[str]              30 in flight
        │  └─ pages_of#2
        │     └─ fetch    map     twice/pages_of/fetch, client=…  Stream[str]              30 in flight
        ├─ pages_of
        │  └─ fetch       map     words, client='#'               Stream[str]              30 in flight
        └─ zip            zip     twice/pages_of#2/fetch, pages…  Stream[tuple[str, str]]  1 in flight"""
    )


def test_tree_shows_every_option() -> None:
    api = Limit(concurrency=10, name="api")

    @step(max_in_flight=4, concurrency=2, ordered=False, limit=api, checkpoint=True)
    async def fetch(number: int) -> str: ...

    @step(timeout=5, on_error="skip", max_failures=9)
    async def log(failure: Failure[int]) -> None: ...

    @pipeline
    def fetched(count: int) -> Stream[str]:
        found, failed = numbers(count).map(fetch).catch()
        failed.map(log).map(step("text", fn=repr, executor="thread", retry=Retry(on=OSError)))
        return found

    shown = str(fetched).splitlines()
    assert shown[2].endswith("  4 in flight, async, 2 at once, as completed, failures caught, limit api, checkpoint")
    assert shown[3:] == [
        "│  └─ failures  failures  failures of fetch  Stream[Failure[int]]  1 in flight",
        "├─ log          map       failures           Stream[None]          1 in flight, async, failures skipped, "
        "up to 9, timeout 5 s",
        "└─ text         map       log                Stream[Any]           1 in flight, thread, retry",
        "   └─ drain     drain     text               None",
    ]


@step
def first_of(sizes: Iterator[int]) -> int:
    return next(sizes, 0)


@step
def span(unit: str, sizes: list[int], first: int) -> str: ...


@step
def now() -> int: ...


@pipeline
def size(words: list[str]) -> tuple[int, str]:
    found = stream(words).map(len)
    return now(), span("cm", found.collect(), first_of(found))


@pipeline
def each(texts: list[list[str]]) -> Stream[tuple[int, str]]:
    return stream(texts).map(size)


def test_mermaid_draws_what_runs_per_item_as_a_subgraph() -> None:
    assert mermaid(each.dag) == textwrap.dedent(
        """\
        flowchart TD
            n0[/"texts"/]
            n1("stream")
            subgraph n2["size, per item"]
                n2_0[/"words"/]
                n2_1("stream")
                n2_2("len")
                n2_3["collect"]
                n2_4["first_of"]
                n2_0 -->|items| n2_1
                n2_1 ==>|1 in flight| n2_2
                n2_2 ==>|1 in flight| n2_3
                n2_2 ==>|1 in flight| n2_4
            end
            n3("collect")
            n4("first_of")
            n5("now")
            n6("zip")
            n7("span")
            n8("zip")
            n0 -->|items| n1
            n1 ==>|1 in flight| n2
            n2 ==>|1 in flight| n3
            n2 ==>|1 in flight| n4
            n1 ==>|1 in flight| n5
            n3 ==>|1 in flight| n6
            n4 ==>|1 in flight| n6
            n6 ==>|1 in flight| n7
            n5 ==>|1 in flight| n8
            n7 ==>|1 in flight| n8"""
    )


def test_tree_shows_what_runs_per_item_below_its_node() -> None:
    assert tree(each.dag) == textwrap.dedent(
        """\
        each(texts: list[list[str]]) -> Stream[tuple[int, str]]
        ├─ stream          iterate  texts              Stream[list[str]]              1 in flight
        └─ size
           ├─ inner        map      words=stream       Stream[tuple[list[Any], int]]  1 in flight
           │  ├─ stream    iterate  words              Stream[str]                    1 in flight
           │  ├─ len       map      stream             Stream[Any]                    1 in flight
           │  ├─ collect   collect  len                list[Any]
           │  └─ first_of  value    len                int
           ├─ collect      map      inner              Stream[list[Any]]              1 in flight
           ├─ first_of     map      inner              Stream[int]                    1 in flight
           ├─ now          map      once per stream    Stream[int]                    1 in flight
           ├─ zip          zip      collect, first_of  Stream[tuple[list[Any], int]]  1 in flight
           ├─ span         map      *zip, unit='cm'    Stream[str]                    1 in flight
           └─ zip#2        zip      now, span          Stream[tuple[int, str]]        1 in flight"""
    )


def test_notebooks_show_a_picture_and_elsewhere_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = crawl._repr_mimebundle_()
    assert shown["image/svg+xml"].startswith("<svg")
    assert shown["text/plain"] == str(crawl)
    monkeypatch.setitem(sys.modules, "graphlay", None)
    shown = crawl._repr_mimebundle_()
    assert shown == {"text/vnd.mermaid": mermaid(crawl.dag), "text/plain": str(crawl)}


def test_cells_of_a_notebook_are_named_as_the_notebook_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = {"/tmp/ipykernel_1/2.py": ("Cell", "In[3]")}
    shell = SimpleNamespace(compile=SimpleNamespace(format_code_name=cells.get))
    monkeypatch.setitem(sys.modules, "IPython", cast(Any, SimpleNamespace(get_ipython=lambda: shell)))
    names: dict[str, Any] = {"step": step}
    exec(compile("\n@step\ndef words(): ...\n", "/tmp/ipykernel_1/2.py", "exec"), names)
    assert names["words"].dag.node("words/words").where == "In[3]:2"
    assert numbers.dag.node("numbers/numbers").where.startswith("test_language.py:")


def test_where_a_node_stands_is_the_users_own_file() -> None:
    flows = [*FLOWS, step("size", fn=len), words | str.upper | len]
    for flow in flows:
        assert {node.where.split(":")[0] for node in flow.dag.nodes} == {Path(__file__).name}
