"""`headrace.testing` in right programs, and what the type checkers make of it: checked, never run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, assert_type

from headrace import step
from headrace.engine.report import Report
from headrace.testing import (
    RUNNERS,
    CompletionOrder,
    EveryRunner,
    Outcome,
    Runner,
    ScriptedClock,
    assert_bound,
    run_everywhere,
)


@step
def urls(pages: int) -> Iterator[str]:
    yield f"{pages}"


@step
async def fetch(url: str) -> bytes:
    return url.encode()


def fake(url: str) -> bytes:
    return url.encode()


async def fake_async(url: str) -> bytes:
    return url.encode()


@step
def count(pages: Iterator[bytes]) -> int:
    return sum(1 for _ in pages)


pages = urls | fetch
crawl = pages | count

assert_type(run_everywhere(urls, 3), Outcome[list[str]])
assert_type(run_everywhere(pages, pages=3).result, list[bytes])
assert_type(run_everywhere(crawl, 3).result, int)
assert_type(run_everywhere(fetch, "").result, bytes)
assert_type(run_everywhere(crawl, 3).failure, BaseException | None)
assert_type(run_everywhere(crawl, 3).report, Report)
assert_type(run_everywhere(crawl, 3).as_json(full=True), dict[str, Any])
assert_type(assert_bound(pages, 3).result, list[bytes])
assert_type(assert_bound(crawl, pages=3).result, int)
every = EveryRunner(ordered=False, counts=True, clock=ScriptedClock, runners=[*RUNNERS])
assert_type(every.execute(crawl, 3).seconds, float | None)
assert_type(every.execute(pages, 3).result, list[bytes])
assert_type(every.assert_bound(crawl, 3).result, int)


def test_with_a_runner(headrace_runner: Runner) -> None:
    assert_type(headrace_runner(pages, 3), list[bytes])
    assert_type(headrace_runner(crawl, pages=3), int)


order = CompletionOrder(["b", "a"])
assert_type(order.of(urls).run(pages=3), list[str])
assert_type(order.of(fetch).run(""), bytes)
assert_type((urls | order.of(fetch) | count).run(3), int)
by_length: Callable[[str], bytes] = CompletionOrder([1, 2], key=len).of(fake)
awaited: Callable[[str], Awaitable[bytes]] = order.of(fake_async)
crawl.override({fetch: order.of(fake_async)})
