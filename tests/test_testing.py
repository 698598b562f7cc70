"""What `headrace.testing` offers."""

from __future__ import annotations

import asyncio
import copy
import datetime
import decimal
import enum
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

import headrace.testing
from headrace import ArgumentError, RunEnded, Stream, SyncRunner, merge, pipeline, step, stream
from headrace.testing import RUNNERS, EveryRunner, Runner, ScriptedClock, assert_bound, check_guarantees, run_everywhere
from headrace.testing.outcome import Fixed
from headrace.testing.plain import differences, plain

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
SYNC = next(runner for runner in RUNNERS if runner.name == "sync")


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def test_public_names_are_these() -> None:
    assert headrace.testing.__all__ == [
        "RUNNERS",
        "CompletionOrder",
        "EveryRunner",
        "Meter",
        "Meters",
        "OrderError",
        "Outcome",
        "Runner",
        "ScriptedClock",
        "assert_bound",
        "check_guarantees",
        "run_everywhere",
    ]


@pytest.mark.parametrize("name", [name for name in headrace.testing.__all__ if name != "RUNNERS"])
def test_public_name_has_a_docstring_with_an_example(name: str) -> None:
    assert ">>> " in (getattr(headrace.testing, name).__doc__ or "")


# -- the kit of guarantees ---------------------------------------------------------------------------------

FEW = ("-qq", "-k", "lockstep or diamond_uneven or none_is_an_item")


def test_kit_passes_a_right_runner() -> None:
    def run(pipeline: Any, *arguments: Any) -> Any:
        return SyncRunner().execute(pipeline, *arguments).result

    assert check_guarantees({"right": run}, *FEW) == pytest.ExitCode.OK


def test_kit_fails_a_runner_that_changes_results(capsys: pytest.CaptureFixture[str]) -> None:
    def run(pipeline: Any, *arguments: Any) -> Any:
        pipeline.run(*arguments)

    assert check_guarantees({"wrong": run}, *FEW) == pytest.ExitCode.TESTS_FAILED
    assert "test_2_1_none_is_an_item[wrong]" in capsys.readouterr().out


def test_kit_fails_a_runner_that_hides_a_deadlock(capsys: pytest.CaptureFixture[str]) -> None:
    def run(pipeline: Any, *arguments: Any) -> Any:
        try:
            return pipeline.run(*arguments)
        except Exception:
            return None

    assert check_guarantees({"wrong": run}, *FEW) == pytest.ExitCode.TESTS_FAILED
    assert "test_3_5_diamond_uneven_branches_raises_deadlock[wrong]" in capsys.readouterr().out


# -- every runner ------------------------------------------------------------------------------------------


@step
def doubled(number: int) -> int:
    return number * 2


@step
def loop_runs(number: int) -> str:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return f"{number}: no loop"
    return f"{number}: a loop"


@step
def inverse(number: int) -> float:
    return 1 / number


@step
def failing_in_a_loop(number: int) -> int:
    if loop_runs(number).endswith("a loop"):
        raise ValueError(f"cannot take {number} here")
    return number


def test_all_runners_run_and_the_outcome_is_what_they_agree_on() -> None:
    runs: list[int] = []

    @step
    def noted(number: int) -> int:
        runs.append(number)
        return number

    outcome = run_everywhere(numbers | noted, 2)
    assert outcome.result == [0, 1]
    assert outcome.failure is None
    assert outcome.report.node("numbers_to_noted/noted").items_in == 2
    assert runs == [0, 1] * len(RUNNERS)
    assert repr(outcome) == "<outcome: pipeline 'numbers_to_noted' gave [0, 1]>"


def test_runners_that_disagree_fail_with_the_place_and_what_each_has() -> None:
    with pytest.raises(AssertionError) as caught:
        run_everywhere(numbers | loop_runs, 2)
    assert str(caught.value) == (
        "pipeline 'numbers_to_loop_runs': sync and async differ\n"
        "  /result/0: sync '0: no loop', async '0: a loop'\n"
        "  /result/1: sync '1: no loop', async '1: a loop'"
    )


