"""Section 8 of the guarantees: what is opened for a run or a call is closed after it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from headrace import DeadlockError, RunError, Stream, pipeline, resource, step, stream

Run = Callable[..., Any]


class Log:
    """Resources and steps that say what happens to them, and in which order."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __call__(self, event: str) -> None:
        self.events.append(event)

    @contextmanager
    def plain(self, name: str, *parts: Any) -> Iterator[str]:
        self(f"enter {name}")
        try:
            yield name
        except BaseException as error:
            self(f"{name} hears {error!r}")
            raise
        finally:
            self(f"leave {name}")

    @asynccontextmanager
    async def in_task(self, name: str, *parts: Any) -> AsyncIterator[str]:
        task = asyncio.current_task()
        await asyncio.sleep(0)
        self(f"enter {name}")
        try:
            yield name
        except BaseException as error:
            self(f"{name} hears {error!r}")
            raise
        finally:
            await asyncio.sleep(0)
            assert asyncio.current_task() is task
            self(f"leave {name}")

    def source(self, count: int) -> Iterator[int]:
        self("source")
        try:
            yield from range(count)
        finally:
            self("source closed")

    async def source_in_task(self, count: int) -> AsyncIterator[int]:
        self("source")
        try:
            for number in range(count):
                await asyncio.sleep(0)
                yield number
        finally:
            await asyncio.sleep(0)
            self("source closed")

    def use(self, number: int, *held: Any) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    async def use_in_task(self, number: int, *held: Any) -> int:
        await asyncio.sleep(0)
        return self.use(number)


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


FACTORIES: dict[str, Any] = {"plain": Log.plain, "async": Log.in_task}
each_kind: pytest.MarkDecorator = pytest.mark.parametrize("make", FACTORIES.values(), ids=FACTORIES)
STEPS: dict[str, Any] = {
    "inline": (Log.source, Log.use, {}),
    "ahead": (Log.source, Log.use, {"max_in_flight": 3}),
    "thread": (Log.source, Log.use, {"max_in_flight": 3, "executor": "thread"}),
    "async": (Log.source_in_task, Log.use_in_task, {}),
    "async, ahead": (Log.source_in_task, Log.use_in_task, {"max_in_flight": 3}),
}
each_way: pytest.MarkDecorator = pytest.mark.parametrize("way", STEPS.values(), ids=STEPS)


def line(log: Log, way: Any, *makes: Any, branches: int = 1) -> Any:
    """A pipeline whose steps take one resource of each kind."""
    source, use, options = way

    @pipeline
    def used(count: int) -> Any:
        held = [resource(make, log, f"r{index}") for index, make in enumerate(makes)]
        items = step("source", fn=source.__get__(log), **options)(count)
        for _ in range(branches - 1):
            items.map(step("use", fn=use.__get__(log), **options), *held)
        return items.map(step("use", fn=use.__get__(log), **options), *held)

    return used


# -- when --------------------------------------------------------------------------------------------------


@each_way
@each_kind
@pytest.mark.parametrize("branches", [1, 2])
def test_8_1_and_8_2_entered_before_any_step_and_left_after_all_are_closed(
    run_pipeline: Run, make: Any, way: Any, branches: int
) -> None:
    log = Log()
    assert run_pipeline(line(log, way, make, Log.plain, make, branches=branches), 3) == [0, 1, 2]
    entered = ["enter r0", "enter r1", "enter r2"]
    assert log.events == [*entered, "source", "source closed", "leave r2", "leave r1", "leave r0"]


def test_8_1_every_run_enters_its_own_once(run_pipeline: Run) -> None:
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    @pipeline
    def twice(count: int) -> tuple[list[object], list[object]]:
        held = resource(make)
        items = numbers(count)
        return items.map(_second, held).collect(), items.map(_second, held).collect()

    assert run_pipeline(twice, 2) == ([made[0]] * 2, [made[0]] * 2)
    assert run_pipeline(twice, 2) == ([made[1]] * 2, [made[1]] * 2)
    assert len(made) == 2


def _second(_: object, second: Any) -> Any:
    return second


