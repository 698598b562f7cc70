"""Section 1 of the guarantees, measured from user code."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from headrace import Stream, pipeline, step, stream, zip_streams
from headrace.testing import Meter, Meters

Run = Callable[..., Any]
BOUNDS = [1, 3, 30]
ITEMS = 200


def source_of(meter: Meter | Meters, **options: Any) -> Any:
    """A generator step that counts each item before it yields it."""

    def source(count: int) -> Iterator[int]:
        yield from meter.producing(range(count))

    return step("source", fn=source, **options)


def reader_of(meter: Meter, name: str = "reader") -> Any:
    """A value step that counts each item after it has received it."""

    def reader(items: Iterator[Any]) -> int:
        return sum(1 for _ in meter.taking(items))

    return step(name, fn=reader)


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_1_bound_exact_while_waiting(run_pipeline: Run, bound: int) -> None:
    meter = Meter()
    assert run_pipeline(source_of(meter, max_in_flight=bound) | reader_of(meter), ITEMS) == ITEMS
    assert (meter.highest, meter.count) == (bound, 0)


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_1_bound_exact_for_steps_called_per_item(run_pipeline: Run, bound: int) -> None:
    meter = Meter()
    asked = step("asked", fn=meter.asked, max_in_flight=bound)
    assert len(run_pipeline(source_of(Meter()) | asked | meter.taken, ITEMS)) == ITEMS
    assert meter.highest == bound


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_1_bound_exact_for_the_caller_of_iter(bound: int) -> None:
    meter = Meter()
    for _ in source_of(meter, max_in_flight=bound).iter(ITEMS):
        meter.taken()
    assert meter.highest == bound


def test_1_2_bound_one_is_lockstep(run_pipeline: Run) -> None:
    log: list[str] = []

    @step
    def source() -> Iterator[int]:
        for number in range(3):
            log.append(f"made {number}")
            yield number

    @step
    def reader(items: Iterator[int]) -> None:
        for number in items:
            log.append(f"read {number}")

    run_pipeline(source | reader)
    assert log == ["made 0", "read 0", "made 1", "read 1", "made 2", "read 2"]


def test_1_3_bound_above_one_takes_effect(run_pipeline: Run) -> None:
    log: list[str] = []

    @step(max_in_flight=3)
    def submit(number: int) -> int:
        log.append(f"submit {number}")
        return number

    @step
    def resolve(number: int) -> None:
        log.append(f"resolve {number}")

    @pipeline
    def work() -> None:
        stream(range(5)).map(submit).map(resolve)

    run_pipeline(work)
    assert log == [
        *("submit 0", "submit 1", "submit 2"),  # full before the first is handed over
        *("resolve 0", "submit 3", "resolve 1", "submit 4", "resolve 2", "resolve 3", "resolve 4"),
    ]


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("readers", [2, 3, 5])
def test_1_4_bound_exact_per_branch(run_pipeline: Run, bound: int, readers: int) -> None:
    names = [f"reader{index}" for index in range(readers)]
    meters = Meters(*names)
    source = source_of(meters, max_in_flight=bound)

    @pipeline
    def fan_out(count: int) -> None:
        items = source(count)
        for name in names:
            reader_of(meters.of[name], name)(items)

    run_pipeline(fan_out, ITEMS)
    assert meters.highest == dict.fromkeys(names, bound)
    assert all(meter.count == 0 for meter in meters.of.values())


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_4_bound_exact_per_branch_of_fused_steps(run_pipeline: Run, bound: int) -> None:
    meters = Meters("left", "right")
    source = source_of(meters, max_in_flight=bound)

    @pipeline
    def fan_out(count: int) -> None:
        items = source(count)
        items.map(meters.of["left"].taken)
        items.filter(lambda number: number % 2).map(str)
        items.map(meters.of["right"].taken).collect()

    run_pipeline(fan_out, ITEMS)
    assert meters.highest == {"left": bound, "right": bound}


def test_1_4_slow_branch_holds_back_the_producer(run_pipeline: Run) -> None:
    """The slow branch takes an item only when the quick one has waited for it."""
    log: list[str] = []

    @step(max_in_flight=2)
    def source() -> Iterator[int]:
        for number in range(6):
            log.append(f"made {number}")
            yield number

    @step
    def quick(items: Iterator[int]) -> None:
        for number in items:
            log.append(f"quick {number}")

    @step
    def slow(items: Iterator[int]) -> None:
        for number in items:
            log.append(f"slow {number}")

    @pipeline
    def fan_out() -> None:
        items = source()
        quick(items)
        slow(items)

    run_pipeline(fan_out)
    for number in range(2, 6):  # never made before the slow branch took the one two before it
        assert log.index(f"made {number}") > log.index(f"slow {number - 2}")
        assert log.index(f"made {number}") > log.index(f"quick {number - 2}")
    assert len(log) == 18


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_5_closed_branch_stops_counting(run_pipeline: Run, bound: int) -> None:
    source = source_of(Meter(), max_in_flight=bound)

    @step
    def first_two(items: Iterator[int]) -> list[int]:
        return list(islice(items, 2))

    @step
    def total(items: Iterator[int]) -> int:
        return sum(items)

    @pipeline
    def fan_out(count: int) -> tuple[list[int], int]:
        items = source(count)
        return first_two(items), total(items)

    assert run_pipeline(fan_out, ITEMS) == ([0, 1], sum(range(ITEMS)))


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_5_generator_that_returns_early_closes_its_branch(run_pipeline: Run, bound: int) -> None:
    source = source_of(Meter(), max_in_flight=bound)

    @step
    def first_two(items: Iterator[int]) -> Iterator[int]:
        yield from islice(items, 2)

    @step
    def ignores(items: Iterator[int]) -> Iterator[int]:
        return
        yield 0

    @pipeline
    def fan_out(count: int) -> tuple[list[int], list[int], list[int]]:
        items = source(count)
        return first_two(items).map(abs).collect(), ignores(items).collect(), items.collect()

    assert run_pipeline(fan_out, ITEMS) == ([0, 1], [], list(range(ITEMS)))


def test_1_5_producer_is_closed_when_every_branch_is(run_pipeline: Run) -> None:
    log: list[str] = []

    @step
    def source() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield (number := number + 1)
        finally:
            log.append("closed")

    @step
    def take(items: Iterator[int], count: int) -> list[int]:
        return list(islice(items, count))

    @step
    def after(left: list[int], right: list[int]) -> str:
        return f"{left} {right} {log}"

    @pipeline
    def fan_out() -> str:
        items = source()
        return after(take(items, 2), take(items, 4))

    assert run_pipeline(fan_out) == "[1, 2] [1, 2, 3, 4] ['closed']"


@pytest.mark.parametrize("executor", ["inline", "thread"])
@pytest.mark.parametrize("bound", BOUNDS)
def test_1_6_nothing_is_asked_without_a_space(run_pipeline: Run, bound: int, executor: Any) -> None:
    """A reader that wants k items lets at most k - 1 + bound be made."""
    made: list[int] = []

    def numbers() -> Iterator[int]:
        number = 0
        while True:
            made.append(number)
            yield number
            number += 1

    source = step("source", fn=numbers, max_in_flight=bound, executor=executor)

    @step
    def three(items: Iterator[int]) -> list[int]:
        return list(islice(items, 3))

    assert run_pipeline(source | three) == [0, 1, 2]
    assert len(made) <= 2 + bound
    assert len(made) == 2 + bound or executor == "thread"


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("bound", BOUNDS)
def test_1_7_as_completed_respects_bound(run_pipeline: Run, bound: int, ordered: bool) -> None:
    meter = Meter()
    work = step("work", fn=meter.asked, max_in_flight=bound, executor="thread", ordered=ordered)
    results = run_pipeline(source_of(Meter()) | work | step("received", fn=meter.taking), ITEMS)
    assert sorted(results) == list(range(ITEMS))
    assert results == list(range(ITEMS)) or not ordered
    assert meter.highest == bound


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_7_thread_calls_overlap_up_to_the_bound(run_pipeline: Run, bound: int) -> None:
    """Every call waits until as many are running as may be: that ends only if they do overlap."""
    barrier = threading.Barrier(bound)

    @step(max_in_flight=bound, executor="thread")
    def meet(number: int) -> int:
        barrier.wait(timeout=20)
        return number

    @pipeline
    def work() -> Stream[int]:
        return stream(range(bound * 3)).map(meet)

    assert run_pipeline(work) == list(range(bound * 3))


def test_1_7_concurrency_caps_the_calls_and_not_the_items(run_pipeline: Run) -> None:
    running = Meter()
    in_flight = Meter()

    @step(max_in_flight=12, concurrency=4, executor="thread")
    def work(number: int) -> int:
        running.asked()
        in_flight.asked()
        running.taken()
        return number

    @step
    def reader(items: Iterator[int]) -> int:
        return sum(1 for _ in in_flight.taking(items))

    assert run_pipeline(source_of(Meter()) | work | reader, ITEMS) == ITEMS
    assert running.highest <= 4
    assert in_flight.highest <= 12


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_7_item_goes_to_a_thread_only_when_its_call_begins(run_pipeline: Run, bound: int) -> None:
    """The edge into a threaded step keeps the bound of the producer before it."""
    meter = Meter()
    work = step("work", fn=meter.taken, max_in_flight=8, executor="thread")
    assert len(run_pipeline(source_of(meter, max_in_flight=bound) | work, ITEMS)) == ITEMS
    assert meter.highest == bound


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_7_generator_in_a_thread_runs_ahead_exactly(run_pipeline: Run, bound: int) -> None:
    meter = Meter()
    source = source_of(meter, max_in_flight=bound, executor="thread")
    assert run_pipeline(source | reader_of(meter), ITEMS) == ITEMS
    assert meter.highest <= bound


def test_1_7_generator_in_a_thread_overlaps_with_its_consumer(run_pipeline: Run) -> None:
    """The producer gets to its third item while the consumer still holds the first."""
    third_is_made = threading.Event()

    @step(max_in_flight=3, executor="thread")
    def source() -> Iterator[int]:
        yield 0
        yield 1
        third_is_made.set()
        yield 2

    @step
    def reader(items: Iterator[int]) -> bool:
        next(items)
        return third_is_made.wait(timeout=20)

    assert run_pipeline(source | reader) is True


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_7_edge_into_a_generator_in_a_thread_keeps_its_bound(run_pipeline: Run, bound: int) -> None:
    meters = Meters("thread", "other")
    source = source_of(meters, max_in_flight=bound)

    @step(max_in_flight=4, executor="thread")
    def through(items: Iterator[int]) -> Iterator[int]:
        yield from meters.of["thread"].taking(items)

    @pipeline
    def fan_out(count: int) -> tuple[list[int], int]:
        items = source(count)
        return through(items).collect(), reader_of(meters.of["other"])(items)

    assert run_pipeline(fan_out, ITEMS) == (list(range(ITEMS)), ITEMS)
    assert meters.of["thread"].highest <= bound
    assert meters.of["other"].highest <= bound


@pytest.mark.parametrize("executor", ["inline", "thread"])
def test_1_8_bound_holds_across_chained_stages(run_pipeline: Run, executor: Any) -> None:
    meters = [Meter(), Meter(), Meter()]

    def stage(items: Iterator[int], before: Meter, after: Meter) -> Iterator[int]:
        for item in items:
            before.taken()
            after.asked()
            yield item

    first = step("first", fn=stage, max_in_flight=2)
    second = step("second", fn=stage, max_in_flight=5, executor=executor)
    source = source_of(meters[0], max_in_flight=3)

    @pipeline
    def chain(count: int) -> int:
        items = second(first(source(count), meters[0], meters[1]), meters[1], meters[2])
        return reader_of(meters[2])(items)  # type: ignore[no-any-return]

    assert run_pipeline(chain, ITEMS) == ITEMS
    assert [meter.highest for meter in meters[:2]] == [3, 2]
    assert meters[2].highest <= 5


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_8_bound_holds_in_a_diamond(run_pipeline: Run, bound: int) -> None:
    meters = Meters("left", "right")
    source = source_of(meters, max_in_flight=bound)

    @pipeline
    def diamond(count: int) -> Stream[tuple[int, int]]:
        items = source(count)
        return zip_streams(items.map(meters.of["left"].taken), items.map(meters.of["right"].taken))

    assert len(run_pipeline(diamond, ITEMS)) == ITEMS
    assert meters.highest == {"left": bound, "right": bound}


def test_1_8_bound_holds_in_nested_fan_outs(run_pipeline: Run) -> None:
    outer, inner = Meters("inner", "b"), Meters("c", "d")
    source = source_of(outer, max_in_flight=3)

    @step(max_in_flight=2)
    def middle(items: Iterator[int]) -> Iterator[int]:
        for item in outer.of["inner"].taking(items):
            inner.asked()
            yield item

    @pipeline
    def tree(count: int) -> None:
        items = source(count)
        reader_of(outer.of["b"], "b")(items)
        below = middle(items)
        reader_of(inner.of["c"], "c")(below)
        reader_of(inner.of["d"], "d")(below)

    run_pipeline(tree, ITEMS)
    assert outer.highest == {"inner": 3, "b": 3}
    assert inner.highest == {"c": 2, "d": 2}


@pytest.mark.parametrize("executor", ["inline", "thread"])
def test_1_9_slot_is_never_leaked_by_a_filter(run_pipeline: Run, executor: Any) -> None:
    keep = step("keep", fn=lambda number: number % 50 == 0, max_in_flight=4, executor=executor)

    @pipeline
    def some() -> Stream[int]:
        return stream(range(1000)).filter(keep)

    assert run_pipeline(some) == list(range(0, 1000, 50))


def test_1_9_slot_is_never_leaked_by_a_failure(run_pipeline: Run) -> None:
    """A pipeline that has failed runs as well as before."""
    calls = Meter()

    @step(max_in_flight=4, executor="thread")
    def work(number: int, bad: int) -> int:
        calls.asked()
        calls.taken()
        if number == bad:
            raise ValueError(number)
        return number

    @pipeline
    def fails_once(bad: int) -> Stream[int]:
        return stream(range(50)).map(work, bad)

    for bad in range(10):
        with pytest.raises(ValueError, match=str(bad)):
            run_pipeline(fails_once, bad)
    assert run_pipeline(fails_once, -1) == list(range(50))
    assert calls.count == 0


def test_1_10_generated_nodes_have_bound_one() -> None:
    @step(max_in_flight=7)
    def double(number: int) -> int:
        return number * 2

    @pipeline
    def inner(numbers: list[int]) -> list[int]:
        return stream(numbers).map(double).collect()

    @pipeline
    def outer(numbers: list[int]) -> list[int]:
        stream(inner(numbers)).map(double)
        return inner(numbers)

    generated = [node for node in outer.dag.nodes if node.function is None and node.kind != "parameter"]
    assert {node.kind for node in generated} == {"iterate", "collect", "drain"}
    assert {node.max_in_flight for node in generated} == {1}


def test_1_10_expansion_keeps_max_in_flight() -> None:
    double = step("double", fn=lambda number: number * 2, max_in_flight=7, executor="thread", concurrency=3)

    @pipeline
    def inner(numbers: Stream[int]) -> Stream[int]:
        return numbers.map(double)

    @pipeline
    def outer(numbers: Stream[int]) -> Stream[int]:
        return inner(inner(numbers))

    nodes = [node for node in outer.dag.nodes if node.name == "double"]
    assert [node.id for node in nodes] == ["outer/inner/double", "outer/inner#2/double"]
    assert [(node.max_in_flight, node.concurrency, node.executor) for node in nodes] == [(7, 3, "thread")] * 2


def test_1_7_step_that_is_called_once_may_run_in_a_thread(run_pipeline: Run) -> None:
    threads: list[str] = []

    @step(executor="thread")
    def length(items: list[int]) -> int:
        threads.append(threading.current_thread().name)
        return len(items)

    @pipeline
    def once(items: list[int]) -> int:
        return length(stream(items).collect())

    assert run_pipeline(once, [1, 2]) == 2
    assert threads == ["headrace length 0"]


def test_1_11_runner_reads_only_the_dag(run_pipeline: Run) -> None:
    meter = Meter()
    source = source_of(meter, max_in_flight=3)
    line = source | reader_of(meter)
    line.dag  # compiled
    source.settings = source.options(max_in_flight=30).settings
    source.function = lambda count: iter(())
    assert run_pipeline(line, ITEMS) == ITEMS
    assert meter.highest == 3