def test_many_differences_are_not_all_listed() -> None:
    with pytest.raises(AssertionError, match=r"  /result/9: .*\n  and 2 more$"):
        run_everywhere(numbers | loop_runs, 12)


def test_failure_that_only_some_runners_have_is_the_cause_of_the_assertion() -> None:
    with pytest.raises(AssertionError, match=r"/failure: sync None, async \{'type': 'ValueError', ") as caught:
        run_everywhere(numbers | failing_in_a_loop, 2)
    assert isinstance(caught.value.__cause__, ValueError)


def test_failure_that_all_have_is_in_the_outcome_and_its_result_raises_it() -> None:
    outcome = run_everywhere(numbers | inverse, 2)
    assert isinstance(outcome.failure, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError) as caught:
        outcome.result
    assert caught.value is outcome.failure
    assert repr(outcome) == "<outcome: pipeline 'numbers_to_inverse' raised ZeroDivisionError('division by zero')>"


@pytest.mark.parametrize("runner", RUNNERS, ids=repr)
def test_arguments_that_do_not_fit_are_an_error_and_no_outcome(runner: Runner) -> None:
    with pytest.raises(ArgumentError, match="missing a required argument"):
        EveryRunner(runners=[runner]).execute(numbers)


@pytest.mark.parametrize("runner", RUNNERS, ids=repr)
def test_runner_that_swallows_a_failure_is_found(runner: Runner) -> None:
    def quiet(*run: Any) -> None:
        with pytest.raises(ZeroDivisionError):
            runner.counted(*run)

    with pytest.raises(AssertionError, match=r"^runner quiet: told of ZeroDivisionError.*, and raised None$"):
        EveryRunner(runners=[Runner("quiet", quiet, quiet)]).execute(inverse, 0)


def test_runner_that_tells_of_no_end_is_found() -> None:
    silent = Runner("silent", SYNC.plain, lambda options, *run: SYNC.plain(*run))
    with pytest.raises(AssertionError, match=r"^runner silent: told of no end of the run$"):
        EveryRunner(runners=[silent]).execute(inverse, 1)


def test_iterator_as_an_argument_is_an_error_since_only_one_run_could_read_it() -> None:
    total = step("total", fn=sum)
    with pytest.raises(ArgumentError, match=r"^pipeline 'total': runs several times, .* got <range_iterator>; give a"):
        run_everywhere(total, iter(range(3)))