@each_kind
@pytest.mark.parametrize("readers", [1, 2])
def test_8_1_one_that_takes_the_value_of_a_step_is_entered_when_that_is_there(
    run_pipeline: Run, make: Any, readers: int
) -> None:
    log = Log()

    def settings(name: str) -> str:
        log("settings")
        return f"{name} of settings"

    @pipeline
    def late(name: str) -> Stream[str]:
        first = resource(Log.plain, log, "first")
        second = resource(make, log, step(settings)(name), first)
        items = stream(range(2))
        for _ in range(readers - 1):
            items.map(_second, second)
        return items.map(_second, second)

    assert run_pipeline(late, "one") == ["one of settings"] * 2
    assert log.events == [
        "enter first",
        "settings",
        "enter one of settings",
        "leave one of settings",
        "leave first",
    ]


def test_8_1_entered_even_if_no_step_takes_it(run_pipeline: Run) -> None:
    log = Log()

    @pipeline
    def alone() -> None:
        resource(Log.plain, log, "r")

    assert run_pipeline(alone) is None
    assert log.events == ["enter r", "leave r"]


def test_8_1_plain_value_is_given_as_it_is(run_pipeline: Run) -> None:
    async def make() -> str:
        await asyncio.sleep(0)
        return "made"

    @pipeline
    def values(count: int) -> Stream[tuple[str, dict[str, int]]]:
        return numbers(count).map(_both, resource(make), resource(dict, a=1))

    assert run_pipeline(values, 1) == [("made", {"a": 1})]


def _both(_: object, first: Any, second: Any) -> Any:
    return first, second


# -- however the run ends ----------------------------------------------------------------------------------


@each_way
@each_kind
@pytest.mark.parametrize("branches", [1, 2])
def test_8_2_and_8_3_left_after_a_failure_and_told_of_it(run_pipeline: Run, make: Any, way: Any, branches: int) -> None:
    log = Log()
    with pytest.raises(ValueError, match="three"):
        run_pipeline(line(log, way, make, Log.plain, branches=branches), 9)
    assert log.events == [
        *("enter r0", "enter r1", "source", "source closed"),
        *("r1 hears ValueError('three')", "leave r1", "r0 hears ValueError('three')", "leave r0"),
    ]


@each_way
@each_kind
def test_8_2_and_8_3_left_when_iter_is_left_early_and_told_of_no_failure(make: Any, way: Any) -> None:
    log = Log()
    with line(log, way, make, Log.plain).iter(3) as items:
        assert next(items) == 0
    assert log.events == ["enter r0", "enter r1", "source", "source closed", "leave r1", "leave r0"]


@each_way
@each_kind
def test_8_2_and_8_3_left_when_aiter_is_left_early_and_told_of_no_failure(make: Any, way: Any) -> None:
    log = Log()

    async def main() -> None:
        async with line(log, way, make, Log.plain).aiter(3) as items:
            assert await anext(items) == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert log.events == ["enter r0", "enter r1", "source", "source closed", "leave r1", "leave r0"]


@each_kind
def test_8_2_and_8_3_left_when_the_run_is_cancelled_and_told_of_that(make: Any) -> None:
    log = Log()
    begun = asyncio.Event()

    async def hang(number: int, held: str) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log("call closed")

    @pipeline
    def hanging() -> None:
        stream([1]).map(hang, resource(make, log, "r"))

    async def main() -> None:
        run = asyncio.create_task(hanging.arun())
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert log.events == ["enter r", "call closed", "r hears CancelledError()", "leave r"]


@each_kind
def test_8_2_left_after_an_interrupt(make: Any) -> None:
    log = Log()

    def interrupted(number: int, held: str) -> None:
        signal.raise_signal(signal.SIGINT)

    @pipeline
    def body() -> None:
        stream([1]).map(interrupted, resource(make, log, "r"))

    with pytest.raises(KeyboardInterrupt):
        body.run()
    assert log.events[0] == "enter r"
    assert log.events[-1] == "leave r"


def test_8_2_left_after_a_deadlock(run_pipeline: Run) -> None:
    log = Log()

    def uneven(left: Iterator[int], right: Iterator[int], held: str) -> int:
        return sum(left) + sum(right)

    @pipeline
    def locked(count: int) -> int:
        items = numbers(count)
        return step(uneven)(items, items.map(abs), resource(Log.in_task, log, "r"))

    with pytest.raises(DeadlockError):
        run_pipeline(locked, 9)
    assert [event.split("(")[0] for event in log.events] == ["enter r", "r hears DeadlockError", "leave r"]


