"""Programs that are wrong: each is refused when it is built (or run).

The message says where, what, got and fix. In an expected message, `(@2)` is this file and the second line of
the wrong program, and `(@fetch)` is this file and the line of that step.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, NotRequired, TypedDict

import pytest
import tenacity

from headrace import (
    ArgumentError,
    AsyncRunner,
    Event,
    HandleError,
    HeadraceError,
    HintError,
    ItemFailed,
    Limit,
    OptionError,
    RayRunner,
    Retry,
    Stream,
    SyncRunner,
    WiringError,
    include,
    merge,
    pipeline,
    resource,
    step,
    stream,
    zip_streams,
)
from headrace.graph.compile import compile_recording
from headrace.graph.draft import Draft, Given, Recording
from headrace.observe import LoggingObserver
from headrace.testing import ScriptedClock

# ruff: noqa: RET503  # the programs are wrong on purpose, and some bodies never end

HERE = os.path.basename(__file__)


class Page: ...


class Client: ...


class Pages(NamedTuple):
    pages: int


class Count(NamedTuple):
    count: int


class WordAndCount(NamedTuple):
    word: str
    count: str


# -- steps to make mistakes with -----------------------------------------------------------------------------


@step
def urls(pages: int) -> Iterator[str]:
    yield from map(str, range(pages))


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@step(max_in_flight=30)
def fetch(url: str, client: Client) -> Page:
    return Page()


@step
def get(url: str) -> Page:
    return Page()


module_get = get
API = Limit(rate="1/s")


@step
def titles(pages: Iterator[Page]) -> Iterator[str]:
    yield from map(str, pages)


@step
def words(text: str) -> Iterator[str]:
    yield from text


@step
def total(values: list[int]) -> int:
    return sum(values)


@step
def count(values: Iterator[int]) -> int:
    return sum(1 for _ in values)


@step
def compared(values: Iterator[int], others: list[int]) -> int:
    return len(list(values)) - len(others)


@step
def joined(texts: list[str]) -> str:
    return "".join(texts)


@step
def maybe(number: int) -> int | None:
    return number or None


@step
def power(number: int, exponent: int) -> int:
    return number**exponent


@step
def double(number: int) -> int:
    return number * 2


@step
def half(number: int) -> int:
    return number // 2


@step
def length(text: str) -> int:
    return len(text)


@step
def is_even(number: int) -> bool:
    return number % 2 == 0


@step
def add(left: int, right: int) -> int:
    return left + right


@step
def add_three(a: int, b: int, c: int) -> int:
    return a + b + c


@step
def scaled(left: int, right: int, *, factor: int) -> int:
    return (left + right) * factor


@step
def shown(data: Any) -> str:
    return repr(data)


def plain(url: str) -> str:
    return url


def plain_generator(url: str) -> Iterator[str]:
    yield url


async def wait(url: str) -> str:
    return url


async def size(url: str) -> int:
    return len(url)


async def lines_of(url: str) -> list[str]:
    return url.splitlines()


async def split_async(text: str) -> AsyncIterator[str]:
    for letter in text:
        yield letter


async def numbers_async(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def total_async(values: AsyncIterator[int]) -> int:
    return sum([value async for value in values])


@pipeline
def crawl(pages: int) -> Stream[Page]:
    return urls(pages).map(get)


@pipeline
def pages_of(found: Stream[str]) -> Stream[Page]:
    return found.map(get)


@pipeline
def repeated(word: str, count: int) -> int:
    return add(length(word), count)


@pipeline
def save(count: int) -> None:
    double(count)


@pipeline
def both(count: int) -> tuple[int, int]:
    return double(count), half(count)


def draft(id: str, *sources: str) -> Draft:
    inputs = tuple(Given("number", source=source) for source in sources)
    return Draft(id, id, "value", "value", int, plain, where="app.py:1", called="app.py:9", inputs=inputs)


def recording(*drafts: Draft) -> Recording:
    return Recording("body", drafts, (drafts[-1].id,), "value")


# -- the table -----------------------------------------------------------------------------------------------

Program = Callable[[], object]
PROGRAMS: list[tuple[Program, type[HeadraceError], str]] = []


def wrong(error: type[HeadraceError], message: str) -> Callable[[Program], Program]:
    def listed(program: Program) -> Program:
        PROGRAMS.append((program, error, message))
        return program

    return listed


def first_line(program: Program) -> int:
    code = program.__code__
    return min(line for _, _, line in code.co_lines() if line and line > code.co_firstlineno)


def placed(message: str, program: Program) -> str:
    """The message with the places filled in."""

    def place(match: re.Match[str]) -> str:
        name = match[1]
        if name.isdigit():
            return f"{HERE}:{first_line(program) + int(name) - 1}"
        function = getattr(globals()[name], "__wrapped__", globals()[name])
        return f"{HERE}:{function.__code__.co_firstlineno}"

    return re.sub(r"@(\w+)(?=\))", place, message)


# -- options -------------------------------------------------------------------------------------------------


@wrong(OptionError, "step 'fetch' (@1): max_in_flight must be a whole number of 1 or more, got 0")
def max_in_flight_is_zero() -> None:
    @step(max_in_flight=0)
    def fetch(url: str) -> str: ...


@wrong(OptionError, "step 'fetch' (@get): max_in_flight must be a whole number of 1 or more, got -1")
def max_in_flight_is_negative() -> None:
    step("fetch", fn=get, max_in_flight=-1)


@wrong(OptionError, "step 'get' (@get): max_in_flight must be a whole number of 1 or more, got True")
def max_in_flight_is_true() -> None:
    get.options(max_in_flight=True)


@wrong(OptionError, "step 'plain' (@plain): max_in_flight must be a whole number of 1 or more, got 2.5")
def max_in_flight_is_a_fraction() -> None:
    step(max_in_flight=2.5)(plain)


@wrong(OptionError, "step 'fetch' (@plain): max_in_flight must be a whole number of 1 or more, got '3'")
def max_in_flight_is_text() -> None:
    step("fetch", fn=plain, max_in_flight="3")


@wrong(OptionError, "step 'fetch' (@plain): max_in_flight must be a whole number of 1 or more, got None")
def max_in_flight_is_none() -> None:
    step("fetch", fn=plain, max_in_flight=None)


@wrong(OptionError, "step 'length' (@1): max_in_flight must be a whole number of 1 or more, got 0")
def max_in_flight_of_a_built_in() -> None:
    step("length", fn=len, max_in_flight=0)


@wrong(OptionError, "step 'length' (@1): max_in_flight must be a whole number of 1 or more, got 0")
def max_in_flight_of_options_on_a_built_in() -> None:
    step("length", fn=len).options(max_in_flight=0)


@wrong(OptionError, "step 'get' (@get): concurrency must be a whole number of 1 or more, got 0")
def concurrency_is_zero() -> None:
    get.options(concurrency=0, executor="thread")


@wrong(OptionError, "step 'get' (@get): concurrency must be a whole number of 1 or more, got 'many'")
def concurrency_is_text() -> None:
    get.options(concurrency="many", executor="thread")


@wrong(
    OptionError,
    "step 'get' (@get): concurrency=2 needs calls that overlap, got executor='inline'; add executor='thread', "
    "or make it async",
)
def concurrency_is_inline() -> None:
    get.options(concurrency=2, max_in_flight=2)


@wrong(
    OptionError,
    "step 'get' (@get): concurrency must be at most max_in_flight=2, got 4; raise max_in_flight",
)
def concurrency_exceeds_max_in_flight() -> None:
    get.options(concurrency=4, max_in_flight=2, executor="thread")


@wrong(OptionError, "step 'get' (@get): executor must be 'inline', 'thread' or 'process', got 'fork'")
def executor_is_unknown() -> None:
    get.options(executor="fork")


@wrong(OptionError, "step 'get' (@get): executor must be 'inline', 'thread' or 'process', got None")
def executor_is_none() -> None:
    get.options(executor=None)


@wrong(OptionError, "step 'get' (@get): ordered must be True or False, got 'no'")
def ordered_is_text() -> None:
    get.options(ordered="no", executor="thread")


@wrong(
    OptionError,
    "step 'get' (@get): ordered=False needs calls that overlap, got executor='inline'; add executor='thread', "
    "or make it async",
)
def unordered_is_inline() -> None:
    get.options(ordered=False)


@wrong(
    OptionError,
    "step 'get' (@get): there is no option 'retries'; the options are max_in_flight, concurrency, ordered, executor, "
    "idempotent, timeout, mode, on_error, max_failures, checkpoint, version, unkeyed, limit, retry",
)
def option_is_unknown() -> None:
    get.options(retries=3)


@wrong(
    OptionError,
    "step 'fetch' (@1): there is no option 'tries'; the options are max_in_flight, concurrency, ordered, executor, "
    "idempotent, timeout, mode, on_error, max_failures, checkpoint, version, unkeyed, limit, retry",
)
def option_of_a_decorator_is_unknown() -> None:
    @step(tries=3)
    def fetch(url: str) -> str: ...


@wrong(
    WiringError,
    "step 'count' (@count): executor='thread' works for map, filter and generator steps, got one call "
    "that reads a stream; leave the option out (called at @5)",
)
def threads_for_a_value_of_a_stream() -> None:
    threaded = count.options(executor="thread")

    @pipeline
    def body(n: int) -> int:
        return threaded(numbers(n))


@wrong(
    WiringError,
    "step 'words' (@words): executor='thread' works for map, filter and generator steps, got flat_map; "
    "let a map step give lists, and flatten them with .flat_map(iter) (called at @5)",
)
def threads_for_flat_map() -> None:
    threaded = words.options(executor="thread")

    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).flat_map(threaded)


def max_failures_message(got: str, fix: str) -> str:
    return (
        "step 'get' (@get): max_failures must be a whole number of 1 or more, or a fraction between 0 and 1, got "
        f"{got}; {fix}"
    )


STOPS = "to stop at the first failure, leave out on_error too"
ANY = "to allow any number, leave it out"


@wrong(OptionError, max_failures_message("0", STOPS))
def max_failures_is_zero() -> None:
    get.options(on_error="skip", max_failures=0)


@wrong(OptionError, max_failures_message("1.5", ANY))
def max_failures_is_no_fraction() -> None:
    get.options(on_error="skip", max_failures=1.5)


@wrong(OptionError, max_failures_message("1.0", ANY))
def max_failures_is_all() -> None:
    get.options(on_error="skip", max_failures=1.0)


@wrong(OptionError, max_failures_message("nan", ANY))
def max_failures_is_not_a_number() -> None:
    get.options(on_error="skip", max_failures=float("nan"))


@wrong(OptionError, max_failures_message("-1", ANY))
def max_failures_is_negative() -> None:
    get.options(on_error="skip", max_failures=-1)


@wrong(OptionError, max_failures_message("True", ANY))
def max_failures_is_true() -> None:
    get.options(on_error="skip", max_failures=True)


@wrong(OptionError, max_failures_message("'3'", ANY))
def max_failures_is_text() -> None:
    get.options(on_error="skip", max_failures="3")


@wrong(
    OptionError,
    "step 'get' (@get): on_error must be 'raise' or 'skip', got 'ignore'; to have the failures as a stream, use "
    ".catch() on the stream that the step gives",
)
def on_error_is_unknown() -> None:
    get.options(on_error="ignore")


@wrong(
    OptionError,
    "step 'get' (@get): on_error must be 'raise' or 'skip', got 'catch'; to have the failures as a stream, use "
    ".catch() on the stream that the step gives",
)
def on_error_is_catch() -> None:
    get.options(on_error="catch")


@wrong(
    WiringError,
    "step 'get' (@get): max_failures=3 counts failures that do not stop the run, got on_error='raise'; add "
    "on_error='skip', or .catch() on the stream (called at @3)",
)
def max_failures_without_a_policy() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return urls(n).map(get.options(max_failures=3))


@wrong(
    WiringError,
    "step 'get' (@get): max_failures=0.5 counts failures that do not stop the run, got on_error='raise'; add "
    "on_error='skip', or .catch() on the stream (called at @1)",
)
def max_failures_without_a_policy_in_a_line() -> None:
    urls | get.options(max_failures=0.5)


@wrong(
    WiringError,
    "step 'urls' (@urls): is not called per item, got .catch() on its stream; call it right behind the .map, .filter "
    "or .flat_map of the step (called at @3)",
)
def catch_of_a_source() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).catch()[0]


@wrong(
    WiringError,
    "step 'batched' (@3): is not called per item, got .catch() on its stream; call it right behind the .map, .filter "
    "or .flat_map of the step (called at @3)",
)
def catch_of_batches() -> None:
    @pipeline
    def body(n: int) -> Any:
        return urls(n).map(get).batched(2).catch()[0]


@wrong(
    WiringError,
    "step 'get' (@get): has its failures caught already, got .catch() on its stream; use the streams that the first "
    ".catch() gave (called at @4)",
)
def catch_of_what_is_caught() -> None:
    @pipeline
    def body(n: int) -> Any:
        pages, _ = urls(n).map(get).catch()
        return pages.catch()


@wrong(
    WiringError,
    "step 'failures' (@3): is not called per item, got .catch() on its stream; call it right behind the .map, .filter "
    "or .flat_map of the step (called at @4)",
)
def catch_of_failures() -> None:
    @pipeline
    def body(n: int) -> Any:
        _, failed = urls(n).map(get).catch()
        return failed.catch()


@wrong(
    WiringError,
    "step 'get' (@get): has on_error='skip', which leaves nothing to catch, got .catch() on its stream; leave on_error "
    "out (called at @3)",
)
def catch_of_what_is_skipped() -> None:
    @pipeline
    def body(n: int) -> Any:
        return urls(n).map(get.options(on_error="skip")).catch()[0]


@wrong(
    WiringError,
    "step 'get' (@get): is a step in a pipeline of its own, 'body/crawl', got .catch() on its stream; call it right "
    "behind the .map, .filter or .flat_map of the step, in that pipeline (called at @3)",
)
def catch_of_a_pipeline() -> None:
    @pipeline
    def body(n: int) -> Any:
        return crawl(n).catch()[0]


@wrong(
    HintError,
    "step 'length' (@length): takes one str at a time as 'text', got Failure[str] from step 'failures' (@3); give it "
    "items of type str, or change the hint (called at @4)",
)
def failures_to_a_step_that_takes_items() -> None:
    @pipeline
    def body(n: int) -> Any:
        _, failed = urls(n).map(get).catch()
        return failed.map(length)


@wrong(
    WiringError,
    "step 'total' (@total): on_error='skip' works for steps that give a stream, got a call that gives one value, "
    "which others need; leave the option out (called at @5)",
)
def skip_for_a_value() -> None:
    skipping = total.options(on_error="skip")

    @pipeline
    def body(n: int) -> int:
        return skipping(numbers(n).collect())


@wrong(
    WiringError,
    "step 'numbers' (@numbers): max_failures=3 works for map, filter and flat_map, got a generator, which can fail "
    "only once; leave the option out (called at @5)",
)
def max_failures_of_a_generator() -> None:
    source = numbers.options(on_error="skip", max_failures=3)

    @pipeline
    def body(n: int) -> Stream[int]:
        return source(n)


@wrong(OptionError, "step 'get' (@get): executor must be 'inline', 'thread' or 'process', got 'async'")
def executor_is_async() -> None:
    get.options(executor="async")


@wrong(
    OptionError,
    "step 'wait' (@wait): executor='thread' is for plain functions, got an async one, whose calls overlap "
    "by themselves; leave the option out",
)
def threads_for_an_async_function() -> None:
    step("wait", fn=wait, executor="thread")


@wrong(
    OptionError,
    "step 'split_async' (@split_async): executor='thread' is for plain functions, got an async one, whose "
    "calls overlap by themselves; leave the option out",
)
def threads_for_an_async_generator() -> None:
    step(split_async).options(executor="thread")


@wrong(OptionError, "step 'wait' (@wait): executor must be 'inline', 'thread' or 'process', got 'pool'")
def executor_of_an_async_function_is_unknown() -> None:
    step("wait", fn=wait, executor="pool")


@wrong(
    OptionError,
    "step 'wait' (@wait): executor='process' is for plain functions, got an async one, whose calls overlap "
    "by themselves; leave the option out",
)
def processes_for_an_async_function() -> None:
    step("wait", fn=wait, executor="process")


@wrong(
    WiringError,
    "step 'count' (@count): executor='process' works for map and filter, and for one call that reads no stream, got "
    "one call that reads a stream; leave the option out (called at @5)",
)
def processes_for_a_value_of_a_stream() -> None:
    count_in_process = count.options(executor="process")

    @pipeline
    def body(n: int) -> int:
        return count_in_process(numbers(n))


@wrong(
    WiringError,
    "step 'words' (@words): executor='process' works for map and filter, and for one call that reads no stream, got "
    "flat_map; let a map step give lists, and flatten them with .flat_map(iter) (called at @5)",
)
def processes_for_flat_map() -> None:
    words_in_process = words.options(executor="process")

    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).flat_map(words_in_process)


@wrong(
    WiringError,
    "step 'numbers' (@numbers): executor='process' works for map and filter, and for one call that reads no stream, "
    "got a generator; use executor='thread' (called at @1)",
)
def processes_for_a_generator() -> None:
    numbers.options(executor="process").run(3)


@wrong(OptionError, "step 'wait' (@wait): timeout must be seconds, more than 0, got 0")
def timeout_is_zero() -> None:
    step("wait", fn=wait, timeout=0)


@wrong(OptionError, "step 'get' (@get): timeout must be seconds, more than 0, got '5s'")
def timeout_is_text() -> None:
    get.options(executor="process", timeout="5s")


@wrong(
    OptionError,
    "step 'get' (@get): timeout=5.0 needs calls that can be ended, got a plain function with executor='inline', which "
    "nothing can end; add executor='process', or make it async",
)
def timeout_inline() -> None:
    get.options(timeout=5.0)


@wrong(
    OptionError,
    "step 'get' (@get): timeout=5.0 needs calls that can be ended, got a plain function with executor='thread', which "
    "nothing can end; add executor='process', or make it async",
)
def timeout_in_a_thread() -> None:
    get.options(executor="thread", timeout=5.0)


@wrong(
    WiringError,
    "step 'split_async' (@split_async): timeout=2 works for map and filter, and for one call that reads no stream, got "
    "flat_map; put what takes long into a step that is called per item (called at @3)",
)
def timeout_of_an_async_generator() -> None:
    @pipeline
    def body(texts: list[str]) -> Stream[str]:
        return stream(texts).flat_map(step(split_async).options(timeout=2))


@wrong(OptionError, "step 'get' (@get): idempotent must be True or False, got 3")
def idempotent_is_a_number() -> None:
    get.options(executor="process", idempotent=3)


@wrong(
    OptionError,
    "step 'get' (@get): idempotent=True says that a call may be made again whose worker process died, got "
    "executor='thread'; add executor='process', or leave it out",
)
def idempotent_in_a_thread() -> None:
    get.options(executor="thread", idempotent=True)


@wrong(OptionError, "step 'get' (@get): checkpoint must be True or False, got 'crawl.db'")
def checkpoint_is_a_path() -> None:
    get.options(checkpoint="crawl.db")  # type: ignore[arg-type]


@wrong(OptionError, "step 'get' (@get): version must be text, got 2")
def version_is_a_number() -> None:
    get.options(checkpoint=True, version=2)  # type: ignore[arg-type]


@wrong(
    OptionError,
    "step 'get' (@get): version='2' is about results that are kept, got checkpoint=False; add checkpoint=True, or "
    "leave it out",
)
def version_without_checkpoint() -> None:
    get.options(version="2")


@wrong(
    OptionError,
    "step 'fetch' (@fetch): unkeyed=('client',) is about results that are kept, got checkpoint=False; add "
    "checkpoint=True, or leave it out",
)
def unkeyed_without_checkpoint() -> None:
    fetch.options(unkeyed=["client"])


@wrong(OptionError, "step 'fetch' (@fetch): unkeyed must be names of parameters, got (3,)")
def unkeyed_is_a_number() -> None:
    fetch.options(checkpoint=True, unkeyed=[3])  # type: ignore[list-item]


@wrong(
    OptionError,
    "step 'fetch' (@fetch): unkeyed must be names of parameters, got 'clients'; it takes (url: str, client: Client)",
)
def unkeyed_is_no_parameter() -> None:
    fetch.options(checkpoint=True, unkeyed="clients")


@wrong(
    WiringError,
    "step 'get' (@get): checkpoint=True keeps results by the item or the values that a call is given, got the item "
    "unkeyed, as ('url',); leave its parameter out of unkeyed (called at @3)",
)
def unkeyed_item() -> None:
    @pipeline
    def body() -> None:
        stream([""]).map(get.options(checkpoint=True, unkeyed="url"))


@wrong(
    WiringError,
    "step 'urls' (@urls): checkpoint=True keeps results by the item or the values that a call is given, got a "
    "generator that begins a stream; leave it out, or give it items with .flat_map (called at @3)",
)
def checkpoint_of_a_source() -> None:
    @pipeline
    def body() -> None:
        urls.options(checkpoint=True)(3)


@wrong(
    WiringError,
    "step 'titles' (@titles): checkpoint=True keeps results by the item or the values that a call is given, got a step "
    "that reads a whole stream; leave it out, or give the step items or .collect() (called at @3)",
)
def checkpoint_of_a_step_that_reads_a_stream() -> None:
    @pipeline
    def body() -> None:
        titles.options(checkpoint=True)(urls(3).map(get))


@wrong(
    OptionError,
    "Checkpoint (@1): needs the path of a file, or a store with the methods begin, count, get, put, flush, end, got 3",
)
def checkpoint_in_a_number() -> None:
    SyncRunner(checkpoint=3)  # type: ignore[arg-type]


@wrong(OptionError, "step 'wait' (@wait): max_in_flight must be a whole number of 1 or more, got 0")
def max_in_flight_of_an_async_function_is_zero() -> None:
    step("wait", fn=wait, max_in_flight=0)


@wrong(
    OptionError,
    "step 'wait' (@wait): concurrency must be at most max_in_flight=2, got 4; raise max_in_flight",
)
def concurrency_of_an_async_function_exceeds_max_in_flight() -> None:
    step("wait", fn=wait, max_in_flight=2, concurrency=4)


@wrong(OptionError, "step 'wait' (@wait): concurrency must be at most max_in_flight=1, got 2; raise max_in_flight")
def concurrency_of_an_async_function_without_max_in_flight() -> None:
    step("wait", fn=wait, concurrency=2)


@wrong(OptionError, "step 'wait' (@wait): ordered must be True or False, got 'no'")
def ordered_of_an_async_function_is_text() -> None:
    step("wait", fn=wait, ordered="no")


@wrong(
    WiringError,
    "step 'lines_of' (@lines_of): ordered=False works for map and filter, whose calls overlap, got "
    "flat_map; let a map step give lists, and flatten them with .flat_map(iter) (called at @5)",
)
def unordered_flat_map() -> None:
    unordered = step(lines_of).options(max_in_flight=3, ordered=False)

    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).flat_map(unordered)


@wrong(
    WiringError,
    "step 'numbers_async' (@numbers_async): concurrency=2 works for map and filter, whose calls overlap, "
    "got a generator; leave the option out (called at @5)",
)
def concurrency_of_an_async_generator() -> None:
    concurrent = step(numbers_async).options(max_in_flight=3, concurrency=2)

    @pipeline
    def body(n: int) -> Stream[int]:
        return concurrent(n)


@wrong(
    WiringError,
    "step 'numbers' (@numbers): ordered=False works for map and filter, whose calls overlap, got a "
    "generator; leave the option out (called at @1)",
)
def unordered_generator_in_a_thread() -> None:
    numbers.options(executor="thread", ordered=False).run(3)


# -- names and functions -------------------------------------------------------------------------------------


@wrong(
    WiringError,
    "step 'a/b' (@plain): a name must be text without '/', '#', '(' and ')', got 'a/b'; choose another",
)
def name_has_a_slash() -> None:
    step("a/b", fn=plain)


@wrong(
    WiringError,
    "step '' (@plain): a name must be text without '/', '#', '(' and ')', got ''; choose another",
)
def name_is_empty() -> None:
    step("", fn=plain)


@wrong(
    WiringError,
    "step ' ' (@get): a name must be text without '/', '#', '(' and ')', got ' '; choose another",
)
def name_is_blank() -> None:
    get.options(name=" ")


@wrong(
    WiringError,
    "step 3 (@plain): a name must be text without '/', '#', '(' and ')', got 3; choose another",
)
def name_is_a_number() -> None:
    step(name=3)(plain)


@wrong(
    WiringError,
    "pipeline 'a#b' (@1): a name must be text without '/', '#', '(' and ')', got 'a#b'; choose another",
)
def name_of_a_pipeline_has_a_hash() -> None:
    pipeline("a#b")


@wrong(
    WiringError,
    "pipeline 'a(b)' (@1): a name must be text without '/', '#', '(' and ')', got 'a(b)'; choose another",
)
def name_of_a_renamed_pipeline_has_brackets() -> None:
    crawl.named("a(b)")


@wrong(WiringError, "step (@1): needs a function, got 3; decorate a function, or pass one as fn=")
def step_of_a_number() -> None:
    step(3)


@wrong(
    WiringError,
    "step 'fetch' (@1): needs a function, got [1, 2]; decorate a function, or pass one as fn=",
)
def step_of_a_list() -> None:
    step("fetch", fn=[1, 2])


@wrong(
    WiringError,
    "step (@1): needs a function, got <pipeline 'crawl'>; decorate a function, or pass one as fn=",
)
def step_of_a_pipeline() -> None:
    step(crawl)


@wrong(WiringError, "pipeline (@1): needs a function, got 3; decorate a function")
def pipeline_of_a_number() -> None:
    pipeline(3)


@wrong(WiringError, "pipeline 'again' (@1): needs a function, got <step 'get'>; decorate a function")
def pipeline_of_a_step() -> None:
    pipeline("again")(get)


@wrong(WiringError, "pipeline (@1): needs a function, got <class Page>; decorate a function")
def pipeline_of_a_class() -> None:
    pipeline(Page)


@wrong(
    WiringError,
    "step 'get' (@get): needs a name of its own in pipeline 'body', got that of step 'get' (@1); rename"
    ' one of them, with step("name", fn=...) or .options(name=...) (called at @7)',
)
def two_steps_of_one_name() -> None:
    @step
    def get(url: str) -> str:
        return url

    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).map(get).map(module_get)


# -- arguments -----------------------------------------------------------------------------------------------


@wrong(
    HintError,
    "step 'titles' (@titles): takes Iterator[Page] as 'pages', got a stream of int from step 'numbers' "
    "(@numbers); give it a stream of Page, or change the hint (called at @3)",
)
def wrong_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return titles(numbers(n))


@wrong(
    WiringError,
    "step 'urls' (@urls): missing a required argument: 'pages'; it takes (pages: int) (called at @3)",
)
def missing_argument() -> None:
    @pipeline
    def body() -> Stream[str]:
        return urls()


@wrong(
    WiringError,
    "step 'urls' (@urls): too many positional arguments; it takes (pages: int) (called at @3)",
)
def extra_argument() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n, n)


@wrong(
    WiringError,
    "step 'urls' (@urls): got an unexpected keyword argument 'page'; it takes (pages: int) (called at @3)",
)
def unknown_keyword() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(page=n)


@wrong(
    WiringError,
    "step 'urls' (@urls): multiple values for argument 'pages'; it takes (pages: int) (called at @3)",
)
def argument_given_twice() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n, pages=n)


@wrong(
    WiringError,
    "step 'fetch' (@fetch): missing a required argument: 'client'; it takes (url: str, client: Client),"
    " the first from the stream; give the others after the step, or let .starmap spread items that are tuples "
    "(called at @3)",
)
def missing_extra_argument_of_map() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return urls(n).map(fetch)


@wrong(
    WiringError,
    "step 'get' (@get): too many positional arguments; it takes (url: str), the first from the stream (called at @3)",
)
def too_many_extra_arguments_of_map() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return urls(n).map(get, n)


@wrong(
    WiringError,
    "step 'fetch' (@fetch): got an unexpected keyword argument 'klient'; it takes (url: str, client: "
    "Client), the first from the stream (called at @3)",
)
def unknown_keyword_of_map() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return urls(n).map(fetch, klient=n)


@wrong(
    HintError,
    "step 'total' (@total): takes list[int] as 'values', got the stream of 'body/numbers', a stream of "
    "int; add .collect() (called at @3)",
)
def stream_where_a_list_is_wanted() -> None:
    @pipeline
    def body(n: int) -> int:
        return total(numbers(n))


@wrong(
    HintError,
    "step 'get' (@get): takes str as 'url', got the stream of 'body/urls', a stream of str; to call it "
    "for each item, use .map(get, ...) (called at @3)",
)
def stream_where_one_item_is_wanted() -> None:
    @pipeline
    def body(n: int) -> Page:
        return get(urls(n))


@wrong(
    HintError,
    "step 'words' (@words): takes str as 'text', got the stream of 'body/urls', a stream of str; to "
    "call it for each item, use .flat_map(words, ...) (called at @3)",
)
def stream_where_one_item_is_wanted_by_a_generator() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return words(urls(n))


@wrong(
    HintError,
    "step 'titles' (@titles): takes Iterator[Page] as 'pages', got a stream of int from step 'stream' "
    "(@3); give it a stream of Page, or change the hint (called at @3)",
)
def list_where_a_stream_is_wanted_holds_others() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return titles(stream(numbers(n).collect()))


@wrong(
    HintError,
    "step 'total' (@total): takes list[int] as 'values', got str from step 'joined' (@joined); give it "
    "list[int], or change the hint (called at @3)",
)
def value_of_another_type() -> None:
    @pipeline
    def body(n: int) -> int:
        return total(joined(urls(n).collect()))


@wrong(
    HintError,
    "step 'urls' (@urls): takes int as 'pages', got int | None from step 'maybe' (@maybe); give it int,"
    " or change the hint (called at @3)",
)
def value_that_may_be_none() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(maybe(n))


@wrong(
    HintError,
    "step 'urls' (@urls): takes int as 'pages', got str from parameter 'n' (@1); give it int, or change"
    " the hint (called at @3)",
)
def parameter_of_another_type() -> None:
    @pipeline
    def body(n: str) -> Stream[str]:
        return urls(n)


@wrong(
    HintError,
    "step 'urls' (@urls): takes int as 'pages', got '3'; give it int, or change the hint (called at @3)",
)
def constant_of_another_type() -> None:
    @pipeline
    def body() -> Stream[str]:
        return urls("3")


@wrong(
    HintError,
    "step 'total' (@total): takes list[int] as 'values', got [1, '2']; give it list[int], or change the"
    " hint (called at @3)",
)
def constant_list_of_another_type() -> None:
    @pipeline
    def body() -> int:
        return total([1, "2"])


@wrong(
    HintError,
    "step 'urls' (@urls): takes int as 'pages', got None; give it int, or change the hint (called at @3)",
)
def none_where_a_number_is_wanted() -> None:
    @pipeline
    def body() -> Stream[str]:
        return urls(None)


# -- streams to async functions, and async streams to plain ones ---------------------------------------------


@wrong(
    HintError,
    "step 'sum_of' (@1): is async, so it reads streams with 'async for', got 'values' hinted as "
    "Iterator[int]; hint it as AsyncIterator[int] (called at @6)",
)
def async_step_takes_an_iterator() -> None:
    @step
    async def sum_of(values: Iterator[int]) -> int: ...

    @pipeline
    def body(n: int) -> int:
        return sum_of(numbers(n))


@wrong(
    HintError,
    "step 'sum_of' (@1): is async, so it reads streams with 'async for', got 'values' hinted as "
    "Iterable[int]; hint it as AsyncIterator[int] (called at @6)",
)
def async_step_takes_an_iterable() -> None:
    @step
    async def sum_of(values: Iterable[int]) -> int: ...

    @pipeline
    def body(n: int) -> int:
        return sum_of(numbers(n))


@wrong(
    HintError,
    "step 'doubled' (@1): is async, so it reads streams with 'async for', got 'values' hinted as "
    "Iterator[int]; hint it as AsyncIterator[int] (called at @8)",
)
def async_generator_takes_an_iterator() -> None:
    @step
    async def doubled(values: Iterator[int]) -> AsyncIterator[int]:
        for value in values:
            yield value * 2

    @pipeline
    def body(n: int) -> Stream[int]:
        return doubled(numbers(n))


@wrong(
    HintError,
    "step 'sum_of' (@1): is async, so it reads streams with 'async for', got 'values' hinted as "
    "Iterator[int] | None; hint it as AsyncIterator[int] (called at @6)",
)
def async_step_may_take_an_iterator() -> None:
    @step
    async def sum_of(values: Iterator[int] | None = None) -> int: ...

    @pipeline
    def body(n: int) -> int:
        return sum_of(numbers(n))


@wrong(
    HintError,
    "step 'sum_of' (@1): is not async, so it reads streams with 'for', got 'values' hinted as "
    "AsyncIterator[int]; hint it as Iterator[int] (called at @6)",
)
def plain_step_takes_an_async_iterator() -> None:
    @step
    def sum_of(values: AsyncIterator[int]) -> int: ...

    @pipeline
    def body(n: int) -> int:
        return sum_of(numbers(n))


@wrong(
    HintError,
    "step 'doubled' (@1): is not async, so it reads streams with 'for', got 'values' hinted as "
    "AsyncIterable[int]; hint it as Iterator[int] (called at @7)",
)
def plain_generator_takes_an_async_iterable() -> None:
    @step
    def doubled(values: AsyncIterable[int]) -> Iterator[int]:
        yield 3

    @pipeline
    def body(n: int) -> Stream[int]:
        return doubled(numbers(n))


@wrong(
    HintError,
    "step 'total_async' (@total_async): takes AsyncIterator[int] as 'values', got a stream of str from "
    "step 'urls' (@urls); give it a stream of int, or change the hint (called at @3)",
)
def async_step_takes_another_stream() -> None:
    @pipeline
    def body(n: int) -> int:
        return step(total_async)(urls(n))


@wrong(
    HintError,
    "step 'sum_of' (@1): takes list[int] as 'values', got the stream of 'body/numbers', a stream of int; "
    "add .collect() (called at @6)",
)
def async_step_takes_a_list_and_got_a_stream() -> None:
    @step
    async def sum_of(values: list[int]) -> int: ...

    @pipeline
    def body(n: int) -> int:
        return sum_of(numbers(n))


# -- per item ------------------------------------------------------------------------------------------------


@wrong(
    HintError,
    "step 'get' (@get): takes one str at a time as 'url', got int from step 'numbers' (@numbers); give "
    "it items of type str, or change the hint (called at @3)",
)
def item_type_in_map() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return numbers(n).map(get)


@wrong(
    HintError,
    "step 'is_even' (@is_even): takes one int at a time as 'number', got str from step 'urls' (@urls); "
    "give it items of type int, or change the hint (called at @3)",
)
def item_type_in_filter() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).filter(is_even)


@wrong(
    HintError,
    "step 'words' (@words): takes one str at a time as 'text', got int from step 'numbers' (@numbers); "
    "give it items of type str, or change the hint (called at @3)",
)
def item_type_in_flat_map() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return numbers(n).flat_map(words)


@wrong(
    HintError,
    "step 'get' (@get): takes one str at a time as 'url', got Page from step 'get' (@get); give it "
    "items of type str, or change the hint (called at @3)",
)
def item_type_after_two_steps() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return urls(n).map(get).map(get)


@wrong(
    HintError,
    "step 'fetch' (@fetch): takes Client as 'client', got str from step 'joined' (@joined); give it "
    "Client, or change the hint (called at @3)",
)
def extra_argument_of_another_type() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return urls(n).map(fetch, joined(urls(n).collect()))


@wrong(
    HintError,
    "step 'fetch' (@fetch): takes Client as 'client', got 'me'; give it Client, or change the hint (called at @3)",
)
def extra_constant_of_another_type() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return urls(n).map(fetch, client="me")


@wrong(
    HandleError,
    "step 'power' (@power): is called for each item with one value as 'exponent', got the stream of "
    "'body/numbers#2'; add .collect() to give all of it to every call, or use zip_streams to give one "
    "item to each (called at @3)",
)
def extra_argument_is_a_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return numbers(n).map(power, numbers(n))


@wrong(
    WiringError,
    "step 'words' (@words): .map needs one result for each item, got a generator; use .flat_map (called at @3)",
)
def map_of_a_generator_step() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).map(words)


@wrong(
    WiringError,
    "step 'plain_generator' (@plain_generator): .map needs one result for each item, got a generator; "
    "use .flat_map (called at @3)",
)
def map_of_a_plain_generator() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).map(plain_generator)


@wrong(
    HintError,
    "step 'length' (@length): flat_map needs something that can be iterated for each item, got int; use"
    " .map, or give a list or an iterator (called at @3)",
)
def flat_map_of_a_number() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).flat_map(length)


@wrong(
    WiringError,
    "pipeline 'body' (@3): .map takes a step or a function, got 3; pass the function itself, and its "
    "extra arguments after it",
)
def map_of_a_number() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).map(3)


@wrong(
    WiringError,
    "pipeline 'body' (@3): .map takes a step or a function, got <the value of 'body/get'>; pass the "
    "function itself, and its extra arguments after it",
)
def map_of_a_call() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).map(get("u"))


@wrong(
    WiringError,
    "pipeline 'crawl' (@crawl): .map needs one result for each item, got a stream; use .flat_map, or let it collect "
    "(called at @3)",
)
def map_of_a_pipeline_that_gives_a_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return numbers(n).map(crawl)


@wrong(
    WiringError,
    "step 'split_async' (@split_async): .map needs one result for each item, got a generator; use "
    ".flat_map (called at @3)",
)
def map_of_an_async_generator() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).map(split_async)


@wrong(
    HintError,
    "step 'wait' (@wait): takes one str at a time as 'url', got int from step 'numbers' (@numbers); give "
    "it items of type str, or change the hint (called at @3)",
)
def item_type_in_map_of_an_async_step() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return numbers(n).map(wait)


@wrong(
    HintError,
    "step 'length' (@length): takes one str at a time as 'text', got int from step 'size' (@size); give "
    "it items of type str, or change the hint (called at @3)",
)
def item_type_after_an_async_step() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return urls(n).map(size).map(length)


@wrong(
    HintError,
    "step 'size' (@size): flat_map needs something that can be iterated for each item, got int; use "
    ".map, or give a list or an iterator (called at @3)",
)
def flat_map_of_an_async_number() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).flat_map(size)


@wrong(
    HintError,
    "step 'opened' (@1): flat_map needs something that can be iterated for each item, got "
    "AsyncIterator[str]; use .map, or give a list or an iterator (called at @6)",
)
def flat_map_of_an_async_function_that_gives_an_async_iterator() -> None:
    async def opened(url: str) -> AsyncIterator[str]:
        return split_async(url)

    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).flat_map(opened)


@wrong(
    WiringError,
    "step 'words' (@words): .filter needs one result for each item, got a generator; use .flat_map (called at @3)",
)
def filter_of_a_generator() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).filter(words)


@wrong(
    WiringError,
    "step 'split_async' (@split_async): .filter needs one result for each item, got a generator; use "
    ".flat_map (called at @3)",
)
def filter_of_an_async_generator() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).filter(split_async)


@wrong(
    WiringError,
    "step 'between' (@1): .starmap needs one result for each item, got a generator; give a list, and "
    "flatten it with .flat_map(iter) (called at @6)",
)
def starmap_of_a_generator() -> None:
    def between(low: int, high: int) -> Iterator[int]:
        yield from range(low, high)

    @pipeline
    def body(n: int) -> Stream[int]:
        return zip_streams(numbers(n), numbers(n)).starmap(between)


@wrong(
    HintError,
    "step 'add' (@add): is called with each item spread over its parameters, tuple[int, int], got "
    "tuple[int, int, int] from step 'zip' (@3); give it items of that shape, or change the hint (called"
    " at @3)",
)
def starmap_with_too_few_parameters() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return zip_streams(numbers(n), numbers(n), numbers(n)).starmap(add)


@wrong(
    HintError,
    "step 'add_three' (@add_three): is called with each item spread over its parameters, tuple[int, "
    "int, int], got tuple[int, int] from step 'zip' (@3); give it items of that shape, or change the "
    "hint (called at @3)",
)
def starmap_with_too_many_parameters() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return zip_streams(numbers(n), numbers(n)).starmap(add_three)


@wrong(
    HintError,
    "step 'add' (@add): is called with each item spread over its parameters, tuple[int, int], got "
    "tuple[int, str] from step 'zip' (@3); give it items of that shape, or change the hint (called at "
    "@3)",
)
def starmap_of_other_types() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return zip_streams(numbers(n), urls(n)).starmap(add)


@wrong(
    HintError,
    "step 'add' (@add): is called with each item spread over its parameters, tuple[int, int], got "
    "tuple[str, ...] from step 'batched' (@3); give it items of that shape, or change the hint (called "
    "at @3)",
)
def starmap_of_other_types_in_batches() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return urls(n).batched(2).starmap(add)


@wrong(
    HintError,
    "step 'add' (@add): is called with each item spread over its parameters, tuple[int, int], got int "
    "from step 'numbers' (@numbers); give it items of that shape, or change the hint (called at @3)",
)
def starmap_of_numbers() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return numbers(n).starmap(add)


@wrong(
    WiringError,
    "step 'scaled' (@scaled): missing an argument for 'factor', which .starmap cannot give because it "
    "takes a keyword only; make it positional, or give it a default (called at @3)",
)
def starmap_with_a_keyword_only_parameter() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return zip_streams(numbers(n), numbers(n)).starmap(scaled)


@wrong(OptionError, "pipeline 'body' (@3): .batched must get a whole number of 1 or more, got 0")
def batched_by_zero() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[int, ...]]:
        return numbers(n).batched(0)


@wrong(OptionError, "pipeline 'body' (@3): .batched must get a whole number of 1 or more, got True")
def batched_by_true() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[int, ...]]:
        return numbers(n).batched(True)


@wrong(OptionError, "pipeline 'body' (@3): .batched must get a timeout of seconds, more than 0, got 0")
def batched_in_no_time() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[int, ...]]:
        return numbers(n).batched(2, timeout=0)


@wrong(OptionError, "pipeline 'body' (@3): .batched must get a timeout of seconds, more than 0, got True")
def batched_in_true_seconds() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[int, ...]]:
        return numbers(n).batched(2, timeout=True)


@wrong(OptionError, "pipeline 'body' (@3): .batched must get a timeout of seconds, more than 0, got '5'")
def batched_in_text_of_seconds() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[int, ...]]:
        return numbers(n).batched(2, timeout="5")  # type: ignore[arg-type]


@wrong(OptionError, "pipeline 'body' (@3): .batched must get a timeout of seconds, more than 0, got inf")
def batched_for_ever() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[int, ...]]:
        return numbers(n).batched(2, timeout=float("inf"))


@wrong(OptionError, "pipeline 'body' (@3): .batched must get a timeout of seconds, more than 0, got nan")
def batched_in_nobody_knows_how_long() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[int, ...]]:
        return numbers(n).batched(2, timeout=float("nan"))


@wrong(
    HintError,
    "step 'batched' (@3): takes float as 'timeout', got str from parameter 'text' (@1); give it float, or change the "
    "hint (called at @3)",
)
def batched_with_a_timeout_of_another_type() -> None:
    @pipeline
    def body(text: str) -> Stream[tuple[str, ...]]:
        return stream(text).batched(2, timeout=text)  # type: ignore[arg-type]


@wrong(
    HintError,
    "step 'batched' (@3): takes int as 'n', got str from parameter 'n' (@1); give it int, or change the hint "
    "(called at @3)",
)
def batched_by_a_parameter_that_is_text() -> None:
    @pipeline
    def body(n: str) -> Stream[tuple[int, ...]]:
        return numbers(3).batched(n)  # type: ignore[arg-type]


# -- joins that can never finish -----------------------------------------------------------------------------


@wrong(
    WiringError,
    "step 'power' (@power): must read step 'numbers' (@numbers) in one way, got it both through step "
    "'collect' (@4) and item by item through step 'numbers' (@numbers), which can never finish (the "
    "list is complete only when the stream has ended, and the other branch holds the stream back); "
    "collect both, or stream both; to read the data twice, use stream(...) on the collected list, "
    "or a step that gives that list "
    "(called at @4)",
)
def collected_branch_joined_with_its_own_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        found = numbers(n)
        return found.map(power, total(found.collect()))


@wrong(
    WiringError,
    "step 'power' (@power): must read step 'numbers' (@numbers) in one way, got it both through step "
    "'collect' (@4) and item by item through step 'is_even' (@is_even), which can never finish (the "
    "list is complete only when the stream has ended, and the other branch holds the stream back); "
    "collect both, or stream both; to read the data twice, use stream(...) on the collected list, "
    "or a step that gives that list "
    "(called at @5)",
)
def collected_branch_joined_with_another_branch() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        found = numbers(n)
        highest = total(found.map(double).collect())
        return found.filter(is_even).map(power, highest)


@wrong(
    WiringError,
    "step 'compared' (@compared): must read step 'numbers' (@numbers) in one way, got it both through "
    "step 'collect' (@4) and item by item through step 'numbers' (@numbers), which can never finish "
    "(the list is complete only when the stream has ended, and the other branch holds the stream back);"
    " collect both, or stream both; to read the data twice, use stream(...) on the collected list, "
    "or a step that gives that list "
    "(called at @4)",
)
def collected_list_beside_the_stream() -> None:
    @pipeline
    def body(n: int) -> int:
        found = numbers(n)
        return compared(found, found.collect())


@wrong(
    WiringError,
    "step 'power' (@power): must read step 'numbers' (@numbers) in one way, got it both through step "
    "'collect' (@4) and item by item through step 'numbers' (@numbers), which can never finish (the "
    "list is complete only when the stream has ended, and the other branch holds the stream back); "
    "collect both, or stream both; to read the data twice, use stream(...) on the collected list, "
    "or a step that gives that list "
    "(called at @5)",
)
def collected_branch_joined_through_values() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        found = numbers(n)
        exponent = half(half(total(found.collect())))
        return found.map(power, exponent)


@wrong(
    WiringError,
    "step 'zip' (@4): must read step 'numbers' (@numbers) in one way, got it both through step "
    "'collect' (@4) and item by item through step 'numbers' (@numbers), which can never finish (the "
    "list is complete only when the stream has ended, and the other branch holds the stream back); "
    "collect both, or stream both; to read the data twice, use stream(...) on the collected list, "
    "or a step that gives that list "
    "(called at @4)",
)
def collected_branch_joined_through_a_new_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[int, int]]:
        found = numbers(n)
        return zip_streams(found, stream(found.collect()))


@wrong(
    WiringError,
    "step 'zip' (@4): must read step 'numbers' (@numbers) in one way, got it both through step "
    "'collect' (@4) and item by item through step 'double' (@double), which can never finish (the list "
    "is complete only when the stream has ended, and the other branch holds the stream back); collect "
    "both, or stream both; to read the data twice, use stream(...) on the collected list, or a step "
    "that gives that list (called at @4)",
)
def collected_branch_joined_through_a_source() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[int, int]]:
        found = numbers(n)
        return zip_streams(numbers(total(found.collect())), found.map(double))


@wrong(
    WiringError,
    "step 'power' (@power): must read step 'numbers' (@numbers) in one way, got it both through step "
    "'collect' (@8) and item by item through step 'numbers' (@numbers), which can never finish (the "
    "list is complete only when the stream has ended, and the other branch holds the stream back); "
    "collect both, or stream both; to read the data twice, use stream(...) on the collected list, "
    "or a step that gives that list "
    "(called at @3)",
)
def collected_branch_joined_in_a_sub_pipeline() -> None:
    @pipeline
    def scaled_by(found: Stream[int], factor: int) -> Stream[int]:
        return found.map(power, factor)

    @pipeline
    def body(n: int) -> Stream[int]:
        found = numbers(n)
        return scaled_by(found, total(found.collect()))


@wrong(
    WiringError,
    "step 'power' (@power): must read step 'numbers' (@numbers) in one way, got it both through step "
    "'collect' (@3) and item by item through step 'numbers' (@numbers), which can never finish (the "
    "list is complete only when the stream has ended, and the other branch holds the stream back); "
    "collect both, or stream both; to read the data twice, use stream(...) on the collected list, "
    "or a step that gives that list "
    "(called at @8)",
)
def collected_branch_in_a_sub_pipeline() -> None:
    @pipeline
    def sum_of(found: Stream[int]) -> int:
        return total(found.collect())

    @pipeline
    def body(n: int) -> Stream[int]:
        found = numbers(n)
        return found.map(power, sum_of(found))


# -- handles used as data ------------------------------------------------------------------------------------


@wrong(
    HandleError,
    "pipeline 'body' (@3): branches on the value of 'body(n)', which is not there yet while the body is"
    " recorded; decide inside a step",
)
def branch_on_a_parameter() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        if n:
            return urls(n)


@wrong(
    HandleError,
    "pipeline 'body' (@4): branches on the stream of 'body/urls', which is not there yet while the body"
    " is recorded; decide inside a step",
)
def branch_on_a_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        found = urls(n)
        return found or urls(2)


@wrong(
    HandleError,
    "pipeline 'body' (@3): compares the value of 'body(n)', which is not there yet while the body is "
    "recorded; compare inside a step",
)
def compare_a_parameter() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(1 if n == 3 else 2)


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses < on the value of 'body/length', which is not there yet while the body "
    "is recorded; do that inside a step",
)
def order_a_value() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(max(length("a"), 3))


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses + on the value of 'body(n)', which is not there yet while the body is "
    "recorded; do that inside a step",
)
def add_to_a_parameter() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n + 1)


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses - on the value of 'body(n)', which is not there yet while the body is "
    "recorded; do that inside a step",
)
def subtract_a_parameter() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(1 - n)


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses - on the value of 'body(n)', which is not there yet while the body is "
    "recorded; do that inside a step",
)
def negate_a_parameter() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(-n)


@wrong(
    HandleError,
    "pipeline 'body' (@3): iterates the stream of 'body/numbers', which is not there yet while the body"
    " is recorded; use .map(step), or pass it to a step that takes an iterator",
)
def add_up_a_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(sum(numbers(n)))


@wrong(
    HandleError,
    "pipeline 'body' (@3): iterates the stream of 'body/urls', which is not there yet while the body is"
    " recorded; use .map(step), or pass it to a step that takes an iterator",
)
def iterate_a_stream() -> None:
    @pipeline
    def body(n: int) -> None:
        for url in urls(n):
            get(url)


@wrong(
    HandleError,
    "pipeline 'body' (@3): iterates the value of 'body(names)', which is not there yet while the body "
    "is recorded; use stream(...) on it, or iterate inside a step",
)
def iterate_a_value() -> None:
    @pipeline
    def body(names: list[str]) -> None:
        for name in names:
            get(name)


@wrong(
    HandleError,
    "pipeline 'body' (@3): iterates the value of 'body(pair)', which is not there yet while the body is"
    " recorded; use stream(...) on it, or iterate inside a step",
)
def unpack_a_value() -> None:
    @pipeline
    def body(pair: tuple[int, int]) -> Stream[str]:
        first, _ = pair
        return urls(first)


@wrong(
    HandleError,
    "pipeline 'body' (@3): takes an item of the stream of 'body/urls', which is not there yet while the"
    " body is recorded; use .map(step), or pass it to a step that takes an iterator",
)
def next_of_a_stream() -> None:
    @pipeline
    def body(n: int) -> Page:
        return get(next(urls(n)))


@wrong(
    HandleError,
    "pipeline 'body' (@3): takes an item of the stream of 'body/urls', which is not there yet while the"
    " body is recorded; use .map(step), or pass it to a step that takes an iterator",
)
def anext_of_a_stream() -> None:
    @pipeline
    def body(n: int) -> Page:
        return get(anext(urls(n)))


@wrong(
    HandleError,
    "pipeline 'body' (@3): iterates the stream of 'body/urls', which is not there yet while the body is"
    " recorded; use .map(step), or pass it to a step that takes an iterator",
)
def aiter_of_a_stream() -> None:
    @pipeline
    def body(n: int) -> Page:
        return get(aiter(urls(n)))


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses len() on the value of 'body(names)', which is not there yet while the "
    "body is recorded; do that inside a step",
)
def length_of_a_value() -> None:
    @pipeline
    def body(names: list[str]) -> Stream[str]:
        return urls(len(names))


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses index() on the value of 'body(n)', which is not there yet while the "
    "body is recorded; do that inside a step",
)
def range_of_a_parameter() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return stream(range(n))


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses int() on the value of 'body(n)', which is not there yet while the body "
    "is recorded; do that inside a step",
)
def number_of_a_parameter() -> None:
    @pipeline
    def body(n: str) -> Stream[str]:
        return urls(int(n))


@wrong(
    HandleError,
    "pipeline 'body' (@3): reads .title of the value of 'body/get', which is not there yet while the "
    "body is recorded; read it inside a step",
)
def attribute_of_a_value() -> None:
    @pipeline
    def body(n: int) -> int:
        return length(get("u").title)


@wrong(
    HandleError,
    "pipeline 'body' (@3): reads .upper of the stream of 'body/urls', which is not there yet while the "
    "body is recorded; use .map(lambda item: item.upper), or read it inside a step",
)
def attribute_of_a_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).upper


@wrong(
    HandleError,
    "pipeline 'body' (@3): reads .map of the value of 'body(names)', which is not there yet while the "
    "body is recorded; read it inside a step, or write stream(...).map to make a stream of it",
)
def stream_method_of_a_parameter() -> None:
    @pipeline
    def body(names: list[str]) -> Stream[str]:
        return names.map(get)


@wrong(
    HandleError,
    "pipeline 'body' (@4): sets .title of the value of 'body/get', which is not there yet while the "
    "body is recorded; set it inside a step",
)
def set_an_attribute() -> None:
    @pipeline
    def body(n: int) -> Page:
        page = get("u")
        page.title = "t"
        return page


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses [...] on the value of 'body(pair)', which is not there yet while the "
    "body is recorded; do that inside a step",
)
def index_a_value() -> None:
    @pipeline
    def body(pair: tuple[int, int]) -> Stream[str]:
        return urls(pair[0])


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses [...] = on the value of 'body(names)', which is not there yet while the"
    " body is recorded; do that inside a step",
)
def set_an_item() -> None:
    @pipeline
    def body(names: dict[str, int]) -> None:
        names["a"] = 1


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses in on the value of 'body(names)', which is not there yet while the body"
    " is recorded; do that inside a step",
)
def member_of_a_value() -> None:
    @pipeline
    def body(names: list[str]) -> Stream[str]:
        return urls(1 if "a" in names else 2)


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses a call on the value of 'body(n)', which is not there yet while the body"
    " is recorded; do that inside a step",
)
def call_a_value() -> None:
    @pipeline
    def body(n: int) -> int:
        return n(3)


@wrong(
    HandleError,
    "pipeline 'body' (@3): uses with on the value of 'body(path)', which is not there yet while the "
    "body is recorded; do that inside a step",
)
def enter_a_value() -> None:
    @pipeline
    def body(path: str) -> None:
        with path:
            pass


@wrong(
    HandleError,
    "pipeline 'body' (@3): formats the value of 'body(host)', which is not there yet while the body is "
    "recorded; build the text inside a step",
)
def format_a_parameter() -> None:
    @pipeline
    def body(host: str) -> Page:
        return get(f"https://{host}/")


@wrong(
    HandleError,
    "step 'total' (@total): takes data as 'values', got a list with handles in it; give each its own "
    "parameter, or build the list in a step (called at @3)",
)
def handle_in_a_list() -> None:
    @pipeline
    def body(n: int) -> int:
        return total([n, n])


@wrong(
    HandleError,
    "step 'shown' (@shown): takes data as 'data', got a dict with handles in it; give each its own "
    "parameter, or build the dict in a step (called at @3)",
)
def handle_in_a_dict() -> None:
    @pipeline
    def body(n: int) -> str:
        return shown({"n": n})


@wrong(
    HandleError,
    "step 'shown' (@shown): takes data as 'data', got a list with handles in it; give each its own "
    "parameter, or build the list in a step (called at @3)",
)
def handle_deep_in_a_constant() -> None:
    @pipeline
    def body(n: int) -> str:
        return shown([1, {"n": (n,)}])


@wrong(
    HandleError,
    "pipeline 'body' (@3): stream needs data or one handle, got a list with handles in it; build the "
    "list in a step, or use zip_streams",
)
def handles_in_a_stream_of_constants() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return stream([n, n])


@wrong(
    HandleError,
    "pipeline 'second' (@10): uses the value of 'first(n)', which belongs to pipeline 'first'; pass it as an argument",
)
def handle_of_another_pipeline() -> None:
    kept = []

    @pipeline
    def first(n: int) -> Stream[str]:
        kept.append(n)
        return urls(n)

    @pipeline
    def second(n: int) -> Stream[str]:
        return urls(kept[0])


@wrong(
    HandleError,
    "pipeline 'second' (@10): uses the stream of 'first/urls', which belongs to pipeline 'first'; pass "
    "it as an argument",
)
def stream_of_another_pipeline() -> None:
    kept = []

    @pipeline
    def first(n: int) -> Stream[str]:
        kept.append(urls(n))
        return kept[0]

    @pipeline
    def second(n: int) -> Stream[Page]:
        return kept[0].map(get)


@wrong(
    HandleError,
    "pipeline 'body' (@8): uses, after the body has ended, the stream of 'body/urls', which is not "
    "there yet while the body is recorded; use it in the body only",
)
def handle_used_after_its_body() -> None:
    kept = []

    @pipeline
    def body(n: int) -> Stream[str]:
        kept.append(urls(n))
        return kept[0]

    kept[0].map(get)


@wrong(
    HandleError,
    "pipeline 'second' (@8): uses the stream of 'first/urls', which belongs to pipeline 'first'; pass "
    "it as an argument",
)
def handle_of_another_pipeline_returned() -> None:
    kept = []

    @pipeline
    def first(n: int) -> Stream[str]:
        kept.append(urls(n))
        return kept[0]

    @pipeline
    def second(n: int) -> Stream[str]:
        return kept[0]


# -- bodies --------------------------------------------------------------------------------------------------


@wrong(
    HandleError,
    "pipeline 'body' (@1): must return what a step gives, got 3; return a value, a stream, a tuple of "
    "values, or nothing",
)
def body_returns_a_number() -> None:
    @pipeline
    def body(n: int) -> int:
        urls(n)
        return 3


@wrong(
    HandleError,
    "pipeline 'body' (@1): must return what a step gives, got [<the value of 'body/length'>, <the value"
    " of 'body/length#2'>]; return a value, a stream, a tuple of values, or nothing",
)
def body_returns_a_list() -> None:
    @pipeline
    def body(n: int) -> list[int]:
        return [length("a"), length("b")]


@wrong(
    HandleError,
    "pipeline 'body' (@1): must return a tuple of values only, got a stream in it; add .collect()",
)
def body_returns_a_tuple_with_a_stream() -> None:
    @pipeline
    def body(n: int) -> tuple[int, Stream[str]]:
        return length("a"), urls(n)


@wrong(
    HintError,
    "pipeline 'body' (@1): is hinted to return str, got the value int; change the hint or what is returned",
)
def body_returns_another_value() -> None:
    @pipeline
    def body(n: int) -> str:
        return length("a")


@wrong(
    HintError,
    "pipeline 'body' (@1): is hinted to return a stream of int, got a stream of str; change the hint or"
    " what is returned",
)
def body_returns_another_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return urls(n)


@wrong(
    HintError,
    "pipeline 'body' (@1): is hinted to return list[str], got a stream of str; add .collect(), or hint "
    "it as Stream[str]",
)
def body_returns_a_stream_for_a_list() -> None:
    @pipeline
    def body(n: int) -> list[str]:
        return urls(n)


@wrong(
    HintError,
    "pipeline 'body' (@1): is hinted to return a stream of str, got the value list[str]; change the "
    "hint or what is returned",
)
def body_returns_a_list_for_a_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return urls(n).collect()


@wrong(
    HintError,
    "pipeline 'body' (@1): is hinted to return tuple[int, str], got the values tuple[int, int]; change "
    "the hint or what is returned",
)
def body_returns_another_tuple() -> None:
    @pipeline
    def body(n: int) -> tuple[int, str]:
        return length("a"), length("b")


@wrong(HintError, "pipeline 'body' (@1): is hinted to return a stream of str, got nothing; return it")
def body_forgets_to_return() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        urls(n)


@wrong(
    WiringError,
    "pipeline 'body' (@1): needs a plain function, got a generator; return a stream instead, or decorate it with @step",
)
def body_is_a_generator() -> None:
    @pipeline
    def body(n: int) -> Iterator[str]:
        yield urls(n)


@wrong(
    WiringError,
    "pipeline 'body' (@1): needs a plain function, got an async one; the body only records, so leave out async",
)
def body_is_async() -> None:
    @pipeline
    async def body(n: int) -> Stream[str]:
        return urls(n)


@wrong(
    WiringError,
    "pipeline 'body' (@1): needs a plain function, got a generator; return a stream instead, or decorate it with @step",
)
def body_is_an_async_generator() -> None:
    @pipeline
    async def body(n: int) -> AsyncIterator[str]:
        yield urls(n)


@wrong(
    WiringError,
    "pipeline 'body' (@1): must know its parameters to be run by itself, got 'counts', which takes any "
    "number of arguments; name each parameter (called at @1)",
)
def body_takes_any_number() -> None:
    @pipeline
    def body(*counts: int) -> Stream[str]:
        return urls(3)


@wrong(
    WiringError,
    "pipeline 'body' (@1): must know its parameters to be run by itself, got 'counts', which takes any "
    "number of arguments; name each parameter (called at @1)",
)
def body_takes_any_keyword() -> None:
    @pipeline
    def body(**counts: int) -> Stream[str]:
        return urls(3)


# -- pipelines in pipelines ----------------------------------------------------------------------------------


@wrong(
    WiringError,
    "pipeline 'crawl' (@crawl): was called outside of a pipeline body; use .run(...) or await .arun(...)"
    " for its result, or .iter(...) for its items one by one (called at @1)",
)
def pipeline_called_outside() -> None:
    crawl(3)


@wrong(
    WiringError,
    "pipeline 'crawl' (@crawl): missing a required argument: 'pages'; it takes (pages: int) (called at @3)",
)
def pipeline_misses_an_argument() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return crawl()


@wrong(
    WiringError,
    "pipeline 'crawl' (@crawl): too many positional arguments; it takes (pages: int) (called at @3)",
)
def pipeline_has_an_extra_argument() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return crawl(n, n)


@wrong(
    HintError,
    "pipeline 'pages_of' (@pages_of): takes Stream[str] as 'found', got a stream of int from step "
    "'numbers' (@numbers); give it Stream[str], or change the hint (called at @3)",
)
def pipeline_takes_another_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return pages_of(numbers(n))


@wrong(
    HintError,
    "pipeline 'crawl' (@crawl): takes int as 'pages', got str from parameter 'name' (@1); give it int, "
    "or change the hint (called at @3)",
)
def pipeline_takes_another_value() -> None:
    @pipeline
    def body(name: str) -> Stream[Page]:
        return crawl(name)


@wrong(
    HintError,
    "pipeline 'crawl' (@crawl): takes int as 'pages', got '3'; give it int, or change the hint (called at @3)",
)
def pipeline_takes_another_constant() -> None:
    @pipeline
    def body() -> Stream[Page]:
        return crawl("3")


@wrong(
    HintError,
    "pipeline 'crawl' (@crawl): takes int as 'pages', got a stream of int from step 'numbers' "
    "(@numbers); hint the parameter as Stream[int] (called at @3)",
)
def pipeline_takes_a_value_and_got_a_stream() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return crawl(numbers(n))


@wrong(
    HintError,
    "pipeline 'pages_of' (@pages_of): takes Stream[str] as 'found', got list[int] from step 'collect' "
    "(@3); give it Stream[str], or change the hint (called at @3)",
)
def pipeline_takes_a_stream_and_got_a_list_of_others() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return pages_of(numbers(n).collect())


@wrong(
    HintError,
    "pipeline 'pages_of' (@pages_of): takes Stream[str] as 'found', got [1, 2]; give it Stream[str], or"
    " change the hint (called at @3)",
)
def pipeline_takes_a_stream_and_got_other_constants() -> None:
    @pipeline
    def body() -> Stream[Page]:
        return pages_of([1, 2])


# -- `stream` and `zip_streams` ------------------------------------------------------------------------------


@wrong(
    HandleError,
    "stream(...) (@1): makes a stream in a pipeline body only, got a call outside of one; decorate the "
    "function with @pipeline",
)
def stream_outside() -> None:
    stream([1, 2])


@wrong(
    HandleError,
    "zip_streams(...) (@1): zips streams in a pipeline body only, got a call outside of one; decorate "
    "the function with @pipeline",
)
def zip_outside() -> None:
    zip_streams([1], [2])


@wrong(
    HintError,
    "pipeline 'body' (@3): stream needs something that can be iterated, got 3; give a list, a stream, "
    "or a call of a step",
)
def stream_of_a_number() -> None:
    @pipeline
    def body() -> Stream[int]:
        return stream(3)


@wrong(
    HintError,
    "pipeline 'body' (@3): stream needs something that can be iterated, got int from parameter 'n' (@1); give a list",
)
def stream_of_a_value_that_is_no_list() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return stream(n)


@wrong(
    HintError,
    "pipeline 'body' (@3): stream needs something that can be iterated, got AsyncIterable[int] from "
    "parameter 'found' (@1); give a list",
)
def stream_of_an_async_iterable() -> None:
    @pipeline
    def body(found: AsyncIterable[int]) -> Stream[int]:
        return stream(found)


@wrong(
    WiringError,
    "pipeline 'body' (@3): stream needs data that can be read again, got a list_iterator, which can be "
    "read only once, so a second run would find it empty; give a list, or a step that makes it",
)
def stream_of_an_iterator() -> None:
    @pipeline
    def body() -> Stream[int]:
        return stream(iter([1, 2]))


@wrong(
    HintError,
    "pipeline 'body' (@3): stream needs something that can be iterated, got <step 'urls'>; give a list,"
    " a stream, or a call of a step",
)
def stream_of_a_step() -> None:
    @pipeline
    def body() -> Stream[str]:
        return stream(urls)


@wrong(
    WiringError,
    "pipeline 'body' (@3): zip_streams needs 2 streams or more, got 1; for those in a list, write "
    "zip_streams(*streams), to iterate one, stream(...)",
)
def zip_of_one() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[str]]:
        return zip_streams(urls(n))


@wrong(
    HintError,
    "pipeline 'body' (@3): zip_streams needs something that can be iterated, got int from parameter 'n'"
    " (@1); give a list",
)
def zip_with_a_number() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[str, int]]:
        return zip_streams(urls(n), n)


@wrong(
    ArgumentError,
    "SyncRunner.execute (@1): needs a pipeline or a step, and then its arguments, got <built-in function len>;"
    " decorate the function",
)
def execute_a_plain_function() -> None:
    SyncRunner().execute(len, "four")  # type: ignore[call-overload]


@wrong(
    ArgumentError,
    "AsyncRunner.execute (@1): needs a pipeline or a step, and then its arguments, got ['four']; decorate the function",
)
def execute_arguments_alone() -> None:
    AsyncRunner().execute(["four"])  # type: ignore[call-overload]


@wrong(OptionError, "SyncRunner (@1): observers must be a list of observers, got 3")
def observers_is_a_number() -> None:
    SyncRunner(observers=3)  # type: ignore[arg-type]


@wrong(
    OptionError,
    "AsyncRunner (@1): observers must be a list of observers, got <built-in function print>; put it in a list",
)
def observers_is_an_observer() -> None:
    AsyncRunner(observers=print)  # type: ignore[arg-type]


@wrong(
    OptionError,
    "SyncRunner (@1): an observer must be a function of an event, or an object that is called with one, got 'log'",
)
def observer_is_text() -> None:
    SyncRunner(observers=["log"])  # type: ignore[list-item]


@wrong(
    OptionError,
    "SyncRunner (@1): an observer must be a function of an event, or an object that is called with one, got <class "
    "LoggingObserver>",
)
def observer_is_a_class() -> None:
    SyncRunner(observers=[LoggingObserver])  # type: ignore[list-item]


class HearsText:
    hears = ("ItemFailed",)

    def __call__(self, event: Event) -> None: ...


@wrong(
    OptionError,
    "SyncRunner (@1): an observer's hears must be classes of events, such as (headrace.ItemFailed,), got "
    "('ItemFailed',)",
)
def observer_hears_text() -> None:
    SyncRunner(observers=[HearsText()])


class HearsOne:
    hears = ItemFailed

    def __call__(self, event: Event) -> None: ...


@wrong(
    OptionError,
    "SyncRunner (@1): an observer's hears must be classes of events, such as (headrace.ItemFailed,), got <class "
    "ItemFailed>",
)
def observer_hears_a_class() -> None:
    SyncRunner(observers=[HearsOne()])


@wrong(OptionError, "LoggingObserver (@1): level must be a number, such as logging.INFO, got 'INFO'")
def level_is_text() -> None:
    LoggingObserver(level="INFO")  # type: ignore[arg-type]


@wrong(OptionError, "SyncRunner (@1): progress must be True or False, got 'yes'")
def progress_is_text() -> None:
    SyncRunner(progress="yes")  # type: ignore[arg-type]


@wrong(OptionError, "AsyncRunner (@1): report must be the path of a file for the page of a run, got True")
def report_is_no_path() -> None:
    AsyncRunner(report=True)  # type: ignore[arg-type]


@wrong(
    OptionError,
    "SyncRunner (@1): report must be a file in a folder that exists, got 'no/such/run.html'; make the folder, or name "
    "another",
)
def report_in_no_folder() -> None:
    SyncRunner(report="no/such/run.html")


@wrong(
    ArgumentError,
    "RayRunner.execute (@1): needs a pipeline or a step, and then its arguments, got <built-in function len>; decorate "
    "the function",
)
def function_is_run_on_ray() -> None:
    RayRunner().execute(len, "four")  # type: ignore[call-overload]


@wrong(
    OptionError, "RayRunner (@1): context must be a list of context variables (contextvars.ContextVar), got ['request']"
)
def context_is_a_name() -> None:
    RayRunner(context=["request"])  # type: ignore[list-item]


@wrong(OptionError, "RayRunner (@1): replay must be True, False, or how often a run may be made again, got -1")
def replay_is_negative() -> None:
    RayRunner(replay=-1)


@wrong(OptionError, "SyncRunner (@1): clock must be a clock, such as headrace.testing.ScriptedClock(), got 3")
def clock_is_a_number() -> None:
    SyncRunner(clock=3)  # type: ignore[arg-type]


@wrong(
    OptionError,
    "AsyncRunner (@1): clock must be a clock, such as headrace.testing.ScriptedClock(), got <class ScriptedClock>",
)
def clock_is_a_class() -> None:
    AsyncRunner(clock=ScriptedClock)  # type: ignore[arg-type]


class Mirror:
    @step
    def fetched(self, url: str) -> str:
        return url


fetched = Mirror.fetched


@wrong(
    WiringError,
    "step 'fetched' (@fetched): missing a required argument: 'url'; it takes (self, url: str); outside of its class, "
    "make a step of the bound method: step(thing.method) (called at @1)",
)
def step_in_a_class() -> None:
    urls | Mirror().fetched  # type: ignore[operator]


@wrong(
    HandleError,
    "pipeline 'body' (@3): runs <step 'urls'> with the value of 'body(n)', which is not there yet while the body is "
    "recorded; call it, and it is put in its place here",
)
def run_in_a_body() -> None:
    @pipeline
    def body(n: int) -> list[str]:
        return urls.run(n)


@wrong(
    HandleError,
    "merge(...) (@1): merges streams in a pipeline body only, got a call outside of one; decorate the "
    "function with @pipeline",
)
def merge_outside() -> None:
    merge([1], [2])


@wrong(
    WiringError,
    "pipeline 'body' (@3): merge needs 2 streams or more, got 1; for those in a list, write merge(*streams), to "
    "iterate one, stream(...)",
)
def merge_of_one() -> None:
    @pipeline
    def body(n: int) -> Stream[str]:
        return merge(urls(n))  # type: ignore[call-overload]


@wrong(
    HintError,
    "pipeline 'body' (@3): merge needs something that can be iterated, got int from parameter 'n' (@1); give a list",
)
def merge_with_a_number() -> None:
    @pipeline
    def body(n: int) -> Stream[Any]:
        return merge(urls(n), n)  # type: ignore[call-overload]


@wrong(
    HintError,
    "step 'double' (@double): takes one int at a time as 'number', got int | str from step 'merge' (@3); give it "
    "items of type int, or change the hint (called at @3)",
)
def merge_of_what_the_next_step_does_not_take() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return merge(numbers(n), urls(n)).map(double)


@wrong(
    WiringError,
    "step 'zip' (@4): must read step 'numbers' (@numbers) in one way, got it both through step 'collect' (@4) and "
    "item by item through step 'numbers' (@numbers), which can never finish (the list is complete only when the stream "
    "has ended, and the other branch holds the stream back); collect both, or stream both; to read the data twice, use "
    "stream(...) on the collected list, or a step that gives that list (called at @4)",
)
def merge_of_lists_beside_the_stream_they_are_made_of() -> None:
    @pipeline
    def body(n: int) -> Stream[tuple[int, int]]:
        found = numbers(n)
        return zip_streams(merge(stream(found.collect()), stream(found.collect())), found)


# -- straight lines ------------------------------------------------------------------------------------------


@wrong(
    WiringError,
    "step 'count' (@count): gives a value, which cannot be read item by item; only the last part of a "
    "line may give a value: make it a generator, or end the line here (called at @1)",
)
def line_goes_on_after_a_value() -> None:
    numbers | count | str


@wrong(
    WiringError,
    "step 'get' (@get): gives a value, which cannot be read item by item; only the last part of a line "
    "may give a value: make it a generator, or end the line here (called at @1)",
)
def line_begins_with_a_value() -> None:
    get | str


@wrong(
    WiringError,
    "step 'count' (@count): gives a value, which cannot be read item by item; only the last part of a "
    "line may give a value: make it a generator, or end the line here (called at @1)",
)
def line_begins_with_a_pipeline_of_a_value() -> None:
    (numbers | count).named("counted") | str


@wrong(
    HintError,
    "step 'get' (@get): takes one str at a time as 'url', got int from step 'numbers' (@numbers); give "
    "it items of type str, or change the hint (called at @1)",
)
def line_joins_another_item_type() -> None:
    numbers | get


@wrong(
    HintError,
    "step 'count' (@count): takes Iterator[int] as 'values', got a stream of Page from step 'get' "
    "(@get); give it a stream of int, or change the hint (called at @1)",
)
def line_joins_another_stream_type() -> None:
    urls | get | count


@wrong(
    HintError,
    "step 'get' (@get): takes one str at a time as 'url', got Page from step 'get' (@get); give it "
    "items of type str, or change the hint (called at @1)",
)
def line_joins_a_longer_line() -> None:
    urls | words | get | get


@wrong(
    WiringError,
    "step 'urls' (@urls): needs a step, a pipeline or a function after |, got 3; pass the function "
    "itself (called at @1)",
)
def line_joins_a_number() -> None:
    urls | 3


@wrong(
    WiringError,
    "step 'urls' (@urls): needs a step, a pipeline or a function after |, got [<method 'upper' of 'str'"
    " objects>]; pass the function itself (called at @1)",
)
def line_joins_a_list() -> None:
    urls | [str.upper]


@wrong(
    WiringError,
    "step 'fetch' (@fetch): missing a required argument: 'client'; it takes (url: str, client: Client),"
    " the first from the stream; give the others after the step, or let .starmap spread items that are tuples "
    "(called at @1)",
)
def line_joins_a_step_with_two_parameters() -> None:
    urls | fetch


@wrong(
    HintError,
    "pipeline 'crawl' (@crawl): takes int as 'pages', got str from step 'urls' (@urls); give it int, or change the "
    "hint (called at @1)",
)
def line_joins_a_pipeline_for_other_items() -> None:
    urls | crawl


@wrong(
    WiringError,
    "pipeline 'nothing' (@1): too many positional arguments; it takes () (called at @5)",
)
def line_joins_a_pipeline_without_parameters() -> None:
    @pipeline
    def nothing() -> None:
        pass

    urls | nothing


@wrong(
    HintError,
    "pipeline 'crawl' (@crawl): takes int as 'pages', got str from step 'urls' (@urls); give it int, or change the "
    "hint (called at @3)",
)
def flat_map_of_a_pipeline_for_other_items() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return urls(n).flat_map(crawl)


@wrong(
    WiringError,
    "pipeline 'crawl' (@crawl): .filter takes a step or a function, got a pipeline; use .map, and then .filter with "
    "what it gives (called at @3)",
)
def filter_by_a_pipeline() -> None:
    @pipeline
    def body(n: int) -> Stream[int]:
        return numbers(n).filter(crawl)


@wrong(
    HintError,
    "pipeline 'summed' (@1): flat_map needs something that can be iterated for each item, got int; use .map (called "
    "at @7)",
)
def flat_map_of_a_pipeline_that_gives_a_number() -> None:
    @pipeline
    def summed(n: int) -> int:
        return total(numbers(n).collect())

    @pipeline
    def body(n: int) -> Stream[int]:
        return numbers(n).flat_map(summed)  # type: ignore[call-overload]


@wrong(
    WiringError,
    "pipeline 'crawl' (@crawl): too many positional arguments; it takes (pages: int) (called at @3)",
)
def lifted_pipeline_with_an_argument_too_many() -> None:
    @pipeline
    def body(n: int) -> Stream[Page]:
        return numbers(n).flat_map(crawl, 3)  # type: ignore[call-overload]


@wrong(
    HandleError,
    "pipeline 'sized' (@1): runs for each item with one value for each other parameter, got the stream of "
    "'body/numbers'; add .collect() to give all of it to every run, or use zip_streams and .starmap (called at @7)",
)
def lifted_pipeline_with_a_stream_beside_the_item() -> None:
    @pipeline
    def sized(url: str, sizes: Stream[int]) -> Page:
        return get(url)

    @pipeline
    def body(n: int) -> Stream[Page]:
        return urls(n).map(sized, numbers(n))


@wrong(
    HintError,
    "pipeline 'pages_of' (@pages_of): takes Stream[str] as 'found', got a stream of int from step "
    "'numbers' (@numbers); give it Stream[str], or change the hint (called at @1)",
)
def line_joins_a_pipeline_of_another_stream() -> None:
    numbers | pages_of


@wrong(
    HintError,
    "step 'wait' (@wait): takes one str at a time as 'url', got int from step 'numbers' (@numbers); give "
    "it items of type str, or change the hint (called at @1)",
)
def line_joins_an_async_function_of_another_item_type() -> None:
    numbers | wait


@wrong(
    HintError,
    "step 'total_async' (@total_async): takes AsyncIterator[int] as 'values', got a stream of str from "
    "step 'urls' (@urls); give it a stream of int, or change the hint (called at @1)",
)
def line_joins_an_async_function_of_another_stream_type() -> None:
    urls | total_async


@wrong(
    WiringError,
    "step 'total_async' (@total_async): gives a value, which cannot be read item by item; only the last "
    "part of a line may give a value: make it a generator, or end the line here (called at @1)",
)
def line_goes_on_after_an_async_value() -> None:
    numbers | total_async | str


@wrong(
    HintError,
    "step 'sum_of' (@1): is async, so it reads streams with 'async for', got 'values' hinted as "
    "Iterator[int]; hint it as AsyncIterator[int] (called at @4)",
)
def line_joins_an_async_step_that_is_hinted_to_take_an_iterator() -> None:
    async def sum_of(values: Iterator[int]) -> int:
        return sum(values)

    numbers | sum_of


@wrong(
    WiringError,
    "step 'rows' (@1): must know its parameters to be run by itself, got 'paths', which takes any "
    "number of arguments; name each parameter (called at @5)",
)
def line_begins_with_any_number_of_parameters() -> None:
    @step
    def rows(*paths: str) -> Iterator[str]:
        yield from paths

    rows | str.upper


# -- running -------------------------------------------------------------------------------------------------


@wrong(
    ArgumentError,
    "pipeline 'crawl' (@crawl): missing a required argument: 'pages'; it takes (pages: int) (called at @1)",
)
def run_misses_an_argument() -> None:
    crawl.run()


@wrong(
    ArgumentError,
    "pipeline 'crawl' (@crawl): too many positional arguments; it takes (pages: int) (called at @1)",
)
def run_has_an_extra_argument() -> None:
    crawl.run(1, 2)


@wrong(
    ArgumentError,
    "pipeline 'crawl' (@crawl): got an unexpected keyword argument 'page'; it takes (pages: int) (called at @1)",
)
def run_has_an_unknown_argument() -> None:
    crawl.run(1, page=2)


@wrong(
    ArgumentError,
    "step 'fetch' (@fetch): missing a required argument: 'client'; it takes (url: str, client: Client) (called at @1)",
)
def run_of_a_step_misses_an_argument() -> None:
    fetch.run("u")


@wrong(
    ArgumentError,
    "pipeline 'urls_to_get' (@1): missing a required argument: 'pages'; it takes (pages: int) (called at @1)",
)
def run_of_a_line_misses_an_argument() -> None:
    (urls | get).run()


@wrong(
    ArgumentError,
    "pipeline 'crawl' (@crawl): got an unexpected keyword argument 'page'; it takes (pages: int) (called at @1)",
)
def iter_has_an_unknown_argument() -> None:
    crawl.iter(page=2)


@wrong(
    ArgumentError,
    "pipeline 'crawl' (@crawl): missing a required argument: 'pages'; it takes (pages: int) (called at @1)",
)
def runner_misses_an_argument() -> None:
    SyncRunner().execute(crawl)


@wrong(WiringError, "step 'get' (@get): .iter needs a stream, got a value; use .run (called at @1)")
def iter_of_a_value() -> None:
    get.iter("u")


@wrong(
    WiringError,
    "pipeline 'body' (@1): .iter needs a stream, got a tuple of values; use .run (called at @5)",
)
def iter_of_a_tuple() -> None:
    @pipeline
    def body(n: int) -> tuple[int, int]:
        return length("a"), length("b")

    body.iter(3)


@wrong(WiringError, "pipeline 'body' (@1): .iter needs a stream, got nothing; use .run (called at @5)")
def iter_of_nothing() -> None:
    @pipeline
    def body(n: int) -> None:
        urls(n)

    body.iter(3)


@wrong(
    WiringError,
    "step 'show' (built-in): must know its parameters to be run by itself, got 'args', which takes any "
    "number of arguments; name each parameter (called at @1)",
)
def run_of_a_step_with_any_number_of_parameters() -> None:
    step("show", fn=print).run("u")


@wrong(
    ArgumentError,
    "step 'highest' (built-in): too many positional arguments; it takes (argument, /) (called at @1)",
)
def run_of_a_built_in_has_an_extra_argument() -> None:
    step("highest", fn=max).run(1, 2)


@wrong(
    ArgumentError,
    "pipeline 'crawl' (@crawl): missing a required argument: 'pages'; it takes (pages: int) (called at @1)",
)
def arun_misses_an_argument() -> None:
    crawl.arun()  # the call is wrong, so there is nothing to await


@wrong(
    ArgumentError,
    "step 'wait' (@wait): got an unexpected keyword argument 'uri'; it takes (url: str) (called at @1)",
)
def arun_of_a_step_has_an_unknown_argument() -> None:
    step(wait).arun(uri="u")


@wrong(
    ArgumentError,
    "pipeline 'crawl' (@crawl): too many positional arguments; it takes (pages: int) (called at @1)",
)
def aiter_has_an_extra_argument() -> None:
    crawl.aiter(1, 2)


@wrong(
    ArgumentError,
    "pipeline 'crawl' (@crawl): missing a required argument: 'pages'; it takes (pages: int) (called at @1)",
)
def async_runner_misses_an_argument() -> None:
    AsyncRunner().execute(crawl)


@wrong(WiringError, "step 'wait' (@wait): .aiter needs a stream, got a value; use .arun (called at @1)")
def aiter_of_a_value() -> None:
    step(wait).aiter("u")


@wrong(WiringError, "step 'wait' (@wait): .iter needs a stream, got a value; use .run (called at @1)")
def iter_of_an_async_value() -> None:
    step(wait).iter("u")


# -- override ------------------------------------------------------------------------------------------------


def parsed(page: str) -> Page:
    return Page()


def page_number(number: int) -> Page:
    return Page()


def pages_by_name(page: str) -> Iterator[str]:
    yield page


def joined_pages(url: str) -> int:
    return 0


async def all_urls(pages: int) -> list[str]:
    return []


@wrong(
    WiringError,
    "pipeline 'crawl' (@crawl): .override can replace 'urls' (@urls), 'get' (@get); got 'plain' (@plain), which is not "
    "in it (called at @1)",
)
def override_of_an_unknown_function() -> None:
    crawl.override({plain: plain})


@wrong(
    WiringError,
    "pipeline 'crawl' (@crawl): .override can replace 'urls' (@urls), 'get' (@get); got <pipeline 'pages_of'>, which "
    "is not in it (called at @1)",
)
def override_of_a_pipeline() -> None:
    crawl.override({pages_of: plain})


@wrong(
    WiringError,
    "pipeline 'crawl' (@crawl): .override needs a function for 'get' (@get), got 3; pass the function itself (called "
    "at @1)",
)
def override_with_data() -> None:
    crawl.override({get: 3})


@wrong(
    WiringError,
    "pipeline 'crawl' (@crawl): .override needs a function for 'get' (@get), got <pipeline 'pages_of'>; pass the "
    "function itself (called at @1)",
)
def override_with_a_pipeline() -> None:
    crawl.override({get: pages_of})


@wrong(
    WiringError,
    "pipeline 'crawl' (@crawl): .override takes one function for 'get' (@get), got two; leave one out (called at @1)",
)
def override_of_one_function_twice() -> None:
    crawl.override({get: plain, get.options(max_in_flight=2): plain})


@wrong(
    HintError,
    "step 'get' (@page_number): takes one int at a time as 'number', got str from step 'urls' (@urls); give it items "
    "of type int, or change the hint (called at @3)",
)
def override_that_does_not_take_the_items() -> None:
    @pipeline
    def crawl(pages: int) -> Stream[Page]:
        return urls(pages).map(get)

    crawl.override({get: page_number})


@wrong(
    HintError,
    "pipeline 'crawl' (@crawl): is hinted to return a stream of Page, got a stream of int; change the hint or what is "
    "returned",
)
def override_that_does_not_give_the_result() -> None:
    crawl.override({get: joined_pages})


@wrong(
    WiringError,
    "step 'urls' (@pages_by_name): got an unexpected keyword argument 'pages'; it takes (page: str) (called at @3)",
)
def override_that_does_not_take_the_arguments() -> None:
    @pipeline
    def found(pages: int) -> Stream[str]:
        return urls(pages=pages)

    found.override({urls: pages_by_name})


@wrong(
    HintError,
    "step 'urls' (@parsed): stands in for step 'urls' (@urls), which gives a stream, got Page; make it a generator",
)
def override_of_a_generator_with_a_value() -> None:
    crawl.override({urls: parsed})


@wrong(
    HintError,
    "step 'urls' (@all_urls): stands in for step 'urls' (@urls), which gives a stream, got an async function that "
    "gives one value; make it a generator",
)
def override_of_a_generator_with_an_async_value() -> None:
    crawl.override({urls: all_urls})


@wrong(
    HintError,
    "step 'total' (@plain_generator): stands in for step 'total' (@total), which gives one value, got a generator; "
    "give a list",
)
def override_of_a_value_with_a_generator() -> None:
    @pipeline
    def summed(n: int) -> int:
        return total(numbers(n).collect())

    summed.override({total: plain_generator})


# -- resources -----------------------------------------------------------------------------------------------


def make_client(pages: int) -> Client:
    return Client()


def make_clients(pages: int) -> Iterator[Client]:
    yield Client()


async def make_clients_async() -> AsyncIterator[Client]:
    yield Client()


@asynccontextmanager
async def open_client() -> AsyncIterator[Client]:
    yield Client()


def session_of(client: Client) -> str:
    return ""


@wrong(
    HandleError,
    "resource(...) (@1): makes a resource in a pipeline body only, got a call outside of one; decorate the function "
    "with @pipeline",
)
def resource_outside_of_a_body() -> None:
    resource(make_client, 3)


@wrong(
    WiringError,
    "pipeline 'body' (@3): resource needs a function that makes the resource, got 3; pass the function itself, and its "
    "arguments after it",
)
def resource_of_data() -> None:
    @pipeline
    def body(pages: int) -> None:
        resource(3)


@wrong(
    WiringError,
    "pipeline 'body' (@3): resource needs a function that makes the resource, got <step 'get'>; pass the function "
    "itself, and its arguments after it",
)
def resource_of_a_step() -> None:
    @pipeline
    def body(url: str) -> None:
        resource(get, url)


@wrong(OptionError, "pipeline 'body' (@3): the scope of a resource must be 'run' or 'item', got 'call'")
def resource_of_another_scope() -> None:
    @pipeline
    def body(pages: int) -> None:
        resource(make_client, pages, scope="call")


@wrong(
    WiringError,
    "resource 'make_clients' (@make_clients): must give a value or a context manager, got a generator; decorate it "
    "with @contextlib.contextmanager",
)
def resource_of_a_generator() -> None:
    @pipeline
    def body(pages: int) -> None:
        resource(make_clients, pages)


@wrong(
    WiringError,
    "resource 'make_clients_async' (@make_clients_async): must give a value or a context manager, got a generator; "
    "decorate it with @contextlib.asynccontextmanager",
)
def resource_of_an_async_generator() -> None:
    @pipeline
    def body() -> None:
        resource(make_clients_async)


@wrong(
    WiringError,
    "resource 'make_client' (@make_client): missing a required argument: 'pages'; it takes (pages: int) (called at @3)",
)
def resource_without_its_arguments() -> None:
    @pipeline
    def body() -> None:
        resource(make_client)


@wrong(
    HintError,
    "resource 'make_client' (@make_client): takes int as 'pages', got str from parameter 'url' (@1); give it int, or "
    "change the hint (called at @3)",
)
def resource_with_a_wrong_argument() -> None:
    @pipeline
    def body(url: str) -> None:
        resource(make_client, url)


@wrong(
    HandleError,
    "resource 'make_client' (@make_client): is made of values, got the stream of 'body/numbers' as 'pages'; add "
    ".collect() (called at @3)",
)
def resource_made_of_a_stream() -> None:
    @pipeline
    def body(count: int) -> None:
        resource(make_client, numbers(count))


@wrong(
    HintError,
    "step 'fetch' (@fetch): takes Client as 'client', got str from resource 'session_of' (@session_of); give it "
    "Client, or change the hint (called at @4)",
)
def resource_of_the_wrong_type() -> None:
    @pipeline
    def body(pages: int) -> Stream[Page]:
        client = resource(make_client, pages)
        return urls(pages).map(fetch, resource(session_of, client))


@wrong(
    HintError,
    "step 'size_of' (@size_of): takes int as 'length', got Client from resource 'open_client' (@open_client); give it "
    "int, or change the hint (called at @3)",
)
def resource_that_is_entered_to_the_wrong_type() -> None:
    @pipeline
    def body() -> int:
        return step(size_of)(resource(open_client))


async def size_of(length: int) -> int:
    return length


@wrong(
    WiringError,
    "resource 'make_client' (@make_client): is left when the run ends, so it cannot be the result; return what a step "
    "makes of it (called at @3)",
)
def resource_as_the_result() -> None:
    @pipeline
    def body(pages: int) -> Client:
        return resource(make_client, pages)


@wrong(
    WiringError,
    "resource 'session_of' (@session_of): lasts for the whole run, got 'client' from resource 'make_client' "
    "(@make_client), which lasts for one call; give both the same scope (called at @4)",
)
def resource_of_the_run_that_takes_one_of_a_call() -> None:
    @pipeline
    def body(pages: int) -> None:
        client = resource(make_client, pages, scope="item")
        resource(session_of, client)


@wrong(
    WiringError,
    "step 'stream' (@3): needs data that is there before a step is called, got resource 'session_of' (@session_of), "
    "which is entered for each call; give it to a step, or leave out scope='item' (called at @3)",
)
def resource_of_a_call_as_a_stream() -> None:
    @pipeline
    def body(client: Client) -> Stream[str]:
        return stream(resource(session_of, client, scope="item"))


@wrong(
    WiringError,
    "step 'fetch' (@fetch): is not async, so it cannot enter 'client' for each call, got resource 'open_client' "
    "(@open_client), which is entered with 'async with'; make the step async, or leave out scope='item' (called at "
    "@3)",
)
def async_resource_for_each_call_of_a_plain_step() -> None:
    @pipeline
    def body(pages: int) -> Stream[Page]:
        return urls(pages).map(fetch, resource(open_client, scope="item"))


@wrong(
    WiringError,
    "step 'joined_by' (@joined_by): is not async, so it cannot enter 'session' for each call, got resource "
    "'session_of' (@session_of), which is entered with 'async with'; make the step async, or leave out scope='item' "
    "(called at @4)",
)
def plain_resource_that_takes_an_async_one_for_each_call_of_a_plain_step() -> None:
    @pipeline
    def body(pages: int) -> Stream[str]:
        session = resource(session_of, resource(open_client, scope="item"), scope="item")
        return urls(pages).map(joined_by, session)


def joined_by(url: str, session: str) -> str:
    return url + session


@wrong(
    HintError,
    "step 'fetch' (@fetch): takes Client as 'client', got str from resource 'make_client' (@make_name); give it "
    "Client, or change the hint (called at @3)",
)
def override_of_a_resource_with_another_type() -> None:
    @pipeline
    def body(pages: int) -> Stream[Page]:
        return urls(pages).map(fetch, resource(make_client, pages))

    body.override({make_client: lambda pages: 3}).override({make_client: make_name})


def make_name(pages: int) -> str:
    return ""


@wrong(
    WiringError,
    "resource 'make_client' (@make_clients): must give a value or a context manager, got a generator; decorate it with "
    "@contextlib.contextmanager",
)
def override_of_a_resource_with_a_generator() -> None:
    @pipeline
    def body(pages: int) -> None:
        resource(make_client, pages)

    body.override({make_client: make_clients})


# -- hand-made graphs ----------------------------------------------------------------------------------------


@wrong(
    WiringError,
    "step 'a' (app.py:1): must not wait for its own result, got the cycle 'a' -> 'c' -> 'b' -> 'a'; "
    "leave one of these inputs out",
)
def graph_with_a_cycle() -> None:
    compile_recording(recording(draft("a", "c"), draft("b", "a"), draft("c", "b")))


@wrong(
    WiringError,
    "step 'a' (app.py:1): must not wait for its own result, got the cycle 'a' -> 'a'; leave one of these inputs out",
)
def graph_that_waits_for_itself() -> None:
    compile_recording(recording(draft("a", "a")))


@wrong(
    WiringError,
    "step 'b' (app.py:1): 'number' must come from a node of pipeline 'body', got 'x'; the nodes are a, b",
)
def graph_with_an_unknown_source() -> None:
    compile_recording(recording(draft("a"), draft("b", "x")))


@wrong(
    WiringError,
    "step 'a' (app.py:1): needs an id of its own, got 'a', which is step 'a' (app.py:1) in pipeline "
    "'body'; give one of them another name",
)
def graph_with_one_id_twice() -> None:
    compile_recording(recording(draft("a"), draft("a")))


@wrong(
    WiringError,
    "pipeline 'body': its result must come from one of its nodes, got 'x'; the nodes are step 'a' (app.py:1)",
)
def graph_with_an_unknown_output() -> None:
    compile_recording(Recording("body", (draft("a"),), ("x",), "value"))


# -- built-in nodes ------------------------------------------------------------------------------------------


@wrong(OptionError, "pipeline 'body' (@3): .take must get a whole number of 0 or more, got -1")
def take_of_less_than_nothing() -> None:
    @pipeline
    def body(count: int) -> None:
        numbers(count).take(-1)


@wrong(OptionError, "pipeline 'body' (@3): .enumerate must get a whole number, got '1'")
def enumerate_from_text() -> None:
    @pipeline
    def body(count: int) -> None:
        numbers(count).enumerate("1")  # type: ignore[arg-type]


@wrong(
    HintError,
    "pipeline 'body' (@3): a dict needs pairs, got the stream of 'body/numbers', a stream of int; give it tuples of "
    "a key and a value",
)
def dict_of_no_pairs() -> None:
    @pipeline
    def body(count: int) -> None:
        numbers(count).collect(dict)  # type: ignore[misc]


@wrong(
    HintError,
    "pipeline 'body' (@3): a set needs items that can be hashed, got the stream of 'body/list', a stream of list; "
    "collect a list, or map them first",
)
def set_of_lists() -> None:
    @pipeline
    def body(count: int) -> None:
        numbers(count).batched(2).map(list).collect(set)


@wrong(
    WiringError,
    "step 'numbers' (@numbers): .collect needs a function that gives one value, got a generator; call it with the "
    "stream: numbers(...) (called at @3)",
)
def collect_into_a_generator() -> None:
    @pipeline
    def body(count: int) -> None:
        numbers(count).collect(numbers)  # type: ignore[call-overload]


@wrong(
    HintError,
    "step 'mean' (@mean): takes list[float] as 'values', got the stream of 'body/numbers', a stream of int; "
    "add .collect() (called at @3)",
)
def collect_into_what_takes_a_list() -> None:
    @pipeline
    def body(count: int) -> None:
        numbers(count).collect(mean)


@wrong(OptionError, "pipeline 'body' (@3): zip_streams takes strict=True or False, got 1")
def zip_strictly_by_number() -> None:
    @pipeline
    def body(count: int) -> None:
        zip_streams(numbers(count), numbers(count), strict=1)  # type: ignore[call-overload]


@wrong(
    HandleError,
    "pipeline 'body' (@3): zip_streams fills up with plain data, got a handle; fill with None, and replace it in a "
    "step",
)
def zip_filled_with_a_handle() -> None:
    @pipeline
    def body(count: int) -> None:
        zip_streams(numbers(count), numbers(count), fill=count)


# -- wired by name -------------------------------------------------------------------------------------------


@wrong(
    WiringError,
    "step 'title' (@1): takes 'pgae', got no step or parameter of that name; did you mean 'pages'? the names are "
    "pages, urls, get (called at @3)",
)
def wired_to_an_unknown_name() -> None:
    def title(pgae: Page) -> str: ...

    pipeline("crawl", steps=[urls, get, title], params=Pages)


@wrong(
    WiringError,
    "step 'urls' (@urls): takes 'pages', got no step or parameter of that name; the names are get (called at @1)",
)
def wired_without_params() -> None:
    pipeline("crawl", steps=[urls, get])


@wrong(
    WiringError,
    "step 'urls' (@urls): takes 'pages', got no step or parameter of that name; there is none (called at @1)",
)
def wired_alone() -> None:
    pipeline("crawl", steps=[urls])


@wrong(
    WiringError,
    "pipeline 'crawl' (@1): each name must mean one data set, got step 'urls' (@urls) and step 'url' (@plain), which "
    "mean the same; rename one of them",
)
def wired_steps_of_one_noun() -> None:
    pipeline("crawl", steps=[urls, get, step("url", fn=plain)], params=Pages)


@wrong(
    WiringError,
    "pipeline 'crawl' (@1): each name must mean one data set, got step 'get' (@get) and step 'get' (@get), which mean "
    "the same; rename one of them",
)
def wired_step_twice() -> None:
    pipeline("crawl", steps=[urls, get, get], params=Pages)


@wrong(
    WiringError,
    "pipeline 'crawl' (@1): each name must mean one data set, got parameter 'pages' of Pages and step 'page' (@get), "
    "which mean the same; rename one of them",
)
def wired_step_of_the_noun_of_a_parameter() -> None:
    pipeline("crawl", steps=[urls, get.options(name="page")], params=Pages)


@wrong(
    WiringError,
    "pipeline 'crawl' (@5): each name must mean one data set, got parameter 'person' of People and parameter "
    "'people_list' of People, which mean the same; rename one of them",
)
def wired_params_of_one_noun() -> None:
    class People(NamedTuple):
        person: str
        people_list: list[str]

    pipeline("crawl", steps=[urls], params=People)


@wrong(
    WiringError,
    "step 'pair' (@1): its parameters must mean different data, got 'url' and 'url_list', which both mean step 'urls' "
    "(@urls); leave one of them out (called at @3)",
)
def wired_parameters_of_one_noun() -> None:
    def pair(url: str, url_list: list[str]) -> str: ...

    pipeline("crawl", steps=[urls, pair], params=Pages)


@wrong(
    WiringError,
    "step 'pair' (@1): its parameters must mean different data, got 'these' and 'those', which both mean all "
    "parameters; leave one of them out (called at @3)",
)
def wired_params_twice_to_a_step() -> None:
    def pair(these: Pages, those: Pages) -> str: ...

    pipeline("crawl", steps=[pair], params=Pages)


@wrong(
    WiringError,
    "step 'word' (@1): must not wait for its own result, got the parameter 'words', which means just that; rename the "
    "step or the parameter (called at @3)",
)
def wired_to_itself() -> None:
    def word(words: list[str]) -> str: ...

    pipeline("crawl", steps=[word])


@wrong(
    WiringError,
    "pipeline 'crawl' (@5): steps must not wait for each other, got the cycle step 'chicken' (@1) -> step 'egg' (@3) "
    "-> step 'chicken' (@1); rename a parameter, or leave it out",
)
def wired_in_a_circle() -> None:
    def chicken(egg: str) -> str: ...

    def egg(chicken: str) -> str: ...

    pipeline("crawl", steps=[chicken, egg])


@wrong(
    WiringError,
    "step 'count' (@5): takes 'bases', which may mean step 'base' (@1) and step 'basis' (@3); name it as one of them "
    "(called at @7)",
)
def wired_to_what_may_mean_two() -> None:
    def base() -> int: ...

    def basis() -> int: ...

    def count(bases: int) -> int: ...

    pipeline("crawl", steps=[base, basis, count])


@wrong(
    WiringError,
    "step 'max' (built-in): must have parameters with names to be wired by, got a function of which Python does not "
    "tell them; wrap it in one of your own (called at @1)",
)
def wired_without_names() -> None:
    pipeline("crawl", steps=[urls, max], params=Pages)


@wrong(
    HintError,
    "step 'total' (@1): takes list[int] as 'urls', got a stream of str from step 'urls' (@urls); hint it as str for a "
    "call per item, as Iterator[str] or list[str] for all of them (called at @3)",
)
def wired_stream_of_another_type() -> None:
    def total(urls: list[int]) -> int: ...

    pipeline("crawl", steps=[urls, total], params=Pages)


@wrong(
    HintError,
    "step 'title' (@1): takes str as 'pages', got int from parameter 'pages' of Pages; give it str, or hint it as int "
    "(called at @3)",
)
def wired_value_of_another_type() -> None:
    def title(pages: str) -> str: ...

    pipeline("crawl", steps=[title], params=Pages)


@wrong(
    HintError,
    "step 'table' (@1): takes dict[str, int] as 'urls', got a stream of str from step 'urls' (@urls); hint it as str "
    "for a call per item, as Iterator[str] or list[str] for all of them (called at @3)",
)
def wired_dict_of_no_pairs() -> None:
    def table(urls: dict[str, int]) -> int: ...

    pipeline("crawl", steps=[urls, table], params=Pages)


@wrong(
    HintError,
    "step 'kinds' (@3): takes set[list[str]] as 'parts', got a stream of list[str] from step 'parts' (@1); hint it as "
    "list[str] for a call per item, as Iterator[list[str]] or list[list[str]] for all of them (called at @5)",
)
def wired_set_of_lists() -> None:
    def parts(url: str) -> list[str]: ...

    def kinds(parts: set[list[str]]) -> int: ...

    pipeline("crawl", steps=[urls, parts, kinds], params=Pages)


@wrong(
    HintError,
    "step 'letters' (@4): takes Iterator[str] as 'text', got str from parameter 'text' of Text; give it "
    "Iterator[str], or hint it as str (called at @6)",
)
def wired_text_letter_by_letter() -> None:
    class Text(NamedTuple):
        text: str

    def letters(text: Iterator[str]) -> str: ...

    pipeline("crawl", steps=[letters], params=Text)


@wrong(
    HintError,
    "step 'compared' (@1): is called for each 'url', got 'get' as a stream, which can be read only once; hint it as "
    "list[Page] to have all of it in each call, or as Page to have one item in each (called at @3)",
)
def wired_per_item_and_to_a_stream() -> None:
    def compared(url: str, get: Iterator[Page]) -> str: ...

    pipeline("crawl", steps=[urls, get, compared], params=Pages)


@wrong(
    HintError,
    "step 'first' (@1): is async, so it reads streams with 'async for', got 'urls' hinted as Iterator[str]; hint it as "
    "AsyncIterator[str] (called at @3)",
)
def wired_async_step_to_a_plain_iterator() -> None:
    async def first(urls: Iterator[str]) -> str: ...

    pipeline("crawl", steps=[urls, first], params=Pages)


@wrong(
    WiringError,
    "step 'share' (@3): must read step 'urls' (@urls) in one way, got it both through step 'collect' (@5) and item by "
    "item through step 'urls' (@urls), which can never finish (the list is complete only when the stream has ended, "
    "and the other branch holds the stream back); collect both, or stream both; to read the data twice, use "
    "stream(...) on the collected list, or a step that gives that list (called at @5)",
)
def wired_list_and_items_of_one_stream() -> None:
    def total(urls: list[str]) -> int: ...

    def share(url: str, total: int) -> float: ...

    pipeline("crawl", steps=[urls, total, share], params=Pages)


@wrong(
    HintError,
    "step 'get' (@get): takes str as 'url', got a stream of str from step 'urls' (@urls); hint it as Iterator[str] or "
    "list[str], or leave mode='all' out (called at @1)",
)
def wired_items_to_mode_all() -> None:
    pipeline("crawl", steps=[urls, get.options(mode="all")], params=Pages)


@wrong(
    WiringError,
    "step 'total' (@1): mode='each' asks for a call for each item of a stream, got no parameter that takes one item; "
    "hint one with the type of the items, or leave mode out (called at @3)",
)
def wired_list_to_mode_each() -> None:
    def total(urls: list[str]) -> int: ...

    pipeline("crawl", steps=[urls, step(total, mode="each")], params=Pages)


@wrong(
    WiringError,
    "step 'half' (@half): mode='each' asks for a call for each item of a stream, got no parameter that takes one item; "
    "hint one with the type of the items, or leave mode out (called at @4)",
)
def wired_value_to_mode_each() -> None:
    class Number(NamedTuple):
        number: int

    pipeline("crawl", steps=[half.options(mode="each")], params=Number)


@wrong(OptionError, "step 'get' (@get): mode must be 'each' or 'all', got 'every'")
def mode_is_unknown() -> None:
    get.options(mode="every")  # type: ignore[typeddict-item]


@wrong(
    WiringError,
    "step 'length' (@length): mode='all' asks for a stream in one call, got .map, which calls it for each item; call "
    "it with the stream or its .collect(), or leave mode out (called at @3)",
)
def mode_all_in_map() -> None:
    @pipeline
    def lengths(words: list[str]) -> Stream[int]:
        return stream(words).map(length.options(mode="all"))


@wrong(
    WiringError,
    "step 'words' (@words): mode='each' asks for a call for each item of a stream, got one call; use "
    ".flat_map(words), or leave mode out (called at @3)",
)
def mode_each_in_a_call() -> None:
    @pipeline
    def letters(text: str) -> Stream[str]:
        return words.options(mode="each")(text)


@wrong(
    WiringError,
    "pipeline 'crawl' (@1): returns must name a step, got 'gte'; did you mean 'get'? the names are urls, get",
)
def wired_to_return_an_unknown_name() -> None:
    pipeline("crawl", steps=[urls, get], params=Pages, returns="gte")


@wrong(
    WiringError,
    "pipeline 'crawl' (@1): returns must name a step, got ['get']; did you mean 'get'? the names are urls, get",
)
def wired_to_return_a_list_in_a_list() -> None:
    pipeline("crawl", steps=[urls, get], params=Pages, returns=[["get"]])  # type: ignore[call-overload]


@wrong(
    WiringError,
    "pipeline 'crawl' (@1): returns must name a step, got parameter 'pages' of Pages; whoever runs it has that already",
)
def wired_to_return_a_parameter() -> None:
    pipeline("crawl", steps=[urls, get], params=Pages, returns=("get", "pages"))


@wrong(
    WiringError,
    "pipeline 'crawl' (@1): returns must be the name of a step, or a tuple of names, got 3; leave it out to return "
    "what no other step reads",
)
def wired_to_return_a_number() -> None:
    pipeline("crawl", steps=[urls], params=Pages, returns=3)  # type: ignore[call-overload]


@wrong(WiringError, "pipeline 'crawl' (@1): returns pipeline 'save' (@save), which gives nothing; leave it out")
def wired_to_return_nothing() -> None:
    pipeline("crawl", steps=[save], params=Count, returns="save")


@wrong(WiringError, "pipeline 'crawl' (@1): needs a step at least, got an empty list; list the steps")
def wired_without_steps() -> None:
    pipeline("crawl", steps=[])


@wrong(WiringError, "pipeline 'crawl' (@1): steps must be a list of steps, got <step 'urls'>; give a list")
def wired_to_a_step_that_is_no_list() -> None:
    pipeline("crawl", steps=urls, params=Pages)  # type: ignore[call-overload]


@wrong(
    WiringError,
    "pipeline 'crawl' (@1): is made of steps, got 3 among them; list functions, steps, pipelines, and what "
    "include(...) gives",
)
def wired_to_a_number() -> None:
    pipeline("crawl", steps=[urls, 3], params=Pages)


@wrong(WiringError, "pipeline 'crawl' (@1): takes params and returns only together with steps; give steps=[...]")
def params_without_steps() -> None:
    pipeline("crawl", params=Pages)  # type: ignore[call-overload]


@wrong(
    WiringError,
    "pipeline 'crawl' (@1): params must be a NamedTuple, dataclass, TypedDict or msgspec Struct, got Pages(pages=3); "
    "make a class with a field for each parameter",
)
def params_that_are_no_class() -> None:
    pipeline("crawl", steps=[urls], params=Pages(3))  # type: ignore[call-overload]


@wrong(
    WiringError,
    "pipeline 'crawl' (@4): params must have all their fields, got Keys, in which 'pages' is not required; make it "
    "required, or use a dataclass, where it can have a default",
)
def params_with_a_key_that_may_be_missing() -> None:
    class Keys(TypedDict):
        pages: NotRequired[int]

    pipeline("crawl", steps=[urls], params=Keys)


@wrong(
    WiringError,
    "pipeline 'crawl' (@5): params must keep what they are made of, got Lost, which takes 'pages' and has no field of "
    "that name; make it a field",
)
def params_that_lose_a_field() -> None:
    @dataclasses.dataclass
    class Lost:
        pages: dataclasses.InitVar[int]

    pipeline("crawl", steps=[urls], params=Lost)


@wrong(WiringError, "include 'part' (@1): needs a pipeline, got 3; give what pipeline(...) or | makes")
def include_of_a_number() -> None:
    include("part", 3)  # type: ignore[arg-type]


@wrong(WiringError, "include 'part' (@1): needs a function as fn, got 3; pass the function itself")
def include_with_a_number() -> None:
    include("part", repeated, fn=3)  # type: ignore[arg-type]


@wrong(WiringError, "include 'a/b' (@1): a name must be text without '/', '#', '(' and ')', got 'a/b'; choose another")
def include_under_a_path() -> None:
    include("a/b", repeated)


@wrong(
    OptionError,
    "include 'part' (@1): an adapter has max_in_flight=1, got 3 from step 'get' (@get); give the pipeline's own steps "
    "the room, or make it a step of its own",
)
def include_with_more_in_flight() -> None:
    include("part", repeated, fn=get.options(max_in_flight=3))


@wrong(
    WiringError,
    "include 'part' (@1): takes 'word', got no step or parameter of that name; the names are count (called at @1)",
)
def include_of_a_parameter_that_is_not_there() -> None:
    pipeline("crawl", steps=[include("part", repeated)], params=Count)


@wrong(
    WiringError,
    "step 'adapter' (@1): must give the parameters of pipeline 'repeated' (@repeated), got Count, which differs in "
    "'word'; give it the fields word, count (called at @3)",
)
def include_with_a_field_missing() -> None:
    def adapter(pages: int) -> Count: ...

    pipeline("crawl", steps=[include("part", repeated, fn=adapter)], params=Pages)


@wrong(
    WiringError,
    "step 'adapter' (@1): must give the parameters of pipeline 'repeated' (@repeated), got str; hint it to give a "
    "NamedTuple or dataclass with the fields word, count (called at @3)",
)
def include_with_one_value_for_two_parameters() -> None:
    def adapter(pages: int) -> str: ...

    pipeline("crawl", steps=[include("part", repeated, fn=adapter)], params=Pages)


@wrong(
    HintError,
    "pipeline 'repeated' (@repeated): takes int as 'count', got str from step 'count' (@3); give it int, or change the "
    "hint (called at @3)",
)
def include_with_a_field_of_another_type() -> None:
    def adapter(pages: int) -> WordAndCount: ...

    pipeline("crawl", steps=[include("part", repeated, fn=adapter)], params=Pages)


@wrong(
    WiringError,
    "step 'after' (@1): takes 'save', got pipeline 'save' (@save), which gives nothing; return something there, or "
    "leave the parameter out (called at @3)",
)
def wired_to_what_gives_nothing() -> None:
    def after(save: int) -> None: ...

    pipeline("crawl", steps=[save, after], params=Count)


@wrong(
    WiringError,
    "step 'after' (@1): takes 'both', got pipeline 'both' (@both), which gives several values; return one of them "
    "there, or leave the parameter out (called at @3)",
)
def wired_to_what_gives_several() -> None:
    def after(both: int) -> None: ...

    pipeline("crawl", steps=[both, after], params=Count)


@wrong(ArgumentError, "pipeline 'crawl' (@1): too many positional arguments; it takes (pages: int) (called at @1)")
def wired_and_run_with_too_much() -> None:
    pipeline("crawl", steps=[urls], params=Pages).run(Pages(3), 3)  # type: ignore[call-overload]


# -- limits --------------------------------------------------------------------------------------------------


def rate_message(got: str) -> str:
    return (
        f"limit (@1): rate must be a number above 0 in a time, like '100/min', with s, min, hour or day, got {got}; "
        "correct it, or leave it out for no rate"
    )


@wrong(OptionError, rate_message("'0/min'"))
def rate_is_zero() -> None:
    Limit(rate="0/min")


@wrong(OptionError, rate_message("'100'"))
def rate_has_no_time() -> None:
    Limit(rate="100")


@wrong(OptionError, rate_message("'-1/s'"))
def rate_is_negative() -> None:
    Limit(rate="-1/s")


@wrong(OptionError, rate_message("'5/fortnight'"))
def rate_is_in_an_unknown_time() -> None:
    Limit(rate="5/fortnight")


@wrong(OptionError, rate_message("100"))
def rate_is_a_number() -> None:
    Limit(rate=100)  # type: ignore[arg-type]


@wrong(
    OptionError,
    "limit (@1): must say how many calls may run at once, or how often one may begin, got neither; give it "
    "concurrency=10, or rate='100/min', or both",
)
def limit_without_anything() -> None:
    Limit()


@wrong(
    OptionError,
    "limit 'api' (@1): concurrency must be a whole number of 1 or more, got 0; to let calls begin freely, leave it out",
)
def limit_of_no_calls() -> None:
    Limit(concurrency=0, name="api")


@wrong(
    OptionError,
    "limit (@1): burst must be a whole number of 1 or more, got 0; for calls that are spread evenly, leave it out",
)
def burst_is_zero() -> None:
    Limit(rate="1/s", burst=0)


@wrong(OptionError, "limit (@1): burst is that of a rate, got no rate; add rate=, or leave it out")
def burst_without_rate() -> None:
    Limit(concurrency=1, burst=2)


@wrong(OptionError, "limit (@1): cost is that of a rate, got no rate; add rate=, or leave it out")
def cost_without_rate() -> None:
    Limit(concurrency=1, cost=len)


@wrong(
    OptionError,
    "limit (@1): cost must be a function that is given the item, got 3; if each call counts for 1, leave it out",
)
def cost_is_a_number() -> None:
    Limit(rate="1/s", cost=3)  # type: ignore[arg-type]


def cost_of_a_batch(texts: tuple[str, ...]) -> int:
    return len(texts)


@wrong(
    HintError,
    "step 'get' (@get): the cost of its limit, 'cost_of_a_batch' (@cost_of_a_batch), takes tuple[str, ...], got items "
    "of type str; give the limit one that takes str, or change the hint (called at @1)",
)
def cost_of_something_else() -> None:
    (urls | get.options(limit=Limit(rate="1/s", cost=cost_of_a_batch))).dag


@wrong(OptionError, "limit '' (@1): name must be text, got ''; give it one, or leave it out")
def limit_without_a_name() -> None:
    Limit(rate="1/s", name="")


@wrong(
    OptionError,
    "step 'get' (@get): limit must be a Limit, got '100/min'; make one that all of its steps share, such as api = "
    "Limit(rate='100/min')",
)
def limit_is_text() -> None:
    get.options(limit="100/min")


@wrong(
    WiringError,
    "step 'urls' (@urls): limit works for map and filter, and for one call that reads no stream, got a generator; put "
    "what is limited into a step that is called per item (called at @1)",
)
def limit_of_a_generator() -> None:
    (urls.options(limit=API) | get).dag


@wrong(
    WiringError,
    "step 'words' (@words): limit works for map and filter, and for one call that reads no stream, got flat_map; let a "
    "map step give lists, and flatten them with .flat_map(iter) (called at @1)",
)
def limit_of_a_flat_map() -> None:
    urls | words.options(limit=API)


@wrong(
    WiringError,
    "step 'count' (@count): limit works for map and filter, and for one call that reads no stream, got one call that "
    "reads a stream; put what is limited into a step that is called per item (called at @1)",
)
def limit_of_a_call_that_reads_a_stream() -> None:
    numbers | count.options(limit=API)


@wrong(
    WiringError,
    "step 'get' (@get): limit has cost=, which is given the item of each call, got one call; use .map, or a limit "
    "without cost (called at @1)",
)
def cost_of_a_step_that_is_called_once() -> None:
    get.options(limit=Limit(rate="1/s", cost=len)).run("/")


@wrong(
    OptionError,
    "<limit '1/s'> (@1): pause must get a number of seconds of 0 or more, got -1; give it what the server asks for",
)
def pause_is_negative() -> None:
    API.pause(-1)


@wrong(
    OptionError,
    "step 'get' (@get): the cost of its limit must give a number of 0 or more, got -1 for item '0'; correct that "
    "function",
)
def cost_is_negative() -> None:
    (urls | get.options(limit=Limit(rate="1/s", cost=lambda url: -1))).run(2)


# -- retry ---------------------------------------------------------------------------------------------------

ON = (
    "Retry(...) (@1): on must be exception classes, or a plain function of the exception that says whether to call "
    "again, got {}; such as on=(ConnectionError, TimeoutError)"
)


async def says_whether(error: Exception) -> bool: ...


@wrong(OptionError, ON.format("<class int>"))
def retry_on_what_is_no_exception() -> None:
    Retry(on=int)  # type: ignore[arg-type]


@wrong(OptionError, ON.format("('ConnectionError', 'TimeoutError')"))
def retry_on_names() -> None:
    Retry(on=("ConnectionError", "TimeoutError"))  # type: ignore[arg-type]


@wrong(OptionError, ON.format("()"))
def retry_on_nothing() -> None:
    Retry(on=())


@wrong(OptionError, ON.format("<class KeyboardInterrupt>"))
def retry_on_what_stops_a_run() -> None:
    Retry(on=KeyboardInterrupt)  # type: ignore[arg-type]


@wrong(OptionError, ON.format("(<class ValueError>, <class SystemExit>)"))
def retry_on_what_stops_a_run_among_others() -> None:
    Retry(on=(ValueError, SystemExit))  # type: ignore[arg-type]


@wrong(OptionError, ON.format("<function says_whether>"))
def retry_on_what_an_async_function_says() -> None:
    Retry(on=says_whether)  # type: ignore[arg-type]


@wrong(OptionError, ON.format("TimeoutError()"))
def retry_on_an_exception_object() -> None:
    Retry(on=TimeoutError())  # type: ignore[arg-type]


ATTEMPTS = (
    "Retry(...) (@1): attempts must be a whole number of 2 or more, the first call included, got {}; or None for as "
    "many as it takes"
)


@wrong(OptionError, ATTEMPTS.format(1))
def retry_with_a_single_attempt() -> None:
    Retry(on=TimeoutError, attempts=1)


@wrong(OptionError, ATTEMPTS.format(True))
def retry_with_attempts_that_are_no_number() -> None:
    Retry(on=TimeoutError, attempts=True)


TIMEOUT = "Retry(...) (@1): timeout must be seconds, more than 0, got {}; or None for as long as it takes"


@wrong(OptionError, TIMEOUT.format(0))
def retry_within_no_time() -> None:
    Retry(on=TimeoutError, timeout=0)


@wrong(OptionError, TIMEOUT.format("inf"))
def retry_within_infinite_time() -> None:
    Retry(on=TimeoutError, timeout=float("inf"))


@wrong(OptionError, "Retry(...) (@1): wait_initial must be seconds, 0 or more, got -1")
def retry_before_it_fails() -> None:
    Retry(on=TimeoutError, wait_initial=-1)


@wrong(OptionError, "Retry(...) (@1): wait_max must be seconds, 0 or more, got '5 s'")
def retry_with_a_wait_that_is_text() -> None:
    Retry(on=TimeoutError, wait_max="5 s")  # type: ignore[arg-type]


@wrong(OptionError, "Retry(...) (@1): wait_jitter must be seconds, 0 or more, got inf")
def retry_by_any_chance() -> None:
    Retry(on=TimeoutError, wait_jitter=float("inf"))


@wrong(OptionError, "Retry(...) (@1): wait_exp_base must be a number of 1 or more, got 0.5")
def retry_sooner_and_sooner() -> None:
    Retry(on=TimeoutError, wait_exp_base=0.5)


@wrong(
    OptionError,
    "Retry(...) (@1): retry_after must be a plain function of the exception that gives seconds, got 30; for waits that "
    "do not depend on it, use wait_initial=",
)
def retry_after_seconds() -> None:
    Retry(on=TimeoutError, retry_after=30)  # type: ignore[arg-type]


RETRY = (
    "step 'get' (@get): retry must be a Retry, such as Retry(on=TimeoutError, attempts=5), or a tenacity.Retrying, got "
)


@wrong(OptionError, RETRY + "3")
def retry_is_a_number() -> None:
    get.options(retry=3)


@wrong(OptionError, RETRY + "<class TimeoutError>")
def retry_is_an_exception() -> None:
    get.options(retry=TimeoutError)


@wrong(
    OptionError,
    "step 'get' (@get): retry must be a tenacity object that decides without awaiting, got stop=<function wait>; give "
    "it a plain one",
)
def retry_is_stopped_by_an_async_function() -> None:
    get.options(retry=tenacity.AsyncRetrying(stop=wait))


AGAIN = Retry(on=TimeoutError)


@wrong(
    WiringError,
    "step 'words' (@words): retry works for map and filter, and for one call that reads no stream, got flat_map; let a "
    "map step give lists, and flatten them with .flat_map(iter) (called at @1)",
)
def retry_of_a_flat_map() -> None:
    urls | words.options(retry=AGAIN)


@wrong(
    WiringError,
    "step 'urls' (@urls): retry works for map and filter, and for one call that reads no stream, got a generator; put "
    "what may fail into a step that is called per item (called at @1)",
)
def retry_of_a_generator() -> None:
    (urls.options(retry=AGAIN) | get).dag


@wrong(
    WiringError,
    "step 'count' (@count): retry works for map and filter, and for one call that reads no stream, got one call that "
    "reads a stream; put what may fail into a step that is called per item (called at @1)",
)
def retry_of_a_call_that_reads_a_stream() -> None:
    numbers | count.options(retry=AGAIN)


# -- the tests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "error", "message"), [pytest.param(*case, id=case[0].__name__) for case in PROGRAMS]
)
def test_wrong_program_is_refused_with_where_what_got_and_fix(
    program: Program, error: type[HeadraceError], message: str
) -> None:
    with pytest.raises(HeadraceError) as caught:
        program()
    assert str(caught.value) == placed(message, program)
    assert type(caught.value) is error


def test_every_message_names_a_file_and_a_line() -> None:
    for program, _, message in PROGRAMS:
        assert re.search(r"@\w+\)|app\.py:\d", message), program.__name__


def test_retry_without_tenacity_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.graph.retry.find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"^Retry\(...\) \(.*: needs tenacity; pip install 'headrace\[retry\]'$"):
        Retry(on=TimeoutError)