def test_runners_run_where_a_loop_runs_already() -> None:
    @step(max_in_flight=2)
    async def doubled(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    async def test() -> list[int]:
        return run_everywhere(numbers | doubled, 3).result

    assert asyncio.run(test()) == [0, 2, 4]


def test_runner_gives_the_result() -> None:
    assert [runner(numbers, count=2) for runner in RUNNERS] == [[0, 1]] * 3


class Turned:
    """A step whose results come in another order, or in another number, with each run."""

    def __init__(self) -> None:
        self.runs = 0

    def turned(self, items: list[int]) -> list[int]:
        self.runs += 1
        return items[self.runs :] + items[: self.runs]

    def more(self, items: Iterator[int]) -> Iterator[int]:
        self.runs += 1
        for _ in range(self.runs):
            yield next(items)


def test_order_of_results_must_be_the_same_unless_it_is_said_that_there_is_none() -> None:
    with pytest.raises(AssertionError, match="/result/0: sync 2, async 3"):
        run_everywhere(step("turned", fn=Turned().turned), [1, 2, 3])
    unordered = EveryRunner(ordered=False)
    outcome = unordered.execute(step("turned", fn=Turned().turned), [1, 2, 3])
    assert outcome.result == [2, 3, 1]
    assert outcome.as_json()["result"] == [1, 2, 3]
    with pytest.raises(AssertionError, match="/result"):
        unordered.execute(step("added", fn=lambda items: [*items, len(items)]), Growing())


class Growing(list[int]):
    """A list that has one item more each time that it is read."""

    def __iter__(self) -> Iterator[int]:
        self.append(0)
        return super().__iter__()


def test_order_is_not_compared_where_a_step_gives_up_its_order() -> None:
    @step(max_in_flight=3, ordered=False)
    async def same(number: int) -> int:
        return number

    turned, count = step("turned", fn=Turned().turned), step("count", fn=len)

    @pipeline
    def shuffled(items: list[int]) -> tuple[list[int], int]:
        found = stream(items).map(same).collect()
        return turned(found), count(found)

    assert run_everywhere(shuffled, [1, 2, 3]).as_json() == {"result": [[1, 2, 3], 3], "failure": None}


def test_counts_must_be_the_same_where_every_step_runs_inline() -> None:
    @step
    def last(items: Iterable[int]) -> str:
        list(items)
        return "done"

    def more() -> Any:
        return step("more", fn=Turned().more)

    with pytest.raises(AssertionError) as caught:
        run_everywhere(numbers | more() | last, 9)
    assert str(caught.value).splitlines()[1:] == [
        "  /nodes/numbers_to_last/numbers/out: sync 1, async 2",
        "  /nodes/numbers_to_last/more/in: sync 1, async 2",
        "  /nodes/numbers_to_last/more/out: sync 1, async 2",
        "  /nodes/numbers_to_last/last/in: sync 1, async 2",
    ]
    outcome = EveryRunner(counts=False).execute(numbers | more() | last, 9)
    assert outcome.as_json() == {"result": "done", "failure": None}


def test_counts_are_not_compared_where_steps_run_elsewhere_unless_it_is_asked_for() -> None:
    fetched = numbers | step("fetched", fn=str, max_in_flight=2, executor="thread")
    assert "nodes" not in run_everywhere(fetched, 3).as_json()
    counted = EveryRunner(counts=True).execute(fetched, 3).as_json()
    assert counted["nodes"]["numbers_to_fetched/fetched"] == {"in": 3, "out": 3}
    assert counted["highest in flight"]["numbers_to_fetched/fetched -> the caller (items)"] == 2


def test_second_failures_are_not_compared_where_the_run_may_have_ended_before_them() -> None:
    @step
    def broken(count: int) -> Iterator[int]:
        try:
            yield from range(count)
        finally:
            raise KeyError("while it is closed")

    def failure_of(executor: Any) -> Any:
        return run_everywhere(broken | inverse.options(executor=executor), 2).as_json()["failure"]

    assert [note.split()[1] for note in failure_of("inline")["notes"]] == ["step", "then"]
    assert [note.split()[1] for note in failure_of("thread")["notes"]] == ["step"]


def test_what_is_kept_has_no_line_numbers_and_the_full_form_has() -> None:
    outcome = run_everywhere(numbers | inverse, 2)
    kept, full = outcome.as_json(), outcome.as_json(full=True)
    assert kept == {
        "result": None,
        "failure": {
            "type": "ZeroDivisionError",
            "message": "division by zero",
            "notes": ["headrace: step 'inverse' (test_testing.py) failed at item 1; path numbers_to_inverse/inverse"],
        },
        "nodes": {"numbers_to_inverse/numbers": {"in": 0, "out": 1}, "numbers_to_inverse/inverse": {"in": 1, "out": 0}},
        "highest in flight": {
            "numbers_to_inverse/numbers -> numbers_to_inverse/inverse (number)": 1,
            "numbers_to_inverse/inverse -> the caller (items)": 0,
        },
    }
    assert re.search(r"\(test_testing\.py:\d+\)", full["failure"]["notes"][0])
    assert list(full) == [*kept, "levels", "stages", "dag"]


def test_lines_in_the_users_own_words_are_kept() -> None:
    def failing() -> None:
        error = ValueError("no good (app.py:3)")
        error.add_note("see (app.py:4)")
        raise error

    failure = run_everywhere(step(failing)).as_json()["failure"]
    assert failure["message"] == "no good (app.py:3)"
    assert failure["notes"][0] == "see (app.py:4)"


# -- time --------------------------------------------------------------------------------------------------


@step(max_in_flight=3, ordered=False)
async def after(seconds: int) -> int:
    await asyncio.sleep(seconds)
    return seconds


@step
def each(items: list[int]) -> Iterator[int]:
    yield from items


def test_time_is_scripted_anew_for_each_run_and_everything_is_fixed_by_it() -> None:
    clocks: list[ScriptedClock] = []

    def new_clock() -> ScriptedClock:
        clocks.append(ScriptedClock())
        return clocks[-1]

    outcome = EveryRunner(clock=new_clock).execute(each | after, [3600, 60, 5])
    assert outcome.result == [5, 60, 3600]
    assert outcome.seconds == 3600.0
    assert [clock.now() for clock in clocks] == [3600.0] * len(RUNNERS)
    kept = outcome.as_json()
    assert (kept["result"], kept["seconds"]) == ([5, 60, 3600], 3600.0)
    assert kept["highest in flight"]["each_to_after/after -> the caller (items)"] == 3


@step(max_in_flight=2)
async def late(number: int) -> int:
    await asyncio.sleep(number)
    return number


@pipeline
def merged(items: list[int]) -> Stream[int]:
    return merge(stream(items).map(late), stream(items).map(doubled))


def test_order_of_what_is_merged_is_fixed_where_no_step_runs_elsewhere_or_time_is_scripted() -> None:
    @pipeline
    def plain(items: list[int]) -> Stream[int]:
        return merge(stream(items), stream(items).map(doubled))

    orders = [
        Fixed.of(flow.program, None, None, in_time=in_time).order
        for flow, in_time in [(merged, False), (merged, True), (plain, False)]
    ]
    assert orders == [False, True, True]
    assert EveryRunner(clock=ScriptedClock).execute(merged, [1, 2]).result == [2, 4, 1, 2]


def test_batches_that_wait_only_so_long_are_fixed_where_time_is_scripted() -> None:
    @pipeline
    def batches(items: list[int]) -> Stream[tuple[int, ...]]:
        return stream(items).map(late).batched(3, timeout=1.5)

    assert not Fixed.of(batches.program, None, None, in_time=False).counts
    outcome = EveryRunner(clock=ScriptedClock).execute(batches, [0, 1, 3])
    assert outcome.result == [(0, 1), (3,)]
    assert "nodes" in outcome.as_json()


def test_runs_that_take_other_times_differ() -> None:
    times = iter([1, 1, 2])

    @step
    async def later_each_time(number: int) -> int:
        await asyncio.sleep(next(times))
        return number

    with pytest.raises(AssertionError, match=r"differ\n  /seconds: sync 1\.0, sync in a loop 2\.0$"):
        EveryRunner(clock=ScriptedClock).execute(later_each_time, 1)


def test_bounds_are_watched_in_scripted_time() -> None:
    assert EveryRunner(clock=ScriptedClock).assert_bound(numbers | after, 4).result == [0, 1, 2, 3]


# -- plain data --------------------------------------------------------------------------------------------


class Point(NamedTuple):
    x: int
    y: float


class Tree(msgspec.Struct):
    name: str
    children: list[Any] = []


class Colour(enum.Enum):
    RED = "red"


class Page:
    def __init__(self, url: str) -> None:
        self.url = url


class Told:
    def __repr__(self) -> str:
        return "told at 0x7f12"


LOOP: list[Any] = [1]
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ((1, 2.5, "a", True), [1, 2.5, "a", True]),
        ({1: "a", None: "b", ("c", 2): "d", "e": "f"}, {"1": "a", "null": "b", '["c", 2]': "d", "e": "f"}),
        ({"b", "c", "a"}, ["a", "b", "c"]),
        (frozenset({(2, "b"), (1, "a")}), [[1, "a"], [2, "b"]]),
        (Point(1, 2.0), [1, 2.0]),
        (Tree("a", [Tree("b", [{2, 1}])]), {"name": "a", "children": [{"name": "b", "children": [[1, 2]]}]}),
        (Colour.RED, "red"),
        ({Colour.RED: 1}, {"red": 1}),
        (datetime.date(2025, 1, 2), "2025-01-02"),
        (decimal.Decimal("1.50"), "1.50"),
        (b"abc", "YWJj"),
        (Page("/a"), {"type": "Page", "url": "/a"}),
        (KeyError("a"), {"type": "KeyError", "message": "'a'"}),
        (Path("a/b"), "PosixPath('a/b')" if sys.platform != "win32" else "WindowsPath('a/b')"),
        (Told(), "told"),
        (object(), "<object object>"),
        (Page, "<class Page>"),
        (len, "<builtin_function_or_method len>"),
        (LOOP, [1, "..."]),
        (10**30, 10**30),
    ],
    ids=repr,
)
def test_anything_becomes_plain_data(value: object, expected: object) -> None:
    assert plain(value) == expected