@each_kind
def test_8_2_generators_may_use_it_while_they_are_closed(run_pipeline: Run, make: Any) -> None:
    log = Log()

    def source(held: str) -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            log(f"source closed with {held}")

    def first(items: Iterator[int]) -> int:
        return next(items)

    @pipeline
    def early() -> int:
        return step(first)(step("source", fn=source, max_in_flight=2)(resource(make, log, "r")))

    assert run_pipeline(early) == 0
    assert log.events == ["enter r", "source closed with r", "leave r"]


# -- failures ----------------------------------------------------------------------------------------------


class Failing:
    """A context manager of either kind, or a factory, that fails where it is told to."""

    def __init__(self, log: Log, at: str = "", swallows: bool = False) -> None:
        self.log = log
        self.at = at
        self.swallows = swallows

    def enter(self) -> str:
        if self.at == "enter":
            raise LookupError("while entering")
        self.log("enter failing")
        return "failing"

    def leave(self, failure: BaseException | None) -> bool:
        self.log(f"leave failing, told of {failure!r}")
        if self.at == "leave":
            raise LookupError("while leaving")
        if self.at == "raise again" and failure is not None:
            raise failure
        return self.swallows


class FailingPlain(Failing):
    def __enter__(self) -> str:
        return self.enter()

    def __exit__(self, _: object, failure: BaseException | None, __: object) -> bool:
        return self.leave(failure)


class FailingInTask(Failing):
    async def __aenter__(self) -> str:
        await asyncio.sleep(0)
        return self.enter()

    async def __aexit__(self, _: object, failure: BaseException | None, __: object) -> bool:
        await asyncio.sleep(0)
        return self.leave(failure)


each_failing: pytest.MarkDecorator = pytest.mark.parametrize(
    "make", [FailingPlain, FailingInTask], ids=["plain", "async"]
)


def failing_line(log: Log, make: Any, *given: Any) -> Any:
    @pipeline
    def used(count: int) -> Stream[int]:
        outer = resource(Log.plain, log, "outer")
        inner = resource(make, log, *given)
        resource(Log.plain, log, "later")
        return step("source", fn=log.source)(count).map(log.use, outer, inner)

    return used


@each_failing
def test_8_3_failure_cannot_be_swallowed(run_pipeline: Run, make: Any) -> None:
    log = Log()
    with pytest.raises(ValueError, match="three"):
        run_pipeline(failing_line(log, make, "", True), 9)
    assert log.events[-3] == "leave failing, told of ValueError('three')"
    assert log.events[-2] == "outer hears ValueError('three')"


@each_failing
def test_8_3_failure_that_is_raised_again_is_the_same(run_pipeline: Run, make: Any) -> None:
    with pytest.raises(ValueError, match="three") as caught:
        run_pipeline(failing_line(Log(), make, "raise again"), 9)
    assert len(caught.value.__notes__) == 1


@each_failing
def test_8_4_failure_while_entering_names_the_resource_and_no_step_is_called(run_pipeline: Run, make: Any) -> None:
    log = Log()
    used = failing_line(log, make, "enter")
    with pytest.raises(LookupError, match="while entering") as caught:
        run_pipeline(used, 3)
    node = used.dag.node(f"used/{make.__name__}")
    assert caught.value.__notes__ == [
        f"headrace: resource '{make.__name__}' ({node.where}) failed; path used/{make.__name__}"
    ]
    assert log.events == ["enter outer", "outer hears LookupError('while entering')", "leave outer"]


@each_failing
@pytest.mark.parametrize("branches", [1, 2])
@pytest.mark.parametrize("how", ["iter", "aiter"])
def test_8_4_failure_while_entering_reaches_the_caller_of_iter(make: Any, branches: int, how: str) -> None:
    log = Log()

    @pipeline
    def used(count: int) -> Stream[int]:
        held = resource(make, log, "enter")
        items = step("source", fn=log.source)(count)
        for _ in range(branches - 1):
            items.map(log.use, held)
        return items.map(log.use)

    async def main() -> None:
        async for _ in used.aiter(3):
            pass

    with pytest.raises(LookupError, match="while entering"):
        list(used.iter(3)) if how == "iter" else asyncio.run(main())
    assert log.events == []


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_8_4_failure_of_the_factory_names_the_resource(run_pipeline: Run, kind: str) -> None:
    log = Log()

    def broken() -> str:
        raise LookupError("broken")

    async def broken_async() -> str:
        raise LookupError("broken")

    @pipeline
    def used() -> None:
        held = resource(broken if kind == "plain" else broken_async)
        step("source", fn=log.source)(3).map(log.use, held)

    with pytest.raises(LookupError, match="broken") as caught:
        run_pipeline(used)
    assert len(caught.value.__notes__) == 1
    assert "headrace: resource 'broken" in caught.value.__notes__[0]
    assert log.events == []


