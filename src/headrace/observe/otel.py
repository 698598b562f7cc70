"""What a run does, as spans and metrics of OpenTelemetry. Needs an extra: `pip install 'headrace[otel]'`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

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
from headrace.graph.dag import Node

__all__ = ["OpenTelemetryObserver"]

STEPS = (RunStarted, RunEnded, StepStarted, StepEnded, ItemFailed, ItemRetried)
COUNTS = ("items_in", "items_out", "failed", "skipped", "retried")


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
    """What is counted and measured, by pipeline and step."""

    def __init__(self, meter: metrics.Meter) -> None:
        self.runs: metrics.Histogram = meter.create_histogram("headrace.run.duration", "s", "How long runs take")
        self.calls: metrics.Histogram = meter.create_histogram(
            "headrace.call.duration", "s", "How long calls of steps take"
        )

    def begin(self, event: RunStarted) -> None:
        """A run begins."""

    def end(self, event: RunEnded) -> None:
        """A run has ended."""
        given = {"headrace.pipeline.name": event.dag.name, **_of_error(event.failure)}
        self.runs.record(event.seconds, given)

    def call(self, event: CallEnded) -> None:
        """A call has ended."""
        self.calls.record(event.seconds, {"headrace.step.id": event.node.id, **_of_error(event.exception)})


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