@pytest.mark.parametrize(
    ("a", "b", "found"),
    [
        ({"n": [1, {"x": None}]}, {"n": [1, {"x": None}]}, []),
        ({"n": [1, {"x": 2}]}, {"n": [1, {"x": 3}]}, [("/n/1/x", "2", "3")]),
        ({"n": 1}, {"m": 1}, [("/n", "1", "nothing"), ("/m", "nothing", "1")]),
        ([1, 2], [1], [("", "[1, 2]", "[1]")]),
        ({"n": 1}, {"n": True}, [("/n", "1", "True")]),
        ({"n": 1}, {"n": 1.0}, [("/n", "1", "1.0")]),
        ({"n": None}, {}, [("/n", "None", "nothing")]),
        ({"n": float("nan")}, {"n": float("nan")}, []),
    ],
)
def test_differences_are_told_by_path(a: Any, b: Any, found: list[tuple[str, str, str]]) -> None:
    assert list(differences(a, b)) == found


# -- the bound ---------------------------------------------------------------------------------------------


@step
def odd(number: int) -> bool:
    return number % 2 == 1


@step
def spread(number: int) -> Iterator[int]:
    yield from range(number)


@step
def first_three(items: Iterator[int]) -> Iterator[int]:
    for _ in range(3):
        yield next(items)


