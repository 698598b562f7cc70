"""What a run does, as spans and metrics of OpenTelemetry. Needs an extra: `pip install 'headrace[otel]'`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from threading import Lock
from typing import Any, TypeAlias

try:
    from opentelemetry import context as contexts
    from opentelemetry import metrics, propagate, trace
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        f"headrace.observe.otel needs '{_missing.name}', which is not installed; pip install 'headrace[otel]'",
        name=_missing.name,
    ) from None

from headrace.engine.events import (
    CallEnded,
    CallStarted,
    Event,
    ItemFailed,
    ItemRetried,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
)
from headrace.engine.report import NodeReport
from headrace.engine.snapshot import NodeSnapshot
from headrace.graph.dag import Node

__all__ = ["OpenTelemetryObserver"]

STEPS = (RunStarted, RunEnded, StepStarted, StepEnded, ItemFailed, ItemRetried)
COUNTS = {
    "items_in": "Items that steps took",
    "items_out": "Items that steps gave",
    "failed": "Failures of steps",
    "skipped": "Items that steps left out because they failed",
    "retried": "Calls that were made again",
}
BUSY = "How long the code of steps was busy"
IN_FLIGHT = "Items that steps were asked for and that were not taken"
OF_CALLS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds
OF_RUNS = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14400)
Step: TypeAlias = tuple[str, str]  # the name of its pipeline, and its id


class OpenTelemetryObserver:
    """Spans and metrics of runs: a span for the run, one in it for each step, and metrics by pipeline and step.

    What the code of a step does with OpenTelemetry is within the step's span, in threads, tasks and worker processes
    too. docs/observers.md lists attributes and metrics, and has an example with Prometheus.

    Args:
        tracer_provider: Where spans go; by default what OpenTelemetry is set up with.
        meter_provider: Where metrics go; by default the same.
        calls: Have a span for every call of a step, too, in that of the step, and a histogram of what calls take.

    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    >>> from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    >>> from headrace import SyncRunner, step
    >>> from headrace.observe.otel import OpenTelemetryObserver
    >>> spans, provider = InMemorySpanExporter(), TracerProvider()
    >>> provider.add_span_processor(SimpleSpanProcessor(spans))
    >>> SyncRunner(observers=[OpenTelemetryObserver(provider)]).execute(step("length", fn=len), "four").result
    4
    >>> [span.name for span in spans.get_finished_spans()]
    ['step length/length', 'run length']
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        *,
        calls: bool = False,
    ) -> None:
        self.tracer: trace.Tracer = trace.get_tracer("headrace", tracer_provider=tracer_provider)
        self.meters: Meters = Meters(metrics.get_meter("headrace", meter_provider=meter_provider))
        self.hears: tuple[type, ...] = (*STEPS, CallStarted, CallEnded) if calls else STEPS
        self.runs: dict[int, OpenSpans] = {}

    def __call__(self, event: Event) -> None:
        """Begin or end a span, or note on one what has happened."""
        match event:
            case RunStarted(dag=dag):
                given = {"headrace.pipeline.name": dag.name, "headrace.run.number": event.run}
                self.runs[event.run] = OpenSpans(self.tracer, f"run {dag.name}", given)
                self.meters.begin(event)
            case RunEnded():
                self.runs.pop(event.run).end_run(event.failure)
                self.meters.end(event)
            case StepStarted(node=node):
                self.runs[event.run].begin(node.id, "", f"step {node.id}", _of_step(node))
            case StepEnded(node=node):
                self.runs[event.run].end(node.id, None, _of_report(event.report))
            case CallStarted(node=node):
                given = {"headrace.step.id": node.id, "headrace.call.number": event.call}
                self.runs[event.run].begin((node.id, event.call), node.id, f"call {node.id}", given)
            case CallEnded(node=node):
                self.runs[event.run].end((node.id, event.call), event.exception, {})
                self.meters.call(event)
            case ItemFailed():
                self.runs[event.run].span(event.node.id).record_exception(event.exception, _of_failure(event))
            case ItemRetried():
                self.runs[event.run].span(event.node.id).add_event("retry", _of_retry(event))
            case _:  # it asks for no others
                pass

    def around(self, event: RunStarted | StepStarted | CallStarted) -> Callable[[], AbstractContextManager[object]]:
        """The span that is the current one in the code of that run, step or call."""
        key: Key = ""
        if not isinstance(event, RunStarted):
            key = event.node.id if isinstance(event, StepStarted) else (event.node.id, event.call)
        return InSpan(self.runs[event.run].contexts[key])


Key = str | tuple[str, int]  # a step, a call of a step, or "": the run


class OpenSpans:
    """The spans of one run that have not ended, each as a context in which it is the current one."""

    def __init__(self, tracer: trace.Tracer, name: str, attributes: Mapping[str, Any]) -> None:
        self.tracer = tracer
        span = tracer.start_span(name, attributes=attributes)
        self.contexts: dict[Key, contexts.Context] = {"": trace.set_span_in_context(span)}

    def begin(self, key: Key, parent: Key, name: str, attributes: Mapping[str, Any]) -> None:
        """A span within another one."""
        context = self.contexts[parent]
        span = self.tracer.start_span(name, context, attributes=attributes)
        self.contexts[key] = trace.set_span_in_context(span, context)

    def span(self, key: Key) -> trace.Span:
        """The span of a step; of what is none, the run's."""
        return trace.get_current_span(self.contexts.get(key, self.contexts[""]))

    def end(self, key: Key, failure: BaseException | None, attributes: Mapping[str, Any]) -> None:
        """That span ends."""
        span = trace.get_current_span(self.contexts.pop(key))
        span.set_attributes(attributes)
        if failure is not None:
            span.record_exception(failure)
            span.set_status(trace.StatusCode.ERROR, f"{type(failure).__name__}: {failure}")
        span.end()

    def end_run(self, failure: BaseException | None) -> None:
        """All spans end, the run's last."""
        for key in [key for key in self.contexts if key]:
            self.end(key, None, {})
        self.end("", failure, {})