@each_failing
def test_8_4_failure_while_leaving_is_that_of_the_run(run_pipeline: Run, make: Any) -> None:
    log = Log()
    used = failing_line(log, make, "leave")
    with pytest.raises(LookupError, match="while leaving") as caught:
        run_pipeline(used, 3)
    [note] = caught.value.__notes__
    assert note.startswith(f"headrace: resource '{make.__name__}' (")
    assert log.events[-3:] == [
        "leave failing, told of None",
        "outer hears LookupError('while leaving')",
        "leave outer",
    ]


@each_failing
def test_8_4_second_failure_while_leaving_is_a_note_on_the_first(run_pipeline: Run, make: Any) -> None:
    with pytest.raises(ValueError, match="three") as caught:
        run_pipeline(failing_line(Log(), make, "leave"), 9)
    assert caught.value.__notes__[1:] == ["headrace: then LookupError: while leaving"]


def test_8_4_cancelled_while_entering_leaves_what_was_entered() -> None:
    log, begun = Log(), asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[str]:
        try:
            begun.set()
            await asyncio.Event().wait()
            yield "never"
        finally:
            await asyncio.sleep(0)
            log("gave up")

    @pipeline
    def used() -> None:
        outer = resource(Log.in_task, log, "outer")
        step("source", fn=log.source)(3).map(log.use, outer, resource(slow))

    async def main() -> None:
        run = asyncio.create_task(used.arun())
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert log.events == ["enter outer", "gave up", "outer hears CancelledError()", "leave outer"]


# -- where -------------------------------------------------------------------------------------------------


def test_8_5_async_resource_is_in_the_loop_of_the_async_steps(run_pipeline: Run) -> None:
    loops = set()

    @asynccontextmanager
    async def make() -> AsyncIterator[asyncio.Lock]:
        loops.add(asyncio.get_running_loop())
        yield asyncio.Lock()
        loops.add(asyncio.get_running_loop())

    async def use(number: int, lock: asyncio.Lock) -> int:
        loops.add(asyncio.get_running_loop())
        async with lock:
            await asyncio.sleep(0)
        return number

    @pipeline
    def used(count: int) -> Stream[int]:
        return numbers(count).map(step("use", fn=use, max_in_flight=3), resource(make))

    assert run_pipeline(used, 5) == list(range(5))
    assert len(loops) == 1


def test_8_5_plain_resource_is_entered_and_left_in_the_thread_of_the_caller(run_pipeline: Run) -> None:
    threads = []

    @contextmanager
    def make() -> Iterator[int]:
        threads.append(threading.get_ident())
        yield 1
        threads.append(threading.get_ident())

    @pipeline
    def used(count: int) -> Stream[int]:
        return numbers(count).map(step("add", fn=int.__add__, executor="thread", max_in_flight=2), resource(make))

    assert run_pipeline(used, 3) == [1, 2, 3]
    assert threads == [threading.get_ident()] * 2


class Both:
    """Can be entered in both ways."""

    def __init__(self) -> None:
        self.value = ""

    def __enter__(self) -> str:
        return "plain"

    def __exit__(self, *_: object) -> None: ...

    async def __aenter__(self) -> str:
        return "async"

    async def __aexit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("scope", ["run", "item"])
def test_8_5_what_can_be_entered_in_both_ways_is_entered_as_its_steps_run(run_pipeline: Run, scope: Any) -> None:
    async def second(_: object, second: Any) -> Any:
        return second

    @pipeline
    def used(count: int) -> tuple[list[str], list[str]]:
        plain, in_task = resource(Both, scope=scope), resource(Both, scope=scope)
        items = numbers(count)
        return items.map(_second, plain).collect(), items.map(second, in_task).collect()

    assert run_pipeline(used, 2) == (["plain"] * 2, ["async"] * 2)