@step
def summed(items: Iterable[int]) -> int:
    return sum(items)


@step(max_in_flight=3)
async def fetched(number: int) -> int:
    await asyncio.sleep(0)
    return number


@step(max_in_flight=2)
async def passed(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in items:
        yield item


@step
async def odd_later(number: int) -> bool:
    return number % 2 == 1


@step
async def spread_later(number: int) -> AsyncIterator[int]:
    for each in range(number):
        yield each


@step
async def summed_later(items: AsyncIterator[int]) -> int:
    return sum([item async for item in items])


@pipeline
def branches(count: int) -> tuple[list[int], list[int], list[int]]:
    found = numbers(count).map(doubled.options(max_in_flight=2))
    return found.filter(odd).collect(), found.flat_map(spread).collect(), first_three(found).collect()


@pipeline
def later(count: int) -> int:
    return summed_later(passed(numbers(count).map(fetched).filter(odd_later)).flat_map(spread_later))


@pytest.mark.parametrize(
    "flow", [branches, later, numbers | fetched.options(ordered=False)], ids=lambda flow: flow.name
)
def test_bounds_hold_and_the_outcome_is_that_of_any_run(flow: Any) -> None:
    assert assert_bound(flow, 6).as_json(full=True) == run_everywhere(flow, 6).as_json(full=True)


def test_failure_is_the_outcome_and_breaks_no_bound() -> None:
    assert isinstance(assert_bound(numbers | inverse | int | spread, 3).failure, ZeroDivisionError)


def cheating(kind: str, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> EveryRunner:
    """A runner that calls the functions of one kind of nodes in another way."""

    def run(options: Any, flow: Any, *args: Any) -> Any:
        program = flow._program
        kinds = {node.id: node.kind for node in program.dag.nodes}
        functions = {id: change(each) if kinds[id] == kind else each for id, each in program.functions.items()}
        changed = copy.copy(flow)
        vars(changed)["_program"] = msgspec.structs.replace(program, functions=functions)
        return SYNC.counted(options, changed, *args)

    return EveryRunner(runners=[Runner("cheat", run, run)])


def resumed_ahead(function: Callable[..., Any]) -> Callable[..., Any]:
    async def later(items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        for item in [item async for item in items]:
            yield item

    def ahead(*args: Any) -> Any:
        items = function(*args)
        return later(items) if hasattr(items, "__aiter__") else iter(list(items))

    return ahead


def called_twice(function: Callable[..., Any]) -> Callable[..., Any]:
    async def later(*calls: Any) -> Any:
        return (await asyncio.gather(*calls))[0]

    def twice(item: Any) -> Any:
        first, second = function(item), function(item)
        return later(first, second) if asyncio.iscoroutine(first) else first

    return twice


@pytest.mark.parametrize(
    ("kind", "change", "flow", "producer", "consumer", "asked"),
    [
        ("source", resumed_ahead, numbers | doubled, "numbers", "doubled", 4),
        ("source", resumed_ahead, numbers | spread, "numbers", "spread", 4),
        ("source", resumed_ahead, numbers | first_three, "numbers", "first_three", 4),
        ("source", resumed_ahead, numbers | summed, "numbers", "summed", 4),
        ("source", resumed_ahead, numbers | odd_later | summed, "numbers", "odd_later", 4),
        ("source", resumed_ahead, numbers | passed | summed, "numbers", "passed", 4),
        ("source", resumed_ahead, numbers | spread_later | summed, "numbers", "spread_later", 4),
        ("source", resumed_ahead, numbers | summed_later, "numbers", "summed_later", 4),
        ("flat_map", resumed_ahead, numbers | spread | doubled, "spread", "doubled", 3),
        ("flat_map", resumed_ahead, numbers | spread_later | doubled, "spread_later", "doubled", 3),
        ("transform", resumed_ahead, numbers | first_three | spread, "first_three", "spread", 4),
        ("transform", resumed_ahead, numbers | passed | summed, "passed", "summed", 4),
        ("map", called_twice, numbers | doubled | spread, "doubled", "spread", 4),
        ("map", called_twice, numbers | fetched | summed, "fetched", "summed", 6),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_runner_that_asks_for_more_items_is_found(
    kind: str, change: Any, flow: Any, producer: str, consumer: str, asked: int
) -> None:
    with pytest.raises(AssertionError) as caught:
        cheating(kind, change).assert_bound(flow, 3)
    bound = next(node.max_in_flight for node in flow.dag.nodes if node.name == producer)
    assert short(str(caught.value)) == (
        f"pipeline '{flow.name}': cheat broke a bound\n"
        f"  step '{producer}': at most max_in_flight={bound} items may be in flight to step '{consumer}', got {asked}"
    )


def test_runner_that_asks_for_more_after_a_failure_that_was_skipped_is_found() -> None:
    def ahead_from_two(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda number: resumed_ahead(function)(number) if number > 1 else function(number)

    flow = numbers | spread | inverse.options(on_error="skip")
    assert assert_bound(flow, 3).result == [1.0]
    with pytest.raises(AssertionError, match=r"in flight to step 'inverse' .*, got 3$"):
        cheating("flat_map", ahead_from_two).assert_bound(flow, 3)


def test_runner_that_calls_more_at_once_is_found() -> None:
    with pytest.raises(AssertionError) as caught:
        cheating("map", called_twice).assert_bound(numbers | fetched.options(concurrency=1), 3)
    assert short(str(caught.value)) == (
        "pipeline 'numbers_to_fetched': cheat broke a bound\n"
        "  step 'fetched': at most 1 of its calls may run at once, got 2"
    )


def short(text: str) -> str:
    """The text without the places of steps."""
    return re.sub(r" \(test_testing\.py:\d+\)", "", text)


def test_report_that_is_over_the_bound_is_found() -> None:
    def counted(options: Any, *run: Any) -> Any:
        [tell] = options["observers"]
        return SYNC.counted({"observers": [lambda event: tell(_with_nine_in_flight(event))]}, *run)

    with pytest.raises(AssertionError) as caught:
        EveryRunner(runners=[Runner("cheat", counted, counted)]).assert_bound(numbers | doubled, 3)
    assert short(str(caught.value)).splitlines() == [
        "pipeline 'numbers_to_doubled': cheat broke a bound",
        "  step 'numbers': at most max_in_flight=1 items may be in flight to step 'doubled', reported 9",
        "  step 'doubled': at most max_in_flight=1 items may be in flight to the caller, reported 9",
    ]


def _with_nine_in_flight(event: Any) -> Any:
    if not isinstance(event, RunEnded):
        return event
    edges = tuple(msgspec.structs.replace(edge, highest_in_flight=9) for edge in event.report.edges)
    return msgspec.structs.replace(event, report=msgspec.structs.replace(event.report, edges=edges))


# -- the plugin --------------------------------------------------------------------------------------------

PROJECT = """
from headrace import step
from headrace.testing import run_everywhere

@step
def numbers(count: int):
    yield from range(count)

def test_every_runner(headrace_runner):
    assert headrace_runner(numbers, 3) == [0, 1, 2]

def test_snapshot(headrace_snapshot):
    assert run_everywhere(numbers, 3) == headrace_snapshot
"""
STRICT = """
[pytest]
filterwarnings = error
strict_markers = true
strict_config = true
"""
PLUGIN = ("-p", "pytest_headrace")  # which an installed headrace needs no more


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    pytester.makeini(STRICT)
    pytester.makepyfile(test_project=PROJECT)
    return pytester


def test_plugin_runs_a_test_under_every_runner(project: pytest.Pytester) -> None:
    result = project.runpytest(*PLUGIN, "-v", "-k", "every_runner")
    result.stdout.fnmatch_lines([f"*::test_every_runner[[]{runner.name}] PASSED*" for runner in RUNNERS])
    result.assert_outcomes(passed=3, deselected=1)


def test_plugin_keeps_snapshots_that_are_made_compared_and_found_unused(project: pytest.Pytester) -> None:
    run = partial(project.runpytest, *PLUGIN, "-k", "snapshot")
    run().stdout.fnmatch_lines(["*Snapshot 'test_snapshot' does not exist!"])
    run("--snapshot-update").assert_outcomes(passed=1, deselected=3)
    run().assert_outcomes(passed=1, deselected=3)
    [kept] = project.path.glob("__snapshots__/**/*.json")
    assert json.loads(kept.read_text()) == run_everywhere(numbers, 3).as_json()
    project.makepyfile(test_project=PROJECT.replace("(numbers, 3) ==", "(numbers, 2) =="))
    result = run()
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*assert [[]+ received] == [[]- snapshot]", "E * -     2"])
    project.makepyfile(test_project=PROJECT.partition("def test_snapshot")[0])
    project.runpytest(*PLUGIN).stdout.fnmatch_lines(["1 snapshot unused.*"])


def test_keys_of_a_snapshot_stay_in_order(project: pytest.Pytester) -> None:
    project.makepyfile(test_other="def test_data(headrace_snapshot): assert {'b': {2, 1}, 'a': 0} == headrace_snapshot")
    project.runpytest(*PLUGIN, "test_other.py", "--snapshot-update").assert_outcomes(passed=1)
    [kept] = project.path.glob("__snapshots__/**/*.json")
    assert kept.read_text() == '{\n  "b": [\n    1,\n    2\n  ],\n  "a": 0\n}\n'


def test_failing_parity_is_shown_without_the_insides_of_headrace(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_other="""
        import asyncio
        from headrace import step
        from headrace.testing import run_everywhere

        @step
        def tasks(count: int) -> int:
            try:
                return count + len(asyncio.all_tasks())
            except RuntimeError:
                return count

        def test_parity():
            run_everywhere(tasks, 3)
        """
    )
    result = project.runpytest(*PLUGIN, "test_other.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *pipeline 'tasks': sync and async differ", "E * /result: sync 3, async 4"])
    result.stdout.no_fnmatch_line("*parity.py*")


HIDING = "import sys; sys.modules['syrupy'] = None"


def test_snapshots_without_syrupy_fail_with_what_to_install(project: pytest.Pytester) -> None:
    project.makepyfile(hiding=HIDING)
    result = project.runpytest_subprocess("-p", "no:syrupy", "-p", "hiding", *PLUGIN)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["E*the fixture headrace_snapshot needs syrupy: pip install 'headrace[[]testing]'"])


def test_plugin_imports_nothing_of_headrace_for_who_does_not_use_it(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_project="import sys\ndef test_imports(): assert [n for n in sys.modules if n.startswith('headrace')] == []"
    )
    project.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


def test_plugin_is_found_where_headrace_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"pytest_headrace": "pytest_headrace"}


def test_testing_works_without_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; from headrace.testing import *; print(run_everywhere, Meter())"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