class InSpan:
    """Makes what lets a context with a span be the current one. Propagators write it, to go to another process."""

    def __init__(self, context: contexts.Context) -> None:
        self.context = context

    def __call__(self) -> Current:
        return Current(self.context)

    def __reduce__(self) -> tuple[Callable[[dict[str, str]], InSpan], tuple[dict[str, str]]]:
        carrier: dict[str, str] = {}
        propagate.inject(carrier, self.context)
        return _arrived, (carrier,)


class Current:
    """A context that is the current one while this is entered; what was current at the end is so again next time."""

    def __init__(self, context: contexts.Context) -> None:
        self.context: contexts.Context = context
        self.token: Any = None

    def __enter__(self) -> None:
        self.token = contexts.attach(self.context)

    def __exit__(self, *failure: object) -> None:
        self.context = contexts.get_current()
        contexts.detach(self.token)


def _arrived(carrier: dict[str, str]) -> InSpan:
    return InSpan(propagate.extract(carrier))


class Meters:
    """What is counted and measured, by pipeline and step. Runs are looked at when somebody collects."""

    def __init__(self, meter: metrics.Meter) -> None:
        self.runs: metrics.Histogram = meter.create_histogram(
            "headrace.run.duration", "s", "How long runs take", explicit_bucket_boundaries_advisory=OF_RUNS
        )
        self.calls: metrics.Histogram = meter.create_histogram(
            "headrace.call.duration", "s", "How long calls take", explicit_bucket_boundaries_advisory=OF_CALLS
        )
        for name, text in COUNTS.items():
            meter.create_observable_counter(f"headrace.step.{name}", [partial(self._counted, name)], "{item}", text)
        meter.create_observable_counter("headrace.step.busy", [partial(self._counted, "seconds")], "s", BUSY)
        meter.create_observable_up_down_counter("headrace.step.in_flight", [self._in_flight], "{item}", IN_FLIGHT)
        self.lock: AbstractContextManager[object] = Lock()  # whoever collects does so in a thread of its own
        self.going_on: dict[int, RunStarted] = {}
        self.over: Counter[tuple[str, Step]] = Counter()  # by what is counted, and by step

    def begin(self, event: RunStarted) -> None:
        """A run begins."""
        self.going_on[event.run] = event

    def end(self, event: RunEnded) -> None:
        """A run has ended."""
        self.runs.record(event.seconds, {"headrace.pipeline.name": event.dag.name, **_of_error(event.failure)})
        with self.lock:
            del self.going_on[event.run]
            for node in event.report.nodes:
                for name in (*COUNTS, "seconds"):
                    self.over[name, (event.dag.name, node.id)] += getattr(node, name)

    def call(self, event: CallEnded) -> None:
        """A call has ended."""
        self.calls.record(event.seconds, {"headrace.step.id": event.node.id, **_of_error(event.exception)})

    def _counted(self, name: str, options: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        """What was counted under that name in all runs, those that go on included."""
        with self.lock:
            counts = Counter({step: count for (counted, step), count in self.over.items() if counted == name})
            for step, node in self._nodes():
                counts[step] += getattr(node, name)
        return map(_observation, counts.items())

    def _in_flight(self, options: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        with self.lock:
            counts = Counter({step: 0 for counted, step in self.over if counted == "items_out"})
            for step, node in self._nodes():
                counts[step] += node.in_flight
        return map(_observation, counts.items())

    def _nodes(self) -> Iterator[tuple[Step, NodeSnapshot]]:
        for run in tuple(self.going_on.values()):
            for node in run.live.snapshot().nodes:
                yield (run.dag.name, node.id), node


def _observation(counted: tuple[Step, float]) -> metrics.Observation:
    (pipeline, step), count = counted
    return metrics.Observation(count, {"headrace.pipeline.name": pipeline, "headrace.step.id": step})


def _of_step(node: Node) -> dict[str, Any]:
    return {
        "headrace.step.id": node.id,
        "headrace.step.name": node.name,
        "headrace.step.kind": node.kind,
        "headrace.step.executor": node.executor,
        "headrace.step.max_in_flight": node.max_in_flight,
    }


def _of_report(report: NodeReport) -> dict[str, Any]:
    counts = {f"headrace.step.{name}": getattr(report, name) for name in COUNTS}
    return {**counts, "headrace.step.busy_seconds": report.seconds}


def _of_failure(event: ItemFailed) -> dict[str, Any]:
    number = {} if event.number is None else {"headrace.item.number": event.number}
    return {**number, "headrace.failure.outcome": event.outcome, "headrace.failure.attempts": event.attempts}


def _of_retry(event: ItemRetried) -> dict[str, Any]:
    given = {"headrace.retry.attempt": event.attempt, "headrace.retry.seconds": event.seconds}
    return {**given, **_of_error(event.exception)}


def _of_error(error: BaseException | None) -> dict[str, Any]:
    """As the semantic conventions have it: which kind of failure, and nothing if there was none."""
    return {} if error is None else {"error.type": type(error).__qualname__}