@pytest.mark.parametrize("hinted", [True, False])
def test_8_5_plain_steps_may_take_an_async_resource(run_pipeline: Run, hinted: bool) -> None:
    log = Log()
    make: Any = Log.in_task if hinted else lambda *given: Log.in_task(*given)

    @pipeline
    def used(count: int) -> Stream[str]:
        return numbers(count).map(_second, resource(make, log, "r"))

    assert run_pipeline(used, 2) == ["r", "r"]
    assert log.events == ["enter r", "leave r"]


# -- for each call -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["map", "filter", "flat_map"])
@pytest.mark.parametrize("options", [{}, {"max_in_flight": 3}, {"max_in_flight": 3, "executor": "thread"}])
def test_8_6_entered_for_each_call_and_left_after_it(run_pipeline: Run, method: str, options: dict[str, Any]) -> None:
    if method == "flat_map" and options:
        options = {"max_in_flight": 3}
    log, lock = Log(), threading.Lock()
    made: list[int] = []

    @contextmanager
    def make(name: str) -> Iterator[int]:
        with lock:
            mine = len(made)
            made.append(0)
        yield mine
        made[mine] += 1

    def use(number: int, held: int, again: int) -> Any:
        log(f"use {number}")
        assert (held, made[held]) == (again, 0)
        return [number] if method == "flat_map" else 1

    @pipeline
    def used(count: int, name: str) -> Any:
        held = resource(make, name, scope="item")
        items = numbers(count)
        return getattr(items, method)(step("use", fn=use, **options), held, again=held)

    expected = [1, 1, 1, 1] if method == "map" else [0, 1, 2, 3]
    assert run_pipeline(used, 4, "r") == expected
    assert sorted(log.events) == [f"use {number}" for number in range(4)]
    assert made == [1, 1, 1, 1]


@each_kind
@pytest.mark.parametrize("method", ["map", "filter", "flat_map"])
@pytest.mark.parametrize("bound", [1, 3])
def test_8_6_entered_for_each_call_of_an_async_step(run_pipeline: Run, make: Any, method: str, bound: int) -> None:
    log, tasks = Log(), set[Any]()

    async def use(number: int, held: str) -> Any:
        await asyncio.sleep(0)
        tasks.add(asyncio.current_task())
        log(f"use {number}")
        return [number] if method == "flat_map" else True

    @pipeline
    def used(count: int) -> Any:
        held = resource(make, log, "r", scope="item")
        return getattr(numbers(count), method)(step("use", fn=use, max_in_flight=bound), held)

    assert len(run_pipeline(used, 3)) == 3
    assert sorted(log.events) == sorted(["enter r", "leave r"] * 3 + ["use 0", "use 1", "use 2"])
    if bound == 1:
        assert log.events == [event for n in range(3) for event in ("enter r", f"use {n}", "leave r")]


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_8_6_calls_that_overlap_have_their_own(run_pipeline: Run, executor: Any) -> None:
    """Every call waits until as many are running as may be."""
    at_once, together = threading.Barrier(3, timeout=20), asyncio.Event()
    busy: list[object] = []

    def make() -> object:
        return object()

    def use(number: int, held: object) -> object:
        at_once.wait()
        return held

    async def use_async(number: int, held: object) -> object:
        busy.append(held)
        if len(busy) == 3:
            together.set()
        await together.wait()
        return held

    called = step("use", fn=use, executor="thread") if executor == "thread" else step("use", fn=use_async)

    @pipeline
    def used(count: int) -> Stream[object]:
        return numbers(count).map(called.options(max_in_flight=3), resource(make, scope="item"))

    assert len(set(run_pipeline(used, 3))) == 3


def test_8_6_entered_in_the_worker_process_of_the_call() -> None:
    @contextmanager
    def make() -> Iterator[int]:
        yield os.getpid()

    def use(number: int, held: int) -> bool:
        return held == os.getpid() != parent

    parent = os.getpid()

    @pipeline
    def used(count: int) -> Stream[bool]:
        called = step("use", fn=use, executor="process", max_in_flight=2)
        return numbers(count).map(called, resource(make, scope="item"))

    assert used.run(3) == [True] * 3


