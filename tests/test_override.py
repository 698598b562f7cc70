"""`Pipeline.override`: what stands in for what."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from headrace import HintError, Pipeline, Step, Stream, pipeline, step


@step
def urls(count: int) -> Iterator[str]:
    raise AssertionError("not in a test")
    yield


@step(max_in_flight=4)
async def fetch(url: str) -> str:
    raise AssertionError("not in a test")


@step(max_in_flight=3, executor="thread")
def parse(text: str) -> int:
    return len(text)


@step
async def total(numbers: AsyncIterator[int]) -> int:
    return sum([number async for number in numbers])


@pipeline
def sizes(found: Stream[str]) -> Stream[int]:
    return found.map(fetch.options(max_in_flight=9, ordered=False)).map(parse)


@pipeline
def crawl(count: int) -> int:
    return total(sizes(urls(count)))


line = urls | fetch | parse


def two_urls(count: int) -> Iterator[str]:
    yield from ("a", "bb")


def doubled(url: str) -> str:
    return url * 2


def two_letters(word: str) -> Iterator[str]:
    yield from (word, "-")


async def doubled_async(url: str) -> str:
    await asyncio.sleep(0)
    return url * 2


def run_async(flow: Any, *arguments: Any) -> Any:
    return asyncio.run(flow.arun(*arguments))


def options_of(flow: Pipeline[..., Any], name: str) -> tuple[Any, ...]:
    (node,) = (node for node in flow.dag.nodes if node.name == name)
    return node.id, node.executor, node.max_in_flight, node.concurrency, node.ordered


each_way = pytest.mark.parametrize("run", [lambda flow, *given: flow.run(*given), run_async], ids=["run", "arun"])


@each_way
@pytest.mark.parametrize("fake", [doubled, doubled_async, step("other", fn=doubled, max_in_flight=2)])
@pytest.mark.parametrize("flow", [crawl, line], ids=["body", "line"])
def test_functions_are_replaced_and_keep_name_and_options(
    run: Callable[..., Any], fake: Any, flow: Pipeline[[int], Any]
) -> None:
    faked = flow.override({fetch: fake, urls: two_urls})
    assert run(faked, 3) == (6 if flow is crawl else [2, 4])
    assert options_of(faked, "fetch") == options_of(flow, "fetch")
    assert [node.id for node in faked.dag.nodes] == [node.id for node in flow.dag.nodes]


@each_way
def test_async_function_stands_in_for_a_plain_one(run: Callable[..., Any]) -> None:
    async def parsed(text: str) -> int:
        return 7

    faked = crawl.override({parse: parsed, fetch: doubled, urls: two_urls})
    assert run(faked, 3) == 14
    assert options_of(faked, "parse") == ("crawl/sizes/parse", "async", 3, 3, True)


def test_plain_function_stands_in_for_an_async_one_that_reads_a_stream() -> None:
    def added(numbers: Iterator[int]) -> int:
        return sum(numbers)

    assert crawl.override({total: added, fetch: doubled, urls: two_urls}).run(3) == 6


def test_plain_generator_stands_in_for_an_async_one_that_is_called_per_item() -> None:
    @step
    async def letters(word: str) -> AsyncIterator[str]:
        raise AssertionError("not in a test")
        yield

    def upper(word: str) -> Iterator[str]:
        yield from word.upper()

    assert (urls | letters).override({letters: upper, urls: two_urls}).run(3) == ["A", "B", "B"]


def test_list_stands_in_for_a_stream() -> None:
    def few(count: int) -> list[str]:
        return ["a"] * count

    assert crawl.override({urls: few, fetch: doubled}).run(3) == 6


def test_mocks_stand_in() -> None:
    fetched = AsyncMock(return_value="abc")
    parsed = Mock(return_value=5)
    assert crawl.override({urls: two_urls, fetch: fetched, parse: parsed}).run(3) == 10
    assert [call.args for call in fetched.await_args_list] == [("a",), ("bb",)]
    assert [call.args for call in parsed.call_args_list] == [("abc",), ("abc",)]


def test_what_stands_in_for_a_step_in_processes_runs_in_threads() -> None:
    measured = step("len", fn=len, executor="process", max_in_flight=3, concurrency=2, idempotent=True)
    mock = Mock(return_value=5)
    faked = (urls | measured).override({measured: mock, urls: two_urls})
    assert faked.run(3) == [5, 5]
    assert [call.args for call in mock.call_args_list] == [("a",), ("bb",)]
    assert options_of(faked, "len")[1:] == ("thread", 3, 2, True)


def test_key_is_the_function_or_any_step_of_it() -> None:
    for key in (fetch, fetch.function, fetch.options(max_in_flight=2), step("other", fn=fetch.function)):
        assert crawl.override({key: doubled, urls: two_urls}).run(3) == 6


def test_functions_that_cannot_be_hashed_are_replaced_too() -> None:
    class Scale:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, number: int) -> int:
            raise AssertionError("not in a test")

    scale = Scale()

    @pipeline
    def scaled(number: int) -> int:
        return step("scale", fn=scale)(number)

    scaling: Step[[int], int] = step("scale", fn=scale)
    assert scaled.override({scaling: lambda number: number * 10}).run(4) == 40


def test_original_pipeline_does_not_change() -> None:
    before = crawl.dag.to_json()
    crawl.override({fetch: doubled, urls: two_urls})
    assert crawl.dag.to_json() == before


def test_override_of_an_override_keeps_what_it_does_not_replace() -> None:
    first = crawl.override({fetch: doubled, urls: two_urls})
    assert first.override({fetch: lambda url: url}).run(3) == 3
    assert first.run(3) == 6


def test_sub_pipeline_keeps_its_replacements_unless_the_pipeline_around_it_has_others() -> None:
    faked = sizes.override({fetch: doubled, parse: lambda text: 10})

    @pipeline
    def around(count: int) -> int:
        return total(faked(urls(count)))

    assert around.override({urls: two_urls}).run(3) == 20
    assert around.override({urls: two_urls, parse: lambda text: 1}).run(3) == 2


def test_line_with_replacements_is_joined_as_it_is() -> None:
    faked = line.override({fetch: doubled, urls: two_urls})
    assert (faked | str).run(3) == ["2", "4"]
    assert (faked | str).override({parse: lambda text: 0}).run(3) == ["0", "0"]
    tail = (step(two_letters) | doubled).override({doubled: str.upper})
    assert (urls | tail).override({urls: two_urls}).run(3) == ["A", "-", "BB", "-"]


def test_refusal_names_what_stands_in_for_what() -> None:
    def fake(text: str) -> str:
        return text

    with pytest.raises(HintError) as caught:
        crawl.override({parse: fake, urls: step("some", fn=two_urls)})
    [note] = caught.value.__notes__
    assert re.sub(r":\d+", "", note) == (
        "headrace: .override (called at test_override.py), where 'fake' (test_override.py) stands in for 'parse' "
        "(test_override.py), 'two_urls' (test_override.py) stands in for 'urls' (test_override.py)"
    )
