"""A scripted order in which overlapping calls are over: exact, the same under every runner, and never a hang."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing
from itertools import islice, permutations
from typing import Any
from unittest.mock import AsyncMock

import pytest

from headrace import Step, Stream, pipeline, step
from headrace.testing import CompletionOrder, EveryRunner, OrderError, Runner, assert_bound, run_everywhere

Make = Callable[..., Step[Any, Any]]


def in_tasks(function: Callable[[Any], Any], **options: Any) -> Step[Any, Any]:
    async def called(item: Any) -> Any:
        await asyncio.sleep(0)
        return function(item)

    return step("called", fn=called, **options)


def in_threads(function: Callable[[Any], Any], **options: Any) -> Step[Any, Any]:
    def called(item: Any) -> Any:
        return function(item)

    return step("called", fn=called, executor="thread", **options)


each_kind = pytest.mark.parametrize("make", [in_tasks, in_threads])


@step
def letters(text: str) -> Iterator[str]:
    yield from text


def log(text: str) -> list[tuple[str, str]]:
    """`+a -a` as a log: a call for 'a' begins, and ends."""
    return [({"+": "begins", "-": "ends"}[event[0]], event[1:]) for event in text.split()]


@each_kind
def test_results_come_in_the_order_in_which_calls_are_over(headrace_runner: Runner, make: Make) -> None:
    order = CompletionOrder("cab")
    called = make(str.upper, max_in_flight=3, ordered=False)
    assert headrace_runner(letters | order.of(called), "abc") == ["C", "A", "B"]
    assert order.log == log("+a +b +c -c -a -b")


@each_kind
@pytest.mark.parametrize("items", list(permutations("abc")), ids="".join)
def test_results_of_ordered_steps_come_in_order_whatever_is_over_first(
    headrace_runner: Runner, make: Make, items: tuple[str, ...]
) -> None:
    order = CompletionOrder(items)
    assert headrace_runner(letters | order.of(make(str.upper, max_in_flight=3)), "abc") == ["A", "B", "C"]
    assert [item for event, item in order.log if event == "ends"] == list(items)


@each_kind
def test_call_begins_when_another_one_is_over_and_taken(headrace_runner: Runner, make: Make) -> None:
    order = CompletionOrder("bcdaef")
    called = make(str.upper, max_in_flight=2, ordered=False)
    assert headrace_runner(letters | order.of(called), "abcdef") == list("BCDAEF")
    assert order.log == log("+a +b -b +c -c +d -d +e -a +f -e -f")


@each_kind
def test_window_of_an_ordered_step_fills_up_behind_the_call_that_is_over_last(
    headrace_runner: Runner, make: Make
) -> None:
    order = CompletionOrder("bca")
    called = make(str.upper, max_in_flight=3, concurrency=2)
    assert headrace_runner(letters | order.of(called), "abcd") == list("ABCD")
    assert order.log == log("+a +b -b +c -c -a +d -d")


@each_kind
def test_items_that_are_not_named_are_over_when_no_named_one_can_be_in_the_order_of_their_begin(
    headrace_runner: Runner, make: Make
) -> None:
    order = CompletionOrder("ec")
    called = make(str.upper, max_in_flight=3, ordered=False)
    assert headrace_runner(letters | order.of(called), "abcdef") == list("ABECDF")


@each_kind
def test_equal_items_are_over_in_the_order_of_their_begin(headrace_runner: Runner, make: Make) -> None:
    order = CompletionOrder("baba")
    called = make(lambda item: item, max_in_flight=4, ordered=False)

    @step
    def numbered(items: Iterator[str]) -> Iterator[tuple[int, str]]:
        yield from enumerate(items)

    keyed = CompletionOrder("baba", key=lambda item: item[1])
    assert headrace_runner(letters | order.of(called), "aabb") == list("baba")
    assert headrace_runner(letters | numbered | keyed.of(called), "aabb") == [(2, "b"), (0, "a"), (3, "b"), (1, "a")]
    assert keyed.log[-1] == ("ends", "a")


@each_kind
def test_filters_are_scripted_too(headrace_runner: Runner, make: Make) -> None:
    order = CompletionOrder("cba")
    wanted = order.of(make(lambda letter: letter != "b", max_in_flight=3, ordered=False))

    @pipeline
    def filtered(text: str) -> Stream[str]:
        return letters(text).filter(wanted)

    assert headrace_runner(filtered, "abc") == ["c", "a"]


def test_calls_in_other_processes_are_scripted_too(headrace_runner: Runner) -> None:
    order = CompletionOrder("cab")
    called = step("called", fn=str.upper, executor="process", max_in_flight=3, ordered=False)
    assert headrace_runner(letters | order.of(called), "abcd") == ["C", "A", "B", "D"]
    assert order.log == log("+a +b +c -c +d -a -b -d")


def test_several_steps_share_an_order(headrace_runner: Runner) -> None:
    order = CompletionOrder(["b", "B", "a", "A"])

    @pipeline
    def twice(text: str) -> tuple[list[str], list[str]]:
        upper = letters(text).map(order.of(in_tasks(str.upper, max_in_flight=2, ordered=False)))
        lower = upper.map(order.of(in_threads(str.lower, max_in_flight=2, ordered=False).options(name="lower")))
        return upper.collect(), lower.collect()

    assert headrace_runner(twice, "ab") == (["B", "A"], ["b", "a"])
    assert [item for event, item in order.log if event == "ends"] == ["b", "B", "a", "A"]


def test_steps_with_orders_of_their_own_take_turns(headrace_runner: Runner) -> None:
    first, second = CompletionOrder("ba"), CompletionOrder("AB")
    upper = first.of(in_tasks(str.upper, max_in_flight=2, ordered=False))
    lower = second.of(in_threads(str.lower, max_in_flight=2, ordered=False).options(name="lower"))
    assert headrace_runner(letters | upper | lower, "ab") == ["a", "b"]
    assert first.log == log("+a +b -b -a")
    assert second.log == log("+B +A -A -B")


@each_kind
def test_calls_that_are_over_by_themselves_in_another_order_wait_for_their_turn(
    headrace_runner: Runner, make: Make
) -> None:
    """Each call can return only when the one after it has."""
    events = {letter: threading.Event() for letter in "abcd"}

    def after_the_next(letter: str) -> str:
        if letter != "c":
            assert events[chr(ord(letter) + 1)].wait(20)
        events[letter].set()
        return letter

    async def after_the_next_in_task(letter: str) -> str:
        while letter != "c" and not events[chr(ord(letter) + 1)].is_set():
            await asyncio.sleep(0)
        events[letter].set()
        return letter

    called = make(after_the_next, max_in_flight=3, ordered=False)
    if make is in_tasks:
        called = step("called", fn=after_the_next_in_task, max_in_flight=3, ordered=False)
    assert headrace_runner(letters | CompletionOrder("abc").of(called), "abc") == ["a", "b", "c"]


@each_kind
def test_failure_comes_when_it_is_its_turn(headrace_runner: Runner, make: Make) -> None:
    def divided(letter: str) -> int:
        return 1 // (ord(letter) - ord("b"))

    got: list[int] = []
    noted = step("noted", fn=got.append)
    order = CompletionOrder("cba")
    with pytest.raises(ZeroDivisionError):
        headrace_runner(letters | order.of(make(divided, max_in_flight=3, ordered=False)) | noted, "abc")
    assert got == [1]
    assert order.log == log("+a +b +c -c -b")


@each_kind
def test_everything_about_scripted_runs_is_the_same_each_time(make: Make) -> None:
    """Also where threads take turns as often as they can."""
    order = CompletionOrder("cbdafe")
    lower = in_tasks(str.lower, max_in_flight=2).options(name="lower")
    flow = letters | order.of(make(str.upper, max_in_flight=3, ordered=False)) | lower
    every = EveryRunner(ordered=True, counts=True)
    expected, logged = every.execute(flow, "abcdefgh").as_json(), order.log
    assert expected["result"] == list("cbdafegh")
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(5):
            assert every.execute(flow, "abcdefgh").as_json() == expected
            assert order.log == logged
    finally:
        sys.setswitchinterval(before)


@each_kind
def test_order_and_counts_of_scripted_runs_are_fixed(make: Make) -> None:
    called = make(str.upper, max_in_flight=2, ordered=False)
    outcome = run_everywhere(letters | CompletionOrder("ba").of(called), "ab")
    assert outcome.as_json() == {
        "result": ["B", "A"],
        "failure": None,
        "nodes": {"letters_to_called/letters": {"in": 0, "out": 2}, "letters_to_called/called": {"in": 2, "out": 2}},
        "highest in flight": {
            "letters_to_called/letters -> letters_to_called/called (item)": 1,
            "letters_to_called/called -> the caller (items)": 2,
        },
    }


@each_kind
def test_bounds_are_watched_in_scripted_runs(make: Make) -> None:
    order = CompletionOrder("bca")
    assert assert_bound(letters | order.of(make(str.upper, max_in_flight=3)), "abc").result == ["A", "B", "C"]
    assert order.log == log("+a +b +c -b -c -a")


def test_log_is_that_of_the_latest_run() -> None:
    order = CompletionOrder()
    assert order.log == []
    flow = letters | order.of(in_tasks(str.upper, max_in_flight=2))
    flow.run("ab")
    assert order.log == log("+a +b -a -b")
    flow.run("c")
    assert order.log == log("+c -c")


# -- orders that cannot be ---------------------------------------------------------------------------------


@each_kind
def test_order_that_needs_more_in_flight_is_an_error_and_no_hang(headrace_runner: Runner, make: Make) -> None:
    order = CompletionOrder("bdca")
    called = order.of(make(str.upper, max_in_flight=2))
    with pytest.raises(OrderError) as caught:
        headrace_runner(letters | called, "abcd")
    assert str(caught.value).partition("): ")[2] == (
        "'d' is to be over next, got calls for 'a' only, which are to be over later (max_in_flight=2, concurrency=2); "
        "let one of them be over before it, or raise max_in_flight"
    )


@each_kind
def test_order_that_needs_an_item_that_does_not_come_is_an_error(headrace_runner: Runner, make: Make) -> None:
    with pytest.raises(OrderError, match="'z' is to be over next, got calls for 'a', 'b' and 'c' only"):
        headrace_runner(letters | CompletionOrder("zabc").of(make(str.upper, max_in_flight=4)), "abc")


@each_kind
def test_item_that_was_not_over_at_the_end_of_the_run_is_an_error(headrace_runner: Runner, make: Make) -> None:
    called = CompletionOrder("az").of(make(str.upper, max_in_flight=4))
    with pytest.raises(OrderError, match=r"'z' was to be over, got calls for 'a' and 'b' only; name items as the step"):
        headrace_runner(letters | called, "ab")


def test_order_that_cannot_be_is_an_error_where_items_are_read_one_by_one() -> None:
    flow = letters | CompletionOrder("ca").of(in_tasks(str.upper, max_in_flight=2))
    with pytest.raises(OrderError, match="'c' is to be over next"):
        list(flow.iter("abc"))

    async def main() -> list[str]:
        async with aclosing(flow.aiter("abc")) as items:
            return [item async for item in items]

    with pytest.raises(OrderError, match="'c' is to be over next"):
        asyncio.run(main())


def test_order_that_cannot_be_is_no_outcome() -> None:
    with pytest.raises(OrderError):
        run_everywhere(letters | CompletionOrder("ca").of(in_tasks(str.upper, max_in_flight=2)), "abc")


@pytest.mark.parametrize("called", [step("called", fn=str.upper), in_tasks(str.upper)], ids=["inline", "one at a time"])
def test_order_of_calls_that_do_not_overlap_is_an_error(headrace_runner: Runner, called: Step[Any, Any]) -> None:
    with pytest.raises(
        OrderError, match=r"^'\w+': its calls must overlap .* or executor='thread', with max_in_flight=2"
    ):
        headrace_runner(letters | CompletionOrder("ba").of(called), "ab")


# -- ends --------------------------------------------------------------------------------------------------


@each_kind
def test_consumer_that_stops_early_leaves_calls_whose_turn_never_comes(headrace_runner: Runner, make: Make) -> None:
    @step
    def first(items: Iterator[str]) -> list[str]:
        return list(islice(items, 1))

    order = CompletionOrder("c")
    called = order.of(make(str.upper, max_in_flight=3, ordered=False))
    assert headrace_runner(letters | called | first, "abcdef") == ["C"]
    assert order.log == log("+a +b +c -c")


def test_items_are_read_one_by_one_and_left_early() -> None:
    order = CompletionOrder("cab")
    flow = letters | order.of(in_threads(str.upper, max_in_flight=3, ordered=False))
    with flow.iter("abcdef") as items:
        assert list(islice(items, 2)) == ["C", "A"]
    assert order.log == log("+a +b +c -c +d -a")


# -- with override -----------------------------------------------------------------------------------------


async def fetch(url: str) -> str:
    raise AssertionError("the network is not for tests")


crawl = letters | step("fetch", fn=fetch, max_in_flight=3, ordered=False)


def fake(url: str) -> str:
    return f"page {url}"


async def fake_in_task(url: str) -> str:
    return f"page {url}"


@pytest.mark.parametrize("function", [fake, fake_in_task, step(fake), AsyncMock(side_effect=fake)])
def test_fake_is_scripted_in_the_place_of_a_step(headrace_runner: Runner, function: Any) -> None:
    order = CompletionOrder("cab")
    scripted = crawl.override({fetch: order.of(function)})
    assert headrace_runner(scripted, "abc") == ["page c", "page a", "page b"]


def test_scripted_function_is_itself_in_another_process() -> None:
    scripted = CompletionOrder().of(fake)
    assert pickle.loads(pickle.dumps(scripted)) is fake


def test_scripted_step_compiles_to_the_same_graph() -> None:
    def compiled(function: Any) -> Any:
        return step("fetch", fn=function, max_in_flight=3).dag

    assert compiled(CompletionOrder().of(fake_in_task)) == compiled(fake_in_task)
