"""Right programs, and what the type checkers make of each: checked by mypy and pyright, never run."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from logging import getLogger
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, assert_never, assert_type

import httpx
import msgspec
from tenacity import Retrying, stop_after_attempt

from headrace import (
    AsyncItems,
    AsyncRunner,
    Blocked,
    CallEnded,
    CallStarted,
    Checkpoint,
    CheckpointStore,
    Dag,
    DeadlockError,
    DeadlockFound,
    Edge,
    Event,
    Failure,
    ItemFailed,
    ItemRetried,
    Items,
    Limit,
    Node,
    Observer,
    Pipeline,
    RayRunner,
    Retry,
    Run,
    RunEnded,
    RunStarted,
    Step,
    StepEnded,
    StepStarted,
    Stream,
    SyncRunner,
    Unblocked,
    include,
    merge,
    pipeline,
    resource,
    step,
    stream,
    zip_streams,
)
from headrace.dsl.stream import Results
from headrace.observe import LoggingObserver
from headrace.observe.otel import OpenTelemetryObserver


class Client: ...


def text_of(failure: Failure[str]) -> str:
    return failure.item


def get_again(failure: Failure[str]) -> Page:
    return Page()


def label_of(number: int, text: str) -> str:
    return f"{number} {text}"


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


@step
async def generator_async(pages: int) -> AsyncGenerator[str, None]:
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


@step(max_in_flight=100, concurrency=30, ordered=False)
async def fetch_async(url: str, client: Client) -> Page:
    return Page()


@step
async def links_async(page: Page) -> AsyncIterator[Link]:
    yield Link()


@step
async def all_links_async(page: Page) -> list[Link]:
    return [Link()]


@step
async def dedupe_async(links: AsyncIterator[Link]) -> AsyncIterator[Link]:
    async for link in links:
        yield link


@step
async def count_async(links: AsyncIterable[Link]) -> int:
    return len([link async for link in links])


@step
async def report_async(links: list[Link]) -> str:
    return ""


@step
async def is_long_async(url: str) -> bool:
    return len(url) > 3


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


async def lines_async(text: str) -> list[str]:
    return text.splitlines()


async def total_async(numbers: AsyncIterator[int]) -> int:
    return sum([number async for number in numbers])


async def longest_async(words: AsyncIterable[str]) -> str:
    return max([word async for word in words], key=len)


async def lengths_async(words: AsyncIterator[str]) -> AsyncIterator[int]:
    async for word in words:
        yield len(word)


# Checkers name the parameters of a step differently, so what is pinned is what a call takes and gives.
assert_type(urls(1), Stream[str])
assert_type(urls(pages=1), Stream[str])
assert_type(generated(1), Stream[str])
assert_type(generated_async(1), Stream[str])
assert_type(generator_async(1), Stream[str])
assert_type(fetch("", Client()), Page)
assert_type(get(""), Page)
assert_type(get_async(""), Page)
assert_type(links(Page()), Stream[Link])
assert_type(dedupe(links(Page())), Stream[Link])
assert_type(report([Link()], title="t"), str)
assert_type(count([Link()]), int)
assert_type(fetch_async("", Client()), Page)
assert_type(links_async(Page()), Stream[Link])
assert_type(all_links_async(Page()), list[Link])
assert_type(dedupe_async(links_async(Page())), Stream[Link])
assert_type(count_async(links_async(Page())), int)

processed: Step[[int], str] = step("process", fn=process, max_in_flight=30)
splits: Step[[str], Stream[str]] = step("split", fn=split)
waits: Step[[str], Page] = step("wait", fn=wait, max_in_flight=3)
assert_type(step(process)(1), str)
assert_type(step("process", fn=process)(1), str)
assert_type(step("process", fn=process, max_in_flight=30)(1), str)
assert_type(step("split", fn=split, executor="thread")(""), Stream[str])
assert_type(step("wait", fn=wait)(""), Page)
assert_type(step(wait)(""), Page)
assert_type(step(max_in_flight=3)(wait)(""), Page)
assert_type(step("wait", max_in_flight=3, ordered=False)(wait)(""), Page)
assert_type(step("wait", fn=wait, max_in_flight=3, concurrency=2, ordered=False)(""), Page)
assert_type(step("split", fn=split_async, max_in_flight=3)(""), Stream[str])
assert_type(step(split_async)(""), Stream[str])
assert_type(step(max_in_flight=3)(split_async)(""), Stream[str])
assert_type(step("lines", fn=lines_async)(""), list[str])
assert_type(step("upper", fn=str.upper)(""), str)
assert_type(step("length", fn=len)(""), int)
assert_type(step("page", fn=Page)(), Page)
assert_type(step(max_in_flight=3)(process)(1), str)
assert_type(step("name")(split)(""), Stream[str])
assert_type(step(process, max_in_flight=3)(1), str)
assert_type(step(split, name="parts", on_error="skip")(""), Stream[str])
assert_type(step(split_async, max_in_flight=3)(""), Stream[str])
assert_type(step(wait, max_in_flight=3, ordered=False)(""), Page)

# -- options -------------------------------------------------------------------------------------------------

assert_type(fetch.options(max_in_flight=10)("", Client()), Page)
assert_type(urls.options(name="more", executor="thread", max_in_flight=2)(1), Stream[str])
assert_type(fetch.options(executor="process", idempotent=True, timeout=5)("", Client()), Page)
assert_type(fetch.options(checkpoint=True, version="2", unkeyed="client")("", Client()), Page)
assert_type(fetch.options(checkpoint=True, version=None, unkeyed=["client"])("", Client()), Page)
assert_type(fetch.options(concurrency=None, ordered=True, executor="inline")("", Client()), Page)
assert_type(fetch_async.options(max_in_flight=5, concurrency=2, ordered=True)("", Client()), Page)
assert_type(generated_async.options(max_in_flight=2)(1), Stream[str])
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


async def add_async(left: int, right: int) -> int:
    return left + right


async def longer_async(text: str, length: int) -> bool:
    return len(text) > length


@pipeline
def titled(url: str) -> str:
    return report(links(get(url)).collect())


@pipeline
def linked(url: str) -> Stream[Link]:
    return links(get(url))


@pipeline
def numbered(number: int, url: str) -> str:
    return report(links(get(url)).collect(), url)


titles: Pipeline[[int], Stream[str]] = urls | titled
assert_type((urls | titled).run(3), list[str])
assert_type((urls | linked).run(3), list[Link])


@pipeline
def streams(pages: int, client: Client) -> Stream[str]:
    found = urls(pages)
    assert_type(found, Stream[str])
    assert_type(found.map(len), Results[str, int])
    assert_type(found.map(str.upper), Results[str, str])
    assert_type(found.map(str), Results[str, str])
    assert_type(found.map(fetch, client), Results[str, Page])
    assert_type(found.map(fetch, client=client), Results[str, Page])
    assert_type(found.map(fetch.options(max_in_flight=5), client), Results[str, Page])
    assert_type(found.map(label, 3), Results[str, str])
    assert_type(found.map(label, 3, sign="-"), Results[str, str])
    assert_type(found.map(lambda url: url.encode()), Results[str, bytes])
    assert_type(found.map(get_async), Results[str, Page])
    assert_type(found.map(wait), Results[str, Page])
    assert_type(found.map(later, 3), Results[str, bytes])
    assert_type(found.map(fetch_async, client), Results[str, Page])
    assert_type(found.map(fetch_async.options(max_in_flight=5), client=client), Results[str, Page])
    assert_type(found.map(step("wait", fn=wait, max_in_flight=5)), Results[str, Page])
    assert_type(found.map(get_async).map(all_links_async), Results[Page, list[Link]])
    assert_type(found.map(get_async).flat_map(links_async), Results[Page, Link])
    assert_type(found.map(get_async).flat_map(all_links_async), Results[Page, Link])
    assert_type(dedupe_async(found.map(get).flat_map(links_async)), Stream[Link])
    assert_type(count_async(found.map(get_async).flat_map(links)), int)
    assert_type(report_async(found.map(get_async).flat_map(links).collect()), str)
    assert_type(found.flat_map(split_async), Results[str, str])
    assert_type(found.flat_map(lines_async), Results[str, str])
    assert_type(found.filter(is_long_async), Results[str, str])
    assert_type(found.filter(longer_async, 3), Results[str, str])
    assert_type(found.filter(longer_async, length=3).map(wait), Results[str, Page])
    assert_type(found.map(get).flat_map(links), Results[Page, Link])
    assert_type(found.flat_map(str.split), Results[str, str])
    assert_type(found.flat_map(split), Results[str, str])
    assert_type(found.flat_map(splits), Results[str, str])
    assert_type(found.filter(str.isalpha), Results[str, str])
    assert_type(found.filter(longer, 3), Results[str, str])
    assert_type(found.filter(longer, length=3), Results[str, str])
    as_stream: Stream[str] = found.filter(longer, length=3)

    gotten, failed = found.map(get).catch()
    assert_type(gotten, Stream[Page])
    assert_type(failed, Stream[Failure[str]])
    assert_type(found.map(get_async).catch(), tuple[Stream[Page], Stream[Failure[str]]])
    assert_type(found.filter(longer, 3).catch(), tuple[Stream[str], Stream[Failure[str]]])
    assert_type(gotten.flat_map(links).catch(), tuple[Stream[Link], Stream[Failure[Page]]])
    assert_type(found.enumerate().starmap(label_of).catch()[1], Stream[Failure[tuple[int, str]]])
    assert_type(failed.map(text_of), Results[Failure[str], str])
    assert_type(failed.map(lambda failure: failure.attempts), Results[Failure[str], int])
    assert_type(failed.map(get_again).catch()[1], Stream[Failure[Failure[str]]])
    assert_type(found.batched(2), Stream[tuple[str, ...]])
    assert_type(found.batched(2).map(len), Results[tuple[str, ...], int])
    assert_type(found.batched(2, timeout=0.5), Stream[tuple[str, ...]])
    assert_type(found.batched(2, timeout=1).map(len), Results[tuple[str, ...], int])
    assert_type(found.map(titled), Results[str, str])
    assert_type(found.flat_map(linked), Results[str, Link])
    assert_type(found.enumerate().starmap(numbered), Results[tuple[int, str], str])
    assert_type(found.take(2), Stream[str])
    assert_type(found.enumerate(1), Stream[tuple[int, str]])
    assert_type(found.collect(), list[str])
    assert_type(found.collect(list), list[str])
    assert_type(found.collect(set), set[str])
    assert_type(found.collect(frozenset), frozenset[str])
    assert_type(found.collect(tuple), tuple[str, ...])
    assert_type(found.enumerate().collect(dict), dict[int, str])
    assert_type(found.collect(sorted), list[str])
    assert_type(found.map(get).flat_map(links).collect(count), int)
    assert_type(found.map(get).flat_map(links).collect(count_async), int)
    assert_type(zip_streams(found, found.map(len), strict=False), Stream[tuple[str, int]])
    assert_type(zip_streams(found, found.map(len), fill=None), Stream[tuple[str | None, int | None]])
    assert_type(stream(found), Stream[str])
    assert_type(stream(found.collect()), Stream[str])
    assert_type(stream([1, 2]), Stream[int])
    assert_type(stream({"a": 1}), Stream[str])
    assert_type(stream(range(3)), Stream[int])
    assert_type(stream("abc"), Stream[str])

    lengths = found.map(len)
    assert_type(merge(found, found), Stream[str])
    assert_type(merge(found, lengths), Stream[str | int])
    assert_type(merge(found, lengths, found.map(get)), Stream[str | int | Page])
    assert_type(merge(found, lengths, found.map(get), found), Stream[str | int | Page])
    assert_type(merge(found, found, found, found, found), Stream[str])
    assert_type(merge(*[found, found]), Stream[str])
    assert_type(merge(found, ["url"]), Stream[str])
    assert_type(merge(found, found).map(get), Results[str, Page])
    dedupe(merge(found.map(get).flat_map(links), found.map(get).flat_map(links_async)))
    pairs = zip_streams(found, lengths)
    assert_type(pairs, Stream[tuple[str, int]])
    assert_type(pairs.starmap(label), Results[tuple[str, int], str])
    assert_type(pairs.starmap(later), Results[tuple[str, int], bytes])
    assert_type(pairs.starmap(step("later", fn=later, max_in_flight=3)), Results[tuple[str, int], bytes])
    assert_type(zip_streams(lengths, lengths).starmap(add), Results[tuple[int, int], int])
    assert_type(zip_streams(lengths, lengths).starmap(add_async), Results[tuple[int, int], int])
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
def crawl_async(pages: int, client: Client) -> str:
    found = generated_async(pages).filter(is_long_async).map(fetch_async, client)
    return report_async(dedupe_async(found.flat_map(links_async)).collect())


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
assert_type(crawl.override({fetch: lambda url, client: Page(), urls: generated}).run(1, client=Client()), str)
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
assert_type(generated_async.run(3), list[str])
assert_type(generated_async.iter(3), Items[str])
assert_type(crawl_async.run(1, Client()), str)

# -- resources -----------------------------------------------------------------------------------------------


@contextmanager
def connection(path: str, retries: int = 3) -> Iterator[Client]:
    yield Client()


@asynccontextmanager
async def connection_async(path: str) -> AsyncIterator[Client]:
    yield Client()


def make_client(path: str) -> Client:
    return Client()


async def make_client_async(path: str) -> Client:
    return Client()


def opened(path: str) -> AbstractContextManager[Client]:
    return connection(path)


def opened_async(path: str) -> AbstractAsyncContextManager[Client]:
    return connection_async(path)


class Both:
    def __enter__(self) -> int:
        return 1

    def __exit__(self, *_: object) -> None: ...

    async def __aenter__(self) -> str:
        return ""

    async def __aexit__(self, *_: object) -> None: ...


@pipeline
def with_resources(path: str) -> Stream[Page]:
    assert_type(resource(connection, path, retries=4), Client)
    assert_type(resource(connection_async, path), Client)
    assert_type(resource(make_client, path), Client)
    assert_type(resource(make_client_async, path=path), Client)
    assert_type(resource(opened, path), Client)
    assert_type(resource(opened_async, path), Client)
    assert_type(resource(Both), str)
    assert_type(resource(threading.Lock), bool)
    assert_type(resource(sqlite3.connect, path), sqlite3.Connection)
    assert_type(resource(httpx.Client, timeout=3), httpx.Client)
    assert_type(resource(httpx.AsyncClient), httpx.AsyncClient)
    assert_type(resource(lambda: connection(path)), Client)
    assert_type(resource(open, path).read(), str)
    assert_type(resource(open, path, "rb").read(), bytes)
    assert_type(resource(connection, path, scope="item"), Client)
    assert_type(resource(connection_async, path, scope="item"), Client)
    assert_type(resource(make_client, path, scope="run"), Client)
    assert_type(resource(make_client_async, path, scope="item"), Client)
    assert_type(resource(httpx.Client, scope="item", timeout=3), httpx.Client)
    return urls(3).map(fetch, resource(connection, path))


assert_type(with_resources.override({connection: make_client}).run(""), list[Page])

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
line_async = generated_async | get_async | links_async | dedupe_async
typed_line_async: Pipeline[[int], Stream[Link]] = line_async
assert_type(line_async.run(3), list[Link])
assert_type((line_async | count_async).run(3), int)  # the whole stream, of async steps
assert_type((line_async | count).run(3), int)  # and of plain ones
assert_type((line | count_async).run(3), int)
assert_type((urls | lengths_async).run(3), list[int])  # functions that are not steps
assert_type((urls | lengths_async | total_async).run(3), int)
assert_type((urls | longest_async).run(3), str)
assert_type((urls | get_async | all_links_async).run(3), list[list[Link]])
assert_type((urls | step("wait", fn=wait, max_in_flight=3)).run(3), list[Page])
assert_type((urls | step("split", fn=split_async)).run(3), list[str])


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
    match event:
        case RunStarted():
            assert_type(event.dag, Dag)
        case RunEnded():
            assert_type((event.dag, event.failure, event.seconds), tuple[Dag, BaseException | None, float])
        case StepStarted():
            assert_type(event.node, Node)
        case StepEnded():
            assert_type(event.report.items_out, int)
        case ItemFailed():
            assert_type(event.number, int | None)
            assert_type(event.exception, Exception)
        case ItemRetried():
            assert_type((event.attempt, event.seconds), tuple[int, float])
        case Blocked() | Unblocked():
            assert_type((event.node, event.source), tuple[Node | None, Node])
        case CallStarted():
            assert_type((event.node, event.call), tuple[Node, int])
        case CallEnded():
            assert_type((event.seconds, event.exception), tuple[float, BaseException | None])
        case DeadlockFound():
            assert_type(event.error, DeadlockError)
        case _:
            assert_never(event)


class HearsFailures:
    hears = (ItemFailed,)

    def __call__(self, event: Event) -> None: ...


observer: Observer = HearsFailures()
logging_observers = [LoggingObserver(), LoggingObserver(getLogger("app"), level=10)]
SyncRunner(observers=logging_observers)
SyncRunner(observers=[OpenTelemetryObserver(), OpenTelemetryObserver(None, None, calls=True)])
events: list[Event] = []
runner = SyncRunner(observers=[hears, print, events.append, observer, LoggingObserver()], checkpoint="crawl.db")
assert_type(runner.execute(crawl, 1, Client()), Run[str])
assert_type(runner.execute(crawl, 1, client=Client()).result, str)
assert_type(runner.execute(pages_of, [""], Client()), Run[list[Page]])
assert_type(runner.execute(line, 3).result, list[Link])
assert_type(runner.execute(urls, pages=3).result, list[str])
assert_type(runner.execute(get, "").result, Page)
assert_type(runner.execute(get, "").report.node("get/get").items_out, int)


SyncRunner(progress=True, report="run.html")
AsyncRunner(progress=False, report=Path("run.html"))
SyncRunner(checkpoint=Path("crawl.db"))
SyncRunner(checkpoint=Checkpoint("crawl.db", pickle=True))

# A cluster

request: ContextVar[str] = ContextVar("request")
tenant: ContextVar[int] = ContextVar("tenant")
RayRunner(context=[request, tenant], replay=True, checkpoint="crawl.db", progress=True, report=Path("run.html"))
on_ray = RayRunner("auto", replay=10, checkpoint=Checkpoint("crawl.db"), observers=[LoggingObserver()])
assert_type(on_ray.execute(urls, 3), Run[list[str]])
AsyncRunner(checkpoint=Checkpoint(Path("crawl.db")))


class Store:
    def begin(self, pipeline: str) -> None: ...
    def count(self, step: str) -> int:
        return 0

    def get(self, step: str, key: bytes) -> bytes | None: ...
    def put(self, step: str, key: bytes, value: bytes) -> None: ...
    def flush(self) -> None: ...
    def end(self, failure: BaseException | None) -> None: ...


own_store: CheckpointStore = Store()
Checkpoint(own_store)


async def runs_async() -> None:
    assert_type(await crawl.arun(1, Client()), str)
    assert_type(await crawl.arun(1, client=Client(), title=""), str)
    assert_type(await both.arun(1), tuple[int, str])
    assert_type(await nothing.arun(1), None)
    assert_type(await pages_of.arun([""], Client()), list[Page])
    assert_type(await line.arun(3), list[Link])
    assert_type(await line_async.arun(pages=3), list[Link])
    assert_type(await (line_async | count_async).arun(3), int)
    assert_type(await get.arun(""), Page)
    assert_type(await get_async.arun(url=""), Page)
    assert_type(await generated_async.arun(3), list[str])
    assert_type(line.aiter(3), AsyncItems[Link])
    assert_type(generated_async.aiter(pages=3), AsyncItems[str])

    async with asyncio.TaskGroup() as group:
        assert_type(group.create_task(crawl.arun(1, Client())), asyncio.Task[str])
        assert_type(group.create_task(line.arun(3)), asyncio.Task[list[Link]])

    async with line.aiter(3) as items:
        assert_type(items, AsyncItems[Link])
        assert_type(await anext(items), Link)
        async for link in items:
            assert_type(link, Link)
    await items.aclose()
    async for page in pages_of.aiter([""], client=Client()):
        assert_type(page, Page)

    runner = AsyncRunner(observers=[hears, print])
    assert_type(await runner.execute(crawl, 1, Client()), Run[str])
    assert_type((await runner.execute(crawl_async, 1, client=Client())).result, str)
    assert_type(await runner.execute(pages_of, [""], Client()), Run[list[Page]])
    assert_type((await runner.execute(line_async, 3)).result, list[Link])
    assert_type((await runner.execute(get_async, "")).result, Page)
    assert_type((await runner.execute(get_async, "")).report.node("get/get").items_out, int)


async def uses_steps_as_functions() -> None:
    async for url in generated_async(3):  # outside of a pipeline, an async generator step is its function too
        assert_type(url, str)


def takes_any_function(function: Callable[[str], Page]) -> None: ...


takes_any_function(get)  # outside of a pipeline, a step is its function


# -- wiring by name ------------------------------------------------------------------------------------------


class AsNamedTuple(NamedTuple):
    pages: int
    depth: int = 1


@dataclass
class AsDataclass:
    pages: int
    depth: int = 1


class AsTypedDict(TypedDict):
    pages: int


class AsStruct(msgspec.Struct):
    pages: int
    depth: int = 1


by_name = pipeline("by_name", steps=[urls, get, split], params=AsNamedTuple)
of_dataclass = pipeline("of_dataclass", steps=(urls, include("pages", by_name)), params=AsDataclass, returns="pages")
of_typed_dict = pipeline("of_typed_dict", steps=[urls, by_name | count], params=AsTypedDict, returns=("urls",))
of_struct = pipeline("of_struct", steps=[urls, include("pages", get, fn=process)], params=AsStruct)
of_nothing = pipeline("of_nothing", steps=[lambda: 3])

by_name.run(3)
by_name.run(3, depth=2)
by_name.run(pages=3)
by_name.run(AsNamedTuple(3))
of_dataclass.run(3, 2)
of_dataclass.run(AsDataclass(3))
of_typed_dict.run(pages=3)
of_typed_dict.run({"pages": 3})
of_struct.run(3)
of_struct.run(AsStruct(3))
of_nothing.run()
assert_type(by_name.iter(3), Items[Any])
assert_type(by_name.iter(AsNamedTuple(3)), Items[Any])
assert_type(by_name.aiter(AsNamedTuple(3)), AsyncItems[Any])
SyncRunner().execute(by_name, 3)
assert_type(SyncRunner().execute(by_name, AsNamedTuple(3)), Run[Any])
by_name.named("other").override({get: get})
step("get", fn=process, mode="each")
get.options(mode="all")


async def runs_by_name() -> None:
    await by_name.arun(3)
    await by_name.arun(AsNamedTuple(3))
    assert_type(await AsyncRunner().execute(by_name, AsNamedTuple(3)), Run[Any])


@pipeline
def uses_by_name(pages: int) -> Stream[str]:
    found: Stream[str] = by_name(pages, depth=2)
    return found


# -- retry ----------------------------------------------------------------------------------------------------


def says_when(error: Exception) -> float | str | timedelta | datetime | None:
    return None


again = Retry(on=(TimeoutError, ConnectionError), attempts=5, timeout=60, retry_after=says_when)
Retry(on=lambda error: "again" in str(error), attempts=None, timeout=None, wait_initial=1)
assert_type(get.options(retry=again).run("/"), Page)
assert_type(get.options(retry=Retrying(stop=stop_after_attempt(3))).run("/"), Page)
assert_type(get.options(retry=None).run("/"), Page)


@step(retry=Retry(on=TimeoutError), max_in_flight=4)
async def retried(number: int) -> str:
    return str(number)


assert_type(retried.run(3), str)


# -- limits ---------------------------------------------------------------------------------------------------


def tokens(url: str) -> int:
    return len(url)


api = Limit(concurrency=10, rate="100/min", cost=tokens, burst=5, name="api")
api.pause(30)
api.pause(0.5)
assert_type(api.concurrency, int | None)
assert_type(get.options(limit=api).run("/"), Page)
assert_type(get.options(limit=None).run("/"), Page)


@step(limit=Limit(concurrency=2), max_in_flight=4)
async def limited(number: int) -> str:
    return str(number)


assert_type(limited.run(3), str)