@pytest.mark.parametrize("way", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("ends", ["by itself", "early"])
def test_8_6_generator_has_it_until_it_has_ended_or_is_closed(run_pipeline: Run, way: Any, ends: str) -> None:
    log = Log()
    source, _, options = way

    def some(items: Iterator[int]) -> list[int]:
        return list(items) if ends == "by itself" else [next(items)]

    if source is Log.source:

        def generator(count: int, held: str) -> Iterator[int]:
            yield from log.source(count)

    else:

        async def generator(count: int, held: str) -> AsyncIterator[int]:  # type: ignore[misc]
            items = log.source_in_task(count)
            try:
                async for item in items:
                    yield item
            finally:
                await items.aclose()  # type: ignore[attr-defined]

    @pipeline
    def used(count: int) -> list[int]:
        held = resource(Log.plain, log, "r", scope="item")
        return step(some)(step("generator", fn=generator, **options)(count, held))

    assert run_pipeline(used, 3) == ([0, 1, 2] if ends == "by itself" else [0])
    heard = [event for event in log.events if " hears " in event]
    assert [event for event in log.events if event not in heard] == ["enter r", "source", "source closed", "leave r"]
    assert bool(heard) == (ends == "early")
    assert set(heard) <= {"r hears GeneratorExit()", "r hears CancelledError()"}


def test_8_6_once_for_the_call_of_a_value_step(run_pipeline: Run) -> None:
    log = Log()

    def total(items: Iterator[int], held: str) -> int:
        return sum(items)

    async def total_async(items: AsyncIterator[int], held: str) -> int:
        return sum([item async for item in items])

    @pipeline
    def totals(count: int) -> tuple[int, int]:
        held = resource(Log.plain, log, "r", scope="item")
        return step(total)(numbers(count), held), step(total_async)(numbers(count), held)

    assert run_pipeline(totals, 4) == (6, 6)
    assert sorted(log.events) == ["enter r", "enter r", "leave r", "leave r"]


@each_kind
def test_8_6_resources_of_a_call_may_take_each_other_and_those_of_the_run(run_pipeline: Run, make: Any) -> None:
    log = Log()

    async def use(number: int, last: str, middle: str) -> tuple[str, str]:
        return last, middle

    @pipeline
    def used(count: int) -> Stream[tuple[str, str]]:
        first = resource(Log.plain, log, "first")
        middle = resource(make, log, "middle", first, scope="item")
        last = resource(Log.plain, log, "last", middle, first, scope="item")
        return numbers(count).map(use, last, middle)

    assert run_pipeline(used, 2) == [("last", "middle")] * 2
    call = ["enter middle", "enter last", "leave last", "leave middle"]
    assert log.events == ["enter first", *call, *call, "leave first"]


@each_kind
@pytest.mark.parametrize("bound", [1, 3])
def test_8_7_failure_of_a_call_is_told_to_what_it_has_entered(run_pipeline: Run, make: Any, bound: int) -> None:
    log = Log()

    @pipeline
    def used(count: int) -> Stream[int]:
        return numbers(count).map(
            step("use_in_task", fn=log.use_in_task, max_in_flight=bound), resource(make, log, "r", scope="item")
        )

    with pytest.raises(ValueError, match="three") as caught:
        run_pipeline(used, 4)
    assert log.events.count("r hears ValueError('three')") == 1
    assert log.events.count("enter r") == log.events.count("leave r")
    [note] = caught.value.__notes__
    assert note.endswith(" failed at item 4; path used/use_in_task")


@each_failing
@pytest.mark.parametrize("at", ["enter", "leave"])
def test_8_7_failure_of_a_resource_of_a_call_names_both(run_pipeline: Run, make: Any, at: str) -> None:
    log = Log()

    @pipeline
    def used(count: int) -> Stream[int]:
        return numbers(count).map(log.use_in_task, resource(make, log, at, scope="item"))

    with pytest.raises(LookupError, match="while") as caught:
        run_pipeline(used, 3)
    first, second = caught.value.__notes__
    assert first.startswith(f"headrace: resource '{make.__name__}' (")
    assert second.endswith(" failed at item 1; path used/use_in_task")


@each_failing
@pytest.mark.parametrize("at", ["", "leave", "raise again"])
def test_8_7_failure_of_a_call_cannot_be_swallowed(run_pipeline: Run, make: Any, at: str) -> None:
    log = Log()

    @pipeline
    def used(count: int) -> Stream[int]:
        return numbers(count).map(log.use_in_task, resource(make, log, at, True, scope="item"))

    with pytest.raises(ValueError, match="three") as caught:
        run_pipeline(used.override({numbers: lambda count: [3]}), 9)
    assert caught.value.__notes__[:-1] == (["headrace: then LookupError: while leaving"] if at == "leave" else [])


def test_8_7_failure_while_leaving_after_an_early_end_is_that_of_the_run(run_pipeline: Run) -> None:
    def source(count: int, held: str) -> Iterator[int]:
        yield from range(count)

    def first(items: Iterator[int]) -> int:
        return next(items)

    @pipeline
    def early(count: int) -> int:
        return step(first)(step(source)(count, resource(FailingPlain, Log(), "leave", scope="item")))

    with pytest.raises(LookupError, match="while leaving"):
        run_pipeline(early, 3)


def test_8_7_plain_step_cannot_enter_an_async_resource_for_each_call(run_pipeline: Run) -> None:
    log = Log()

    @pipeline
    def used(count: int) -> Stream[str]:
        return numbers(count).map(_second, resource(lambda: Log.in_task(log, "r"), scope="item"))

    with pytest.raises(RunError, match="which takes 'async with'; make the step async, or leave out scope='item'"):
        run_pipeline(used, 3)


# -- in pipelines that are mapped over a stream ------------------------------------------------------------


@step
def twice(number: int) -> Iterator[int]:
    yield number
    yield number


@each_kind
def test_8_8_mapped_pipeline_shares_its_resources_among_the_items(run_pipeline: Run, make: Any) -> None:
    log = Log()

    @pipeline
    def part(number: int) -> str:
        held = resource(make, log, "r", resource(Log.plain, log, "first"))
        return step("joined", fn="".join)(twice(number).map(_second, held).collect())

    @pipeline
    def whole(count: int) -> Stream[str]:
        return numbers(count).map(part)

    assert run_pipeline(whole, 3) == ["rr"] * 3
    assert log.events == ["enter first", "enter r", "leave r", "leave first"]


@each_kind
@pytest.mark.parametrize("gives", ["value", "stream"])
def test_8_8_resource_that_depends_on_the_item_is_that_of_the_item(run_pipeline: Run, make: Any, gives: str) -> None:
    log = Log()

    def name_of(number: int) -> str:
        return f"r{number}"

    def both(number: int, held: str) -> Iterator[str]:
        yield held
        yield held

    @pipeline
    def part(number: int) -> Any:
        held = resource(make, log, step(name_of)(number))
        found = step(both)(number, held)
        return found.collect() if gives == "value" else found

    @pipeline
    def whole(count: int) -> Any:
        return getattr(numbers(count), "map" if gives == "value" else "flat_map")(part)

    expected = [["r0", "r0"], ["r1", "r1"]] if gives == "value" else ["r0", "r0", "r1", "r1"]
    assert run_pipeline(whole, 2) == expected
    assert log.events == ["enter r0", "leave r0", "enter r1", "leave r1"]


def test_8_8_resource_for_each_call_in_a_mapped_pipeline(run_pipeline: Run) -> None:
    log = Log()

    @pipeline
    def part(number: int) -> tuple[str, list[str]]:
        held = resource(Log.plain, log, "r", resource(Log.plain, log, "run"), scope="item")
        return step(_second)(number, held), twice(number).map(_second, held).collect()

    @pipeline
    def whole(count: int) -> Stream[tuple[str, list[str]]]:
        return numbers(count).map(part)

    assert run_pipeline(whole, 2) == [("r", ["r", "r"])] * 2
    assert log.events == ["enter run", *["enter r", "leave r"] * 6, "leave run"]


def test_8_8_mapped_pipeline_is_overridden_with_the_one_around_it(run_pipeline: Run) -> None:
    @pipeline
    def part(number: int) -> list[str]:
        return twice(number).map(_second, resource(Log.plain, Log(), "r")).collect()

    @pipeline
    def whole(count: int) -> Stream[list[str]]:
        return numbers(count).map(part)

    fake = whole.override({Log.plain: lambda log, name: "fake", numbers: lambda count: [1]})
    assert run_pipeline(fake, 2) == [["fake", "fake"]]
