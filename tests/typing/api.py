"""Right programs, and what the type checkers make of each: checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import Any, assert_type

from headrace import (
    Dag,
    Edge,
    Event,
    Items,
    Node,
    Pipeline,
    Run,
    RunEnded,
    RunStarted,
    Step,
    Stream,
    SyncRunner,
    pipeline,
    step,
    stream,
    zip_streams,
)


class Client: ...


class Page: ...


class Link: ...


# -- `step` in all its forms ---------------------------------------------------------------------------------


@step
def urls(pages: int) -> Iterator[str]:
    yield f"{pages}"


@step
def generated(pages: int) -> Generator[str, None, None]:
    yield f"{pages}"


@step
async def generated_async(pages: int) -> AsyncIterator[str]:
    yield f"{pages}"


@step(max_in_flight=30, executor="thread", concurrency=4, ordered=False)
def fetch(url: str, client: Client) -> Page:
    return Page()


@step("get")
def get(url: str) -> Page:
    return Page()


@step("get_later", max_in_flight=3)
async def get_async(url: str) -> Page:
    return Page()


@step(name="links of a page")
def links(page: Page) -> Iterator[Link]:
    yield Link()


@step()
def dedupe(links: Iterator[Link]) -> Iterator[Link]:
    yield from links


@step
def report(links: list[Link], title: str = "") -> str:
    return title


@step
def count(links: Iterable[Link]) -> int:
    return sum(1 for _ in links)


def process(number: int) -> str:
    return str(number)


def split(text: str) -> Iterator[str]:
    yield from text


def split_anything(data: object) -> Iterator[str]:
    yield from str(data)


async def split_async(text: str) -> AsyncIterator[str]:
    yield text


async def wait(url: str) -> Page:
    return Page()


async def hashes(data: object) -> int:
    return hash(data)


# Checkers name the parameters of a step differently, so what is pinned is what a call takes and gives.
assert_type(urls(1), Stream[str])
assert_type(urls(pages=1), Stream[str])
assert_type(generated(1), Stream[str])
assert_type(generated_async(1), Stream[str])
assert_type(fetch("", Client()), Page)
assert_type(get(""), Page)
assert_type(get_async(""), Page)
assert_type(links(Page()), Stream[Link])
assert_type(dedupe(links(Page())), Stream[Link])
assert_type(report([Link()], title="t"), str)
assert_type(count([Link()]), int)

processed: Step[[int], str] = step("process", fn=process, max_in_flight=30)
splits: Step[[str], Stream[str]] = step("split", fn=split)
waits: Step[[str], Page] = step("wait", fn=wait, max_in_flight=3)
assert_type(step(process)(1), str)
assert_type(step("process", fn=process)(1), str)
assert_type(step("process", fn=process, max_in_flight=30)(1), str)
assert_type(step("split", fn=split, executor="thread")(""), Stream[str])
assert_type(step("wait", fn=wait)(""), Page)
assert_type(step("upper", fn=str.upper)(""), str)
assert_type(step("length", fn=len)(""), int)
assert_type(step("page", fn=Page)(), Page)
assert_type(step(max_in_flight=3)(process)(1), str)
assert_type(step("name")(split)(""), Stream[str])

# -- options -------------------------------------------------------------------------------------------------

assert_type(fetch.options(max_in_flight=10)("", Client()), Page)
assert_type(urls.options(name="more", executor="thread", max_in_flight=2)(1), Stream[str])
assert_type(fetch.options(concurrency=None, ordered=True, executor="inline")("", Client()), Page)
assert_type(fetch.name, str)
assert_type(fetch.function("", Client()), Page)

# -- streams in a body ---------------------------------------------------------------------------------------


def add(left: int, right: int) -> int:
    return left + right


def label(text: str, number: int, *, sign: str = ":") -> str:
    return f"{text}{sign}{number}"


def longer(text: str, length: int) -> bool:
    return len(text) > length


async def later(text: str, seconds: int) -> bytes:
    return text.encode()


@pipeline
def streams(pages: int, client: Client) -> Stream[str]:
    found = urls(pages)
    assert_type(found, Stream[str])
    assert_type(found.map(len), Stream[int])
    assert_type(found.map(str.upper), Stream[str])
    assert_type(found.map(str), Stream[str])
    assert_type(found.map(fetch, client), Stream[Page])
    assert_type(found.map(fetch, client=client), Stream[Page])
    assert_type(found.map(fetch.options(max_in_flight=5), client), Stream[Page])
    assert_type(found.map(label, 3), Stream[str])
    assert_type(found.map(label, 3, sign="-"), Stream[str])
    assert_type(found.map(lambda url: url.encode()), Stream[bytes])
    assert_type(found.map(get_async), Stream[Page])
    assert_type(found.map(wait), Stream[Page])
    assert_type(found.map(later, 3), Stream[bytes])
    assert_type(found.map(get).flat_map(links), Stream[Link])
    assert_type(found.flat_map(str.split), Stream[str])
    assert_type(found.flat_map(split), Stream[str])
    assert_type(found.flat_map(splits), Stream[str])
    assert_type(found.filter(str.isalpha), Stream[str])
    assert_type(found.filter(longer, 3), Stream[str])
    assert_type(found.filter(longer, length=3), Stream[str])
    assert_type(found.batched(2), Stream[tuple[str, ...]])
    assert_type(found.batched(2).map(len), Stream[int])
    assert_type(found.collect(), list[str])
    assert_type(stream(found), Stream[str])
    assert_type(stream(found.collect()), Stream[str])
    assert_type(stream([1, 2]), Stream[int])
    assert_type(stream({"a": 1}), Stream[str])
    assert_type(stream(range(3)), Stream[int])
    assert_type(stream("abc"), Stream[str])

    lengths = found.map(len)
    pairs = zip_streams(found, lengths)
    assert_type(pairs, Stream[tuple[str, int]])
    assert_type(pairs.starmap(label), Stream[str])
    assert_type(zip_streams(lengths, lengths).starmap(add), Stream[int])
    assert_type(zip_streams(found, lengths, found), Stream[tuple[str, int, str]])
    assert_type(zip_streams(found, lengths, found, found), Stream[tuple[str, int, str, str]])
    assert_type(zip_streams(found, lengths, found, found, found), Stream[tuple[Any, ...]])
    assert_type(zip_streams(found, [1, 2]), Stream[tuple[str, int]])
    return found


# -- pipelines -----------------------------------------------------------------------------------------------


@pipeline
def pages_of(found: Iterable[str], client: Client) -> Stream[Page]:
    return stream(found).map(fetch, client)


@pipeline
def deep(found: Stream[str], client: Client) -> Stream[Page]:
    return pages_of(found.filter(str.isalpha), client)


@pipeline("crawl")
def crawl(pages: int, client: Client, title: str = "links") -> str:
    found = deep(urls(pages), client)
    assert_type(found, Stream[Page])
    return report(dedupe(found.flat_map(links)).collect(), title)


@pipeline
def both(pages: int) -> tuple[int, str]:
    found = urls(pages).map(get).flat_map(links)
    return count(found), report(found.collect())


@pipeline
def nothing(pages: int) -> None:
    urls(pages).map(print)


named_pipeline: Pipeline[[int], tuple[int, str]] = both.named("all")
assert_type(crawl.run(1, Client()), str)
assert_type(crawl.run(1, client=Client(), title=""), str)
assert_type(both.run(1), tuple[int, str])
assert_type(nothing.run(1), None)
assert_type(pages_of.run([""], Client()), list[Page])
assert_type(pages_of.iter([""], client=Client()), Items[Page])
assert_type(both.named("all").run(1), tuple[int, str])
assert_type(crawl.name, str)
assert_type(crawl.dag, Dag)
assert_type(crawl.dag.nodes, tuple[Node, ...])
assert_type(crawl.dag.nodes[0].edges, tuple[Edge, ...])

# A step is the smallest pipeline.
assert_type(urls.run(3), list[str])
assert_type(urls.iter(3), Items[str])
assert_type(get.run(""), Page)
assert_type(get_async.run(""), Page)
assert_type(urls.dag.to_json(), bytes)

# -- straight lines ------------------------------------------------------------------------------------------

line = urls | get | links | dedupe
assert_type(line.run(3), list[Link])
assert_type(line.iter(pages=3), Items[Link])
typed_line: Pipeline[[int], Stream[Link]] = line
assert_type((line | count).run(3), int)  # the whole stream
assert_type((line | dedupe).run(3), list[Link])  # the whole stream, lazily
assert_type((urls | get).run(3), list[Page])  # per item
assert_type((urls | split).run(3), list[str])  # a generator, flattened
assert_type((urls | splits).run(3), list[str])
assert_type((urls | split_async).run(3), list[str])
assert_type((urls | get_async).run(3), list[Page])  # a coroutine
assert_type((urls | wait).run(3), list[Page])
assert_type((urls | str.upper).run(3), list[str])  # plain functions
assert_type((urls | len).run(3), list[int])
assert_type((urls | len | str | str.upper).run(3), list[str])  # `str` takes any object: per item
assert_type((urls | repr).run(3), list[str])
assert_type((urls | print).run(3), list[None])
assert_type((urls | "".join).run(3), str)  # built-ins that take an iterable: the whole stream
assert_type((urls | sorted).run(3), list[str])
assert_type((urls | hashes).run(3), list[int])
assert_type((urls | split_anything).run(3), list[str])
assert_type((line | count).named("counted").run(3), int)


@pipeline
def uses_a_line(pages: int) -> int:
    assert_type(line(pages), Stream[Link])
    return count(line(pages))


# -- running -------------------------------------------------------------------------------------------------

with line.iter(3) as items:
    assert_type(items, Items[Link])
    assert_type(next(items), Link)
    for link in items:
        assert_type(link, Link)
items.close()


def hears(event: Event) -> None:
    if isinstance(event, RunStarted):
        assert_type(event.dag, Dag)
    if isinstance(event, RunEnded):
        assert_type(event.dag, Dag)


runner = SyncRunner(observers=[hears, print])
assert_type(runner.execute(crawl, 1, Client()), Run[str])
assert_type(runner.execute(crawl, 1, client=Client()).result, str)
assert_type(runner.execute(pages_of, [""], Client()), Run[list[Page]])
assert_type(runner.execute(line, 3).result, list[Link])
assert_type(runner.execute(urls, pages=3).result, list[str])
assert_type(runner.execute(get, "").result, Page)
assert_type(runner.execute(get, "").report.node("get/get").items_out, int)


def takes_any_function(function: Callable[[str], Page]) -> None: ...


takes_any_function(get)  # outside of a pipeline, a step is its function
