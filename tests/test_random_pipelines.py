"""Generated pipelines: whatever the shape, the result is that of plain Python over lists."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace import DeadlockError, LengthError, SyncRunner, pipeline, step, zip_streams
from headrace.engine.lines import Lines

PLENTY = 100


@dataclass(frozen=True)
class Op:
    """One step of a generated pipeline: what it reads (positions of earlier streams), and how it runs."""

    kind: str
    inputs: tuple[int, ...]
    bound: int
    thread: bool


def offspring(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield item
        if item % 3 == 0:
            yield -item


def few(items: Iterator[Any]) -> Iterator[Any]:
    yield from itertools.islice(items, 2)


def both(left: Iterator[Any], right: Iterator[Any]) -> Iterator[Any]:
    """Reads at an uneven pace: two of the left for one of the right."""
    for item in left:
        yield item
        yield from itertools.islice(left, 1)
        yield from itertools.islice(right, 1)
    yield from right


def number_of(item: Any) -> int:
    return item if isinstance(item, int) else sum(map(number_of, item))


def increment(item: Any) -> int:
    return number_of(item) + 1


def is_even(item: Any) -> bool:
    return number_of(item) % 2 == 0


def twice(item: Any) -> list[int]:
    return [number_of(item)] * (number_of(item) % 3)


def numbers(items: Iterator[Any]) -> Iterator[int]:
    return map(number_of, items)


WHOLE: dict[str, Callable[..., Iterator[Any]]] = {
    "offspring": lambda items: offspring(numbers(items)),
    "few": few,
    "both": both,
}


def batches(items: list[Any], size: int) -> list[Any]:
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]


def expected(ops: list[Op], count: int) -> list[list[Any]]:
    """Every stream as a list. Raises LengthError where a strict zip would."""
    streams: list[list[Any]] = [list(range(count))]
    for op in ops:
        inputs = [streams[index] for index in op.inputs]
        if op.kind == "zip":
            if len(inputs[0]) != len(inputs[1]):
                raise LengthError
            streams.append(list(zip(*inputs, strict=True)))
        elif op.kind == "batch":
            streams.append(batches(inputs[0], 2))
        elif op.kind in WHOLE:
            streams.append(list(WHOLE[op.kind](*map(iter, inputs))))
        else:
            streams.append({"map": _map, "filter": _filter, "flat_map": _flat_map}[op.kind](inputs[0]))
    return streams


def _map(items: list[Any]) -> list[Any]:
    return [increment(item) for item in items]


def _filter(items: list[Any]) -> list[Any]:
    return [item for item in items if is_even(item)]


def _flat_map(items: list[Any]) -> list[Any]:
    return [inner for item in items for inner in twice(item)]


def built(ops: list[Op], source_bound: int, plenty: bool) -> Any:
    """The pipeline of `ops`; every stream that nobody reads is collected and returned."""

    def options(op: Op) -> dict[str, Any]:
        return {
            "max_in_flight": PLENTY if plenty else op.bound,
            "executor": "thread" if op.thread else "inline",
        }

    def source(count: int) -> Iterator[int]:
        yield from range(count)

    def body(count: int) -> Any:
        streams = [step("source", fn=source, max_in_flight=PLENTY if plenty else source_bound)(count)]
        for position, op in enumerate(ops):
            inputs = [streams[index] for index in op.inputs]
            name = f"{op.kind}{position}"
            if op.kind == "zip":
                streams.append(zip_streams(inputs[0], inputs[1]))
            elif op.kind == "batch":
                streams.append(inputs[0].batched(2))
            elif op.kind in WHOLE:
                streams.append(step(name, fn=_generator(WHOLE[op.kind]), **options(op))(*inputs))
            elif op.kind == "flat_map":
                streams.append(inputs[0].flat_map(step(name, fn=twice, max_in_flight=options(op)["max_in_flight"])))
            elif op.kind == "map":
                streams.append(inputs[0].map(step(name, fn=increment, **options(op))))
            else:
                streams.append(inputs[0].filter(step(name, fn=is_even, **options(op))))
        return tuple(streams[index].collect() for index in ends(ops))

    return pipeline(body)


def _generator(function: Callable[..., Iterator[Any]]) -> Any:
    def generator(*inputs: Iterator[Any]) -> Iterator[Any]:
        yield from function(*inputs)

    return generator


def ends(ops: list[Op]) -> list[int]:
    read = {index for op in ops for index in op.inputs}
    return [index for index in range(len(ops) + 1) if index not in read]


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[list[Op], int, int]:
    ops: list[Op] = []
    for position in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["map", "filter", "flat_map", "offspring", "few", "batch", "zip", "both"]))
        reads = 2 if kind in ("zip", "both") else 1
        inputs = tuple(draw(st.integers(0, position)) for _ in range(reads))
        ops.append(Op(kind, inputs, draw(st.integers(1, 4)), draw(st.integers(0, 5)) == 0))
    return ops, draw(st.integers(0, 12)), draw(st.integers(1, 3))


def outcome(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except (LengthError, DeadlockError) as error:
        return type(error)


@given(pipelines())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_result_is_that_of_plain_python(generated: tuple[list[Op], int, int]) -> None:
    ops, count, source_bound = generated
    reference = outcome(lambda: tuple(expected(ops, count)[index] for index in ends(ops)))
    threads = threading.active_count()

    with_plenty = outcome(lambda: built(ops, source_bound, plenty=True).run(count))
    if reference is LengthError and any(op.kind == "few" for op in ops):
        return  # who stops early may never see the difference
    if with_plenty is DeadlockError:  # zips and batches always have a bound of one
        assert any(op.kind in ("zip", "batch") for op in ops)
    else:
        assert with_plenty == reference

    bounded = built(ops, source_bound, plenty=False)
    got = outcome(lambda: bounded.run(count))
    assert got == reference or got is DeadlockError
    assert got is not DeadlockError or any(op.kind in ("zip", "both") for op in ops)
    assert threading.active_count() == threads

    events: list[Any] = []
    outcome(lambda: SyncRunner(observers=[events.append]).execute(bounded, count))
    bounds = {node.id: node.max_in_flight for node in bounded.dag.nodes}
    for edge in events[-1].report.edges:
        assert edge.highest_in_flight <= bounds[edge.source]


@given(pipelines())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_express_taps_change_nothing(generated: tuple[list[Op], int, int]) -> None:
    """The shortcut and the general loop give the same result, the same counts, and lock up in the same pipelines."""
    ops, count, source_bound = generated
    ops = [replace(op, thread=False) for op in ops]

    def done() -> Any:
        events: list[Any] = []
        pipeline = built(ops, source_bound, plenty=False)
        result = outcome(lambda: SyncRunner(observers=[events.append]).execute(pipeline, count).result)
        return result, None if isinstance(result, type) else events[-1].report

    with_express = done()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lines, "_waits_here_only", lambda self, id: False)
        assert done() == with_express
