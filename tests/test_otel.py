"""Spans and metrics of OpenTelemetry."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from headrace import AsyncRunner, CallStarted, Event, Retry, pipeline, resource, step
from headrace.drivers import aio, runner
from headrace.observe.otel import OpenTelemetryObserver
from headrace.testing import RUNNERS, Runner

each_runner = pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner.name)
with_calls = pytest.mark.parametrize("calls", [False, True], ids=["steps", "calls"])


class Telemetry:
    """An observer, and what came of it."""

    def __init__(self, *, calls: bool = False) -> None:
        self.exported = InMemorySpanExporter()
        self.processor = SimpleSpanProcessor(self.exported)
        self.provider = TracerProvider()
        self.provider.add_span_processor(self.processor)
        self.reader = InMemoryMetricReader()
        self.observer = OpenTelemetryObserver(self.provider, MeterProvider([self.reader]), calls=calls)
        self.tracer = self.provider.get_tracer("app")

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """Those that have ended, by name."""
        return {span.name: span for span in self.exported.get_finished_spans()}

    def parent(self, span: ReadableSpan) -> str | None:
        """The name of its parent."""
        return self.names()[span.parent.span_id] if span.parent else None

    def names(self) -> dict[int, str]:
        """The name of each span that has ended, by its id."""
        return {span.context.span_id: span.name for span in self.exported.get_finished_spans() if span.context}

    def parents(self, name: str) -> list[str | None]:
        """The names of the parents of all spans of that name, each once."""
        named = [span for span in self.exported.get_finished_spans() if span.name == name]
        return sorted({self.parent(span) for span in named}, key=str)

    def points(self) -> dict[str, Any]:
        """The data points of each metric."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        found = [metric for each in data.resource_metrics for scope in each.scope_metrics for metric in scope.metrics]
        return {metric.name: list(metric.data.data_points) for metric in found}


def span_here(_: object = None) -> int:
    """The span in which this is called."""
    return trace.get_current_span().get_span_context().span_id


@step
def numbers(count: int) -> Iterator[int]:
    for number in range(count):
        yield number


def observed(runner: Runner, telemetry: Telemetry, flow: Any, *arguments: Any) -> Any:
    return runner.execute({"observers": [telemetry.observer]}, flow, *arguments)


@each_runner
def test_the_run_has_a_span_and_each_step_one_in_it(runner: Runner) -> None:
    telemetry = Telemetry()
    observed(runner, telemetry, numbers | step("inverse", fn=lambda n: 1 / (n + 1), max_in_flight=3), 3)
    spans = telemetry.spans
    assert set(spans) == {
        "run numbers_to_inverse",
        "step numbers_to_inverse/inverse",
        "step numbers_to_inverse/numbers",
    }
    assert telemetry.parents("run numbers_to_inverse") == [None]
    assert telemetry.parents("step numbers_to_inverse/numbers") == ["run numbers_to_inverse"]
    inverse = dict(spans["step numbers_to_inverse/inverse"].attributes or {})
    assert inverse.pop("headrace.step.busy_seconds") > 0
    assert inverse == {
        "headrace.step.id": "numbers_to_inverse/inverse",
        "headrace.step.name": "inverse",
        "headrace.step.kind": "map",
        "headrace.step.executor": "inline",
        "headrace.step.max_in_flight": 3,
        "headrace.step.items_in": 3,
        "headrace.step.items_out": 3,
        "headrace.step.failed": 0,
        "headrace.step.skipped": 0,
        "headrace.step.retried": 0,
    }


@each_runner
def test_the_span_of_a_run_is_within_the_one_that_is_current_where_it_is_started(runner: Runner) -> None:
    telemetry = Telemetry()
    with telemetry.tracer.start_as_current_span("outer") as outer:
        observed(runner, telemetry, numbers, 3)
        assert trace.get_current_span() is outer
    assert telemetry.parents("run numbers") == ["outer"]


# Every way in which the code of a step may run. Each gives the id of the span that it sees, for each item.


def spans_read(items: Iterator[int]) -> Iterator[int]:
    for _ in items:
        yield span_here()


