"""Wrong programs: both type checkers must refuse each marked line. Checked by mypy and pyright, never run.

Both are told to report an ignore that is not needed, so a line that a checker accepts is an error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from headrace import (
    AsyncItems,
    AsyncRunner,
    Checkpoint,
    Items,
    Limit,
    Pipeline,
    RayRunner,
    Retry,
    Step,
    Stream,
    SyncRunner,
    include,
    merge,
    pipeline,
    resource,
    step,
    stream,
    zip_streams,
)
from headrace.observe import LoggingObserver
from headrace.testing import CompletionOrder, EveryRunner, assert_bound, run_everywhere


class Client: ...


class Page: ...


class Link: ...


@step
def urls(pages: int) -> Iterator[str]:
    yield f"{pages}"


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step(max_in_flight=30)
def fetch(url: str, client: Client) -> Page:
    return Page()


@step
def get(url: str) -> Page:
    return Page()


@step
def links(page: Page) -> Iterator[Link]:
    yield Link()


@step
def titles(pages: Iterator[Page]) -> Iterator[str]:
    yield ""


@step
def report(links: list[Link]) -> str:
    return ""


@step
def count(links: Iterator[Link]) -> int:
    return 0


def add(left: int, right: int) -> int:
    return left + right


async def wait(seconds: float) -> Page:
    return Page()


async def add_async(left: int, right: int) -> int:
    return left + right


@step
async def get_async(url: str) -> Page:
    return Page()


@step
async def links_async(page: Page) -> AsyncIterator[Link]:
    yield Link()


@step
async def titles_async(pages: AsyncIterator[Page]) -> AsyncIterator[str]:
    yield ""


async def total_async(numbers: AsyncIterator[int]) -> int:
    return 0


async def split_async(text: str) -> AsyncIterator[str]:
    yield text


async def lines_async(text: str) -> list[str]:
    return []


@pipeline
def pages_of(found: Iterator[str], client: Client) -> Stream[Page]:
    return stream(found).map(fetch, client)


@pipeline
def total(count: int) -> int:
    return 0


# -- options -------------------------------------------------------------------------------------------------

step("a", fn=add, max_in_flight="3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step("a", fn=add, max_in_flight=2.5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step("a", fn=add, max_in_flight=None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step("a", fn=add, executor="fork")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step("a", fn=add, executor="process", idempotent=1.5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step("a", fn=add, checkpoint="crawl.db")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step("a", fn=add, checkpoint=True, version=2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step("a", fn=add, executor="process", timeout="5 s")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step("a", fn=add, ordered="no")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step("a", fn=add, retries=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
step("a", fn=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step(add, max_in_flight="3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step(max_in_flight="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
step(name=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
get.options(max_in_flight="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
get.options(retries=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
get.options([])  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]


# -- in a body -----------------------------------------------------------------------------------------------


@pipeline
def body(pages: int, client: Client) -> Stream[Page]:
    found = urls(pages)
    titles(numbers(pages))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    titles(found)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    titles(pages)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    get(found)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    report(found.map(get).flat_map(links))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    report(found.collect())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    urls("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    urls()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    urls(3, 4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    urls(page=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    found.map(fetch)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    found.map(fetch, client, client)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    found.map(fetch, 3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.map(fetch, klient=client)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    found.map(get, client)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    found.map(links)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.map(wait)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.map(get_async, client)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    found.map(links_async)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    numbers(3).map(get_async)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    numbers(3).flat_map(split_async)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    numbers(3).flat_map(lines_async)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.flat_map(wait)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.flat_map(get_async)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.filter(links_async)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    found.filter(add_async, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    found.starmap(add_async)  # type: ignore[misc, arg-type]  # pyright: ignore[reportAttributeAccessIssue]
    zip_streams(found, numbers(3)).starmap(add_async)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    titles_async(found)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    titles_async(numbers(3))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    found.map(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.map()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    found.flat_map(len)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.flat_map(links)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.filter(links)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    found.filter(add, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    found.batched("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    found.batched(3, timeout="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    found.batched(3, 1.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    merge(found)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    merge(found, 3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    merge(found, numbers(3)).map(get)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.collect(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.collect(dict)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.collect(len, 3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    found.take("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    found.catch()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    found.batched(2).catch()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    found.map(get).catch()[1].map(get)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.map(get).catch().map(get)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    found.enumerate("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    zip_streams(found, found, strict="no")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    found.starmap(add)  # type: ignore[misc, arg-type]  # pyright: ignore[reportAttributeAccessIssue]
    zip_streams(found, numbers(3)).starmap(add)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    zip_streams(numbers(3), numbers(3), numbers(3)).starmap(add)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    zip_streams(found)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    zip_streams(found, 3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    stream(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stream(get(""))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pages_of(numbers(3), client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pages_of(found)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    pages_of(found, client, 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    pages_of(found, klient=client)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    found.title  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    len(found)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    found[0]  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    found + found  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
    pages.map(get)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    return found  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


@pipeline
def gives_a_stream(pages: int) -> str:
    return urls(pages)  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


@pipeline
def gives_a_list(pages: int) -> Stream[str]:
    return urls(pages).collect()  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


pipeline(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
pipeline("name")(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@contextmanager
def connection(path: str) -> Iterator[Client]:
    yield Client()


@pipeline
def with_resources(path: str) -> None:
    found = urls(3)
    found.map(get, resource(connection, path))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    found.map(fetch, resource(connection))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    found.map(fetch, resource(connection, 3))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.map(fetch, resource(lambda: 3))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    found.map(fetch, resource(3))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    resource(connection, path, scope="call")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]


# -- straight lines ------------------------------------------------------------------------------------------

urls | links  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
urls | fetch  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
urls | titles  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
urls | add  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
urls | wait  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
urls | links_async  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
urls | add_async  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
urls | titles_async  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
urls | total_async  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
numbers | get_async  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
numbers | split_async  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(urls | get_async | links_async) | str.upper  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(numbers | total_async) | str.upper  # type: ignore[misc]  # pyright: ignore[reportOperatorIssue]
get_async | str.upper  # type: ignore[misc]  # pyright: ignore[reportOperatorIssue]
urls | 3  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
urls | pages_of  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
get | str.upper  # type: ignore[misc]  # pyright: ignore[reportOperatorIssue]
total | str.upper  # type: ignore[misc]  # pyright: ignore[reportOperatorIssue]
urls | get | links | titles  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(urls | get | links | count) | str.upper  # type: ignore[misc]  # pyright: ignore[reportOperatorIssue]
get_line: Pipeline[[int], Stream[Link]] = urls | get  # type: ignore[operator]  # pyright: ignore[reportAssignmentType]

# -- running -------------------------------------------------------------------------------------------------

urls.run("3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
urls.run()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
urls.run(3, 4)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
urls.run(page=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
pages_of.run(iter([""]))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
pages_of.run([1], Client())  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
total.iter(3)  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
get.iter("")  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
SyncRunner(observers=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
SyncRunner(observers=[len])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
LoggingObserver(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
LoggingObserver(level="INFO")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
SyncRunner(progress="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
SyncRunner(report=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
RayRunner(context=["request"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
RayRunner(replay="often")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
SyncRunner(checkpoint=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Checkpoint(Page())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
SyncRunner().execute(urls)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
SyncRunner().execute(urls, "3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
SyncRunner().execute(add, 1, 2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
pages_of.override({"fetch": get})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
pages_of.override({fetch: Page()})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
items: Items[int] = urls.iter(3)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
text: str = urls.run(3)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_step: Step[[int], str] = get  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


async def runs_async() -> None:
    await urls.arun("3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await urls.arun()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await urls.arun(3, 4)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await urls.arun(page=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await pages_of.arun([1], Client())  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    total.aiter(3)  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    get_async.aiter("")  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    urls.aiter("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    urls.arun(3).append("4")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    await AsyncRunner().execute(urls)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await AsyncRunner().execute(urls, "3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await AsyncRunner().execute(add_async, 1, 2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    AsyncRunner(observers=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    numbers_found: AsyncItems[int] = urls.aiter(3)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    text: str = await urls.arun(3)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    async with urls.iter(3) as items:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    for _ in urls.aiter(3):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


run_everywhere(urls)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
run_everywhere(urls, "3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
run_everywhere(add, 1, 2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
assert_bound(urls, "3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
EveryRunner(order=False)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
EveryRunner().execute(urls, page=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
CompletionOrder(["a"]).of(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


# -- wiring by name ------------------------------------------------------------------------------------------


class Params(NamedTuple):
    pages: int
    depth: int = 1


by_name = pipeline("by_name", steps=[urls, get], params=Params)
by_name.run("3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
by_name.run()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
by_name.run(3, 2, 1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
by_name.run(page=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
by_name.run(Page())  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
by_name.iter("3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
SyncRunner().execute(by_name, Page())  # type: ignore[misc]  # pyright: ignore[reportCallIssue, reportArgumentType]
pipeline("by_name", params=Params)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
pipeline("by_name", returns="urls")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
pipeline("by_name", steps=urls)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
pipeline("by_name", steps=[urls], params=Params(3))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
pipeline("by_name", steps=[urls], returns=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
include("part", 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
include("part", len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
include("part", by_name, fn=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
step("get", fn=get, on_error="catch")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
get.options(max_failures="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
step("get", fn=get, mode="every")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
get.options(mode=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


Retry(on=int)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Retry(TimeoutError)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Retry(on=TimeoutError, timeout="60 s")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
get.options(retry=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Limit(rate=100)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Limit(10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Limit(rate="1/s", cost=str)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Limit(rate="1/s").pause("30")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
get.options(limit="100/min")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
