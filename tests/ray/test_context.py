"""What the code of steps sees in actors: context variables, and what observers have around it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from headrace import CallStarted, OptionError, RayRunner, RunEnded, RunStarted, StepStarted, UnpicklableError, step
from tests.ray.variables import PLACE, TENANT, Marked

REQUEST: contextvars.ContextVar[Any] = contextvars.ContextVar("request", default="none")


@step(max_in_flight=2)
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def seen(number: int) -> tuple[Any, ...]:
    return REQUEST.get(), TENANT.get("none")


async def seen_in_task(number: int) -> tuple[Any, ...]:
    return seen(number)


HOW = [
    step("inline", fn=seen),
    step("thread", fn=seen, executor="thread", max_in_flight=2),
    step("task", fn=seen_in_task, max_in_flight=2),
]
each_way = pytest.mark.parametrize("see", HOW, ids=lambda each: each.name)


@each_way
def test_named_context_variables_are_seen_in_actors(runner: RayRunner, see: Any) -> None:
    local = contextvars.ContextVar("local", default="none")

    @step
    def also(found: tuple[Any, ...]) -> tuple[Any, ...]:
        return *found, local.get()

    def within(count: int) -> list[Any]:
        REQUEST.set("mine")
        TENANT.set("me")
        local.set("here")
        chosen = RayRunner(context=[REQUEST, TENANT, local])
        assert chosen.execute(numbers | see | also, count).result == [("mine", "me", "here")] * count
        assert [*chosen.iter(numbers | see | also, count)] == [("mine", "me", "here")] * count
        return runner.execute(numbers | see | also, count).result

    assert contextvars.copy_context().run(within, 2) == [("none", "none", "none")] * 2


def test_variable_that_is_missed_comes_back_as_the_same_one(runner: RayRunner) -> None:
    local: contextvars.ContextVar[Any] = contextvars.ContextVar("local")
    with pytest.raises(LookupError) as caught:
        runner.execute(numbers | step("missing", fn=lambda _: local.get()), 2)
    assert caught.value.args == (local,)


def test_named_context_variables_are_those_of_the_task_that_iterates(runner: RayRunner) -> None:
    async def main() -> list[Any]:
        REQUEST.set("mine")
        return [item async for item in RayRunner(context=[REQUEST]).aiter(numbers | seen, 2)]

    assert asyncio.run(main()) == [("mine", "none")] * 2


def test_value_that_cannot_travel_is_named(runner: RayRunner) -> None:
    def within() -> None:
        REQUEST.set(threading.Lock())
        with pytest.raises(UnpicklableError, match="context variable 'request': cannot be pickled to go to another"):
            RayRunner(context=[REQUEST]).execute(numbers | seen, 2)

    contextvars.copy_context().run(within)
    with pytest.raises(OptionError, match=r"RayRunner .*: context must be a list of context variables .*, got 'all'"):
        RayRunner(context="all")  # type: ignore[arg-type]


class Marks:
    """Marks the code of runs, steps and calls."""

    def __init__(self, *hears: type) -> None:
        self.hears = hears
        self.events: list[Any] = []

    def __call__(self, event: Any) -> None:
        self.events.append(event)

    def around(self, event: Any) -> Callable[[], Marked]:
        name = "run" if isinstance(event, RunStarted) else event.node.name
        return partial(Marked, f"{name} {event.call}" if isinstance(event, CallStarted) else name)


def place(number: int) -> str:
    return PLACE.get()


@pytest.mark.parametrize(
    ("hears", "expected"), [((RunStarted,), {"run"}), ((RunStarted, StepStarted), {"mark"}), ((CallStarted,), None)]
)
@pytest.mark.parametrize("executor", ["inline", "thread", "process"])
def test_code_in_actors_is_within_what_observers_have_around_it(
    runner: RayRunner, hears: tuple[type, ...], expected: Any, executor: Any
) -> None:
    marks = Marks(*hears)
    found = RayRunner(observers=[marks]).execute(
        numbers | step("mark", fn=place, executor=executor, max_in_flight=2), 3
    )
    if executor == "process" and expected == {"run"}:
        expected = {"outside"}  # as on one machine: worker processes have what is around their step
    assert set(found.result) == (expected or {"mark 1", "mark 2", "mark 3"})


def test_what_stays_behind_is_said(runner: RayRunner, caplog: pytest.LogCaptureFixture) -> None:
    class Unpicklable(Marks):
        def around(self, event: Any) -> Any:
            lock = threading.Lock()
            return lambda: lock

    observer = Unpicklable(StepStarted, RunEnded)
    with caplog.at_level(logging.WARNING, "headrace"):
        assert RayRunner(observers=[observer]).execute(numbers | abs, 2).result == [0, 1]
    [message] = caplog.messages
    assert message.startswith("headrace: ")
    assert "stays behind, which an observer has around code" in message
    assert "cannot be pickled" in message
    assert [type(event) for event in observer.events] == [StepStarted, StepStarted, RunEnded]


def test_spans_of_steps_are_children_of_the_run(runner: RayRunner) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from headrace.observe.otel import OpenTelemetryObserver

    @step(max_in_flight=2)
    def current(number: int) -> tuple[int, int]:
        context = trace.get_current_span().get_span_context()
        return context.trace_id, context.span_id

    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    found = RayRunner(observers=[OpenTelemetryObserver(provider)]).execute(numbers | current, 3).result
    by_name = {span.name: span.get_span_context() for span in spans.get_finished_spans()}
    own = by_name["step numbers_to_current/current"]
    assert found == [(own.trace_id, own.span_id)] * 3
    assert own.trace_id == by_name["run numbers_to_current"].trace_id