async def spans_read_in_task(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for _ in items:
        await asyncio.sleep(0)
        yield span_here()


def spans_made(count: int) -> Iterator[int]:
    for _ in range(count):
        yield span_here()


async def spans_made_in_task(count: int) -> AsyncIterator[int]:
    for _ in range(count):
        await asyncio.sleep(0)
        yield span_here()


async def span_in_task(item: object) -> int:
    await asyncio.sleep(0)
    return span_here()


async def spread_in_task(item: object) -> AsyncIterator[int]:
    await asyncio.sleep(0)
    yield span_here()
    await asyncio.sleep(0)
    yield span_here()


def spread(item: object) -> Iterator[int]:
    yield span_here()
    yield span_here()


def as_list(count: int) -> list[int]:
    return [span_here()] * count


def lazily(count: int) -> Iterator[int]:
    return iter([span_here()] * count)


PER_ITEM: dict[str, Any] = {
    "inline": numbers | step("code", fn=span_here),
    "ahead": numbers | step("code", fn=span_here, max_in_flight=3),
    "thread": numbers | step("code", fn=span_here, executor="thread"),
    "threads": numbers | step("code", fn=span_here, executor="thread", max_in_flight=3),
    "task": numbers | step("code", fn=span_in_task),
    "tasks": numbers | step("code", fn=span_in_task, max_in_flight=3),
    "processes": numbers | step("code", fn=span_here, executor="process", max_in_flight=3),
    "flat_map": numbers | step("code", fn=spread),
    "flat_map in a task": numbers | step("code", fn=spread_in_task),
}
WHOLE: dict[str, Any] = {
    "source": step("code", fn=spans_made),
    "source ahead": step("code", fn=spans_made, max_in_flight=3) | step("same", fn=lambda span: span),
    "source in a thread": step("code", fn=spans_made, executor="thread"),
    "source in a task": step("code", fn=spans_made_in_task),
    "source that is no generator": step("code", fn=lazily),
    "transform": numbers | step("code", fn=spans_read),
    "transform in a thread": numbers | step("code", fn=spans_read, executor="thread"),
    "transform in a task": numbers | step("code", fn=spans_read_in_task),
    "value": step("code", fn=as_list),
    "value in a thread": step("code", fn=as_list, executor="thread"),
    "value in a process": step("code", fn=as_list, executor="process"),
}


def spans_seen(runner: Runner, telemetry: Telemetry, flow: Any) -> set[str]:
    """The names of the spans that the code of a step sees."""
    seen = observed(runner, telemetry, flow, 4)
    assert len(seen) in (4, 8)
    names = telemetry.names()
    return {names.get(each, "none") for each in seen}


@each_runner
@pytest.mark.parametrize("flow", [*PER_ITEM.values(), *WHOLE.values()], ids=[*PER_ITEM, *WHOLE])
def test_the_span_of_a_step_is_the_current_one_in_its_code(runner: Runner, flow: Any) -> None:
    telemetry = Telemetry()
    assert spans_seen(runner, telemetry, flow) == {f"step {flow.dag.name}/code"}
    assert not trace.get_current_span().get_span_context().is_valid


@each_runner
@pytest.mark.parametrize("flow", PER_ITEM.values(), ids=PER_ITEM)
def test_the_span_of_a_call_is_the_current_one_in_its_code(runner: Runner, flow: Any) -> None:
    telemetry = Telemetry(calls=True)
    assert spans_seen(runner, telemetry, flow) == {f"call {flow.dag.name}/code"}
    spans = telemetry.exported.get_finished_spans()
    assert sum(span.name == f"call {flow.dag.name}/code" for span in spans) == 4
    assert telemetry.parents(f"call {flow.dag.name}/code") == [f"step {flow.dag.name}/code"]
    numbers_of = [(span.attributes or {})["headrace.call.number"] for span in spans if span.name.startswith("call")]
    assert sorted(numbers_of, key=str) == [1, 2, 3, 4]


@each_runner
@pytest.mark.parametrize("flow", PER_ITEM.values(), ids=PER_ITEM)
def test_another_observer_that_hears_of_calls_changes_nothing(runner: Runner, flow: Any) -> None:
    class Calls:
        hears = (CallStarted,)

        def __call__(self, event: Event) -> None: ...

    telemetry = Telemetry()
    seen = runner.execute({"observers": [Calls(), telemetry.observer]}, flow, 2)
    assert {telemetry.names()[each] for each in seen} == {f"step {flow.dag.name}/code"}


@each_runner
def test_what_a_step_reads_is_not_within_its_span(runner: Runner) -> None:
    telemetry = Telemetry()

    def pairs(items: Iterator[int]) -> Iterator[tuple[int, int]]:
        for item in items:
            yield item, span_here()

    both = step("made", fn=spans_made) | step("pairs", fn=pairs, mode="all")
    [(made, read), *_] = observed(runner, telemetry, both, 3)
    names = telemetry.names()
    assert (names[made], names[read]) == ("step made_to_pairs/made", "step made_to_pairs/pairs")


@each_runner
def test_steps_that_wait_for_each_other_do_not_see_each_others_spans(runner: Runner) -> None:
    """Their fibers share the context variables of the run, and take turns."""
    telemetry = Telemetry()

    def mine(items: Iterator[Any]) -> list[int]:
        return [span_here() for _ in items]

    @pipeline
    def readers(count: int) -> tuple[list[int], list[int], list[int]]:
        given = numbers(count)
        left, middle, right = (step(name, fn=mine, mode="all") for name in ("left", "middle", "right"))
        return left(given), middle(given.map(step("slow", fn=span_in_task, max_in_flight=2))), right(given.batched(2))

    seen = observed(runner, telemetry, readers, 6)
    names = telemetry.names()
    assert [{names[each] for each in found} for found in seen] == [
        {"step readers/left"},
        {"step readers/middle"},
        {"step readers/right"},
    ]


@each_runner
@with_calls
def test_spans_of_the_user_are_in_that_of_the_step(runner: Runner, calls: bool) -> None:
    telemetry = Telemetry(calls=calls)

    def code(number: int) -> int:
        with telemetry.tracer.start_as_current_span("own"):
            return number

    observed(runner, telemetry, numbers | step("code", fn=code, executor="thread", max_in_flight=2), 3)
    assert telemetry.parents("own") == ["call numbers_to_code/code" if calls else "step numbers_to_code/code"]


@each_runner
@pytest.mark.parametrize("in_task", [False, True], ids=["plain", "async"])
def test_a_span_that_a_generator_keeps_open_is_the_current_one_when_it_goes_on(runner: Runner, in_task: bool) -> None:
    telemetry = Telemetry()

    def code(items: Iterator[int]) -> Iterator[int]:
        with telemetry.tracer.start_as_current_span("own"):
            for item in items:
                yield item
                with telemetry.tracer.start_as_current_span("inner"):
                    pass

    async def code_in_task(items: AsyncIterator[int]) -> AsyncIterator[int]:
        with telemetry.tracer.start_as_current_span("own"):
            async for item in items:
                yield item
                with telemetry.tracer.start_as_current_span("inner"):
                    pass

    observed(runner, telemetry, numbers | step("code", fn=code_in_task if in_task else code, mode="all") | str, 3)
    assert telemetry.parents("inner") == ["own"]
    assert telemetry.parents("own") == ["step numbers_to_str/code"]


@each_runner
def test_a_run_inside_a_step_is_in_its_span(runner: Runner) -> None:
    telemetry = Telemetry()

    def code(number: int) -> Any:
        return runner.execute({"observers": [telemetry.observer]}, numbers | str, number)

    observed(runner, telemetry, numbers | step("code", fn=code, executor="thread", max_in_flight=2), 3)
    assert telemetry.parents("run numbers_to_str") == ["step numbers_to_code/code"]


@each_runner
def test_resources_are_in_the_span_of_the_run(runner: Runner) -> None:
    telemetry = Telemetry()

    @pipeline
    def uses(count: int) -> Any:
        return numbers(count).map(lambda number, span: span, resource(span_here))

    [seen] = observed(runner, telemetry, uses, 1)
    assert telemetry.names()[seen] == "run uses"


def test_resources_of_runs_that_are_read_one_by_one_are_in_the_span_of_the_run() -> None:
    telemetry = Telemetry()

    @pipeline
    def uses(count: int) -> Any:
        return numbers(count).map(lambda number, span: span, resource(span_here))

    [seen] = runner.iterate(uses.program, uses.bind(1), observers=[telemetry.observer])
    assert telemetry.names()[seen] == "run uses"


@each_runner
def test_spans_of_calls_that_are_dropped_end_with_the_run(runner: Runner) -> None:
    class Calls:
        hears = (CallStarted,)
        count = 0

        def __call__(self, event: Event) -> None:
            self.count += 1

    telemetry, calls = Telemetry(calls=True), Calls()
    inverse = step("inverse", fn=lambda n: 1 / n, executor="process", max_in_flight=4)
    with pytest.raises(ZeroDivisionError):
        runner.execute({"observers": [telemetry.observer, calls]}, numbers | inverse, 4)
    spans = [span for span in telemetry.exported.get_finished_spans() if span.name.startswith("call")]
    assert len(spans) == calls.count == 4


@each_runner
def test_failures_are_on_the_span_of_their_step(runner: Runner) -> None:
    telemetry = Telemetry()
    observed(runner, telemetry, numbers | step("inverse", fn=lambda n: 1 / n, on_error="skip", max_in_flight=2), 3)
    span = telemetry.spans["step numbers_to_inverse/inverse"]
    [event] = span.events
    assert event.name == "exception"
    found = dict(event.attributes or {})
    assert (found["exception.type"], found["headrace.item.number"]) == ("ZeroDivisionError", 1)
    assert (found["headrace.failure.outcome"], found["headrace.failure.attempts"]) == ("skipped", 1)
    assert span.status.is_unset
    assert (span.attributes or {})["headrace.step.skipped"] == 1


@each_runner
@with_calls
def test_a_run_that_fails_has_a_span_that_says_so(runner: Runner, calls: bool) -> None:
    telemetry = Telemetry(calls=calls)
    with pytest.raises(ZeroDivisionError):
        observed(runner, telemetry, numbers | step("inverse", fn=lambda n: 1 // n, max_in_flight=2) | str, 3)
    run = telemetry.spans["run numbers_to_str"]
    assert (run.status.status_code, run.status.description) == (
        trace.StatusCode.ERROR,
        "ZeroDivisionError: integer division or modulo by zero",
    )
    if calls:
        call = telemetry.spans["call numbers_to_str/inverse"]
        assert call.status.status_code is trace.StatusCode.ERROR
    assert {"step numbers_to_str/numbers", "step numbers_to_str/inverse"} <= set(telemetry.spans)


@each_runner
def test_calls_that_are_made_again_are_on_the_span_and_have_spans_of_their_own(runner: Runner) -> None:
    tried: list[int] = []

    def flaky(number: int) -> int:
        tried.append(number)
        if len(tried) == 1:
            raise OSError("busy")
        return number

    telemetry = Telemetry(calls=True)
    again = Retry(on=OSError, wait_initial=0, wait_jitter=0)
    observed(runner, telemetry, numbers | step("flaky", fn=flaky, retry=again), 1)
    [event] = telemetry.spans["step numbers_to_flaky/flaky"].events
    assert (event.name, dict(event.attributes or {})) == (
        "retry",
        {"headrace.retry.attempt": 1, "headrace.retry.seconds": 0.0, "error.type": "OSError"},
    )
    calls = [span for span in telemetry.exported.get_finished_spans() if span.name.startswith("call")]
    assert [span.status.is_unset for span in calls] == [False, True]


def test_several_runs_at_once_are_kept_apart() -> None:
    telemetry = Telemetry()

    async def at_once() -> None:
        runner = AsyncRunner(observers=[telemetry.observer])
        await asyncio.gather(*(runner.execute(numbers | step("code", fn=span_in_task), 3) for _ in range(3)))

    asyncio.run(at_once())
    spans = telemetry.exported.get_finished_spans()
    runs = {span.context.trace_id for span in spans if span.context and span.name == "run numbers_to_code"}
    assert len(runs) == 3
    assert {span.context.trace_id for span in spans if span.context} == runs
    assert telemetry.observer.runs == {}


@pytest.mark.parametrize("code", [spans_made, spans_made_in_task])
def test_whoever_reads_the_items_one_by_one_is_not_in_the_span_of_the_run(code: Any) -> None:
    telemetry, given = Telemetry(), {"code(count)": 3}
    flow = step("code", fn=code)
    read = runner.iterate(flow.program, given, observers=[telemetry.observer])
    assert [(next(read), span_here())[1] for _ in range(2)] == [0, 0]
    next(read)
    assert list(read) == []
    assert telemetry.parents("step code/code") == ["run code"]

    async def reader() -> None:
        items = aio.iterate(flow.program, given, observers=[telemetry.observer])
        assert [span_here() async for _ in items] == [0, 0, 0]

    asyncio.run(reader())
    assert telemetry.parents("step code/code") == ["run code"]


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['opentelemetry'] = None; import headrace.observe.otel"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: headrace.observe.otel needs 'opentelemetry', which is not installed; "
        "pip install 'headrace[otel]'"
    )


def test_it_is_not_loaded_before_it_is_asked_for() -> None:
    code = "import headrace, headrace.observe, sys; print([name for name in sys.modules if 'opentel' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@each_runner
def test_nothing_is_said_in_the_log(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        for flow in PER_ITEM.values():
            observed(runner, Telemetry(calls=True), flow, 3)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# -- metrics -------------------------------------------------------------------------------------------------


def counts(telemetry: Telemetry, name: str) -> dict[str, float]:
    """The values of a metric, by step."""
    return {point.attributes["headrace.step.id"]: point.value for point in telemetry.points()[f"headrace.{name}"]}


@each_runner
def test_items_are_counted_over_all_runs(runner: Runner) -> None:
    telemetry = Telemetry()
    again = Retry(on=ZeroDivisionError, attempts=2, wait_initial=0, wait_jitter=0)
    inverse = step("inverse", fn=lambda n: 1 / n, on_error="skip", retry=again)
    for count in (3, 4):
        observed(runner, telemetry, numbers | inverse, count)
    steps = {f"numbers_to_inverse/{name}": name for name in ("numbers", "inverse")}
    found = {
        name: {steps[step]: value for step, value in counts(telemetry, f"step.{name}").items()}
        for name in ("items_in", "items_out", "failed", "skipped", "retried", "in_flight")
    }
    assert found == {
        "items_in": {"numbers": 0, "inverse": 7},
        "items_out": {"numbers": 7, "inverse": 5},
        "failed": {"numbers": 0, "inverse": 2},
        "skipped": {"numbers": 0, "inverse": 2},
        "retried": {"numbers": 0, "inverse": 2},
        "in_flight": {"numbers": 0, "inverse": 0},
    }
    assert all(seconds > 0 for seconds in counts(telemetry, "step.busy").values())


@each_runner
def test_what_is_collected_while_a_run_goes_on_is_what_it_has_counted_so_far(runner: Runner) -> None:
    telemetry = Telemetry()
    seen: list[dict[str, float]] = []

    def looks(number: int) -> int:
        if number == 2:
            seen.extend(counts(telemetry, f"step.{name}") for name in ("items_in", "in_flight"))
        return number

    observed(runner, telemetry, step("given", fn=numbers, max_in_flight=3) | step("looks", fn=looks), 5)
    taken, in_flight = seen
    assert taken["given_to_looks/looks"] == 3
    assert in_flight["given_to_looks/given"] == 2
    assert counts(telemetry, "step.items_in")["given_to_looks/looks"] == 5


@each_runner
def test_runs_and_calls_are_measured(runner: Runner) -> None:
    telemetry = Telemetry(calls=True)
    observed(runner, telemetry, numbers | step("inverse", fn=lambda n: 1 / n, on_error="skip"), 3)
    [run] = telemetry.points()["headrace.run.duration"]
    assert (run.count, dict(run.attributes)) == (1, {"headrace.pipeline.name": "numbers_to_inverse"})
    calls = {point.attributes.get("error.type"): point.count for point in telemetry.points()["headrace.call.duration"]}
    assert calls == {None: 2, "ZeroDivisionError": 1}


@each_runner
def test_runs_that_fail_are_measured_by_their_failure(runner: Runner) -> None:
    telemetry = Telemetry()
    with pytest.raises(ZeroDivisionError):
        observed(runner, telemetry, numbers | step("inverse", fn=lambda n: 1 / n), 3)
    [run] = telemetry.points()["headrace.run.duration"]
    assert run.attributes["error.type"] == "ZeroDivisionError"
