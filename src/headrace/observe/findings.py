"""What held a run up, in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from headrace.engine.report import NodeReport, Report
from headrace.graph.dag import Dag, Node
from headrace.graph.stages import calls_overlap
from headrace.observe.rows import short_name

__all__ = ["Finding", "bottleneck"]

MUCH = 0.5  # of the time
LITTLE = 0.01  # seconds: shorter runs say nothing


class Finding(NamedTuple):
    """A sentence, and the id of the step that it is about, if it is about one."""

    sentence: str
    step: str | None = None


class _Load(NamedTuple):
    """How much of the time a step was busy: as a part of the calls that it may make at once, from 0 to 1."""

    node: Node
    part: float
    calls: float  # under way at once, on average


def bottleneck(dag: Dag, report: Report, seconds: float, occupancy: Callable[[str], float]) -> Finding:
    """What held up a run that took so long; `occupancy` is a step's mean of items in flight.

    >>> from headrace import SyncRunner, step
    >>> run = SyncRunner().execute(step("length", fn=len), "four")
    >>> bottleneck(step("length", fn=len).dag, run.report, 0.001, lambda id: 0).sentence
    'The run was over before anything could be told about its pace.'
    """
    if seconds < LITTLE:
        return Finding("The run was over before anything could be told about its pace.")
    loads = sorted(_loads(dag, report, seconds), key=lambda load: load.part, reverse=True)
    limited = [load for load in loads if load.node.limit and _is_held(load, occupancy(load.node.id))]
    if limited:
        return _held_by_limit(dag, limited[0])
    if loads and loads[0].part >= MUCH:
        return _busy(dag, loads[0])
    return _nobody(dag, loads)


def _loads(dag: Dag, report: Report, seconds: float) -> Iterator[_Load]:
    for node in dag.nodes:
        if node.function is not None and node.kind != "parameter":
            calls = _of(report, node).seconds / seconds
            yield _Load(node, calls / (node.concurrency if calls_overlap(node) else 1), calls)


def _of(report: Report, node: Node) -> NodeReport:
    return report.node(node.id)


def _is_held(load: _Load, in_flight: float) -> bool:
    """Whether most of what was in flight was not being called."""
    return load.part < MUCH and in_flight > load.calls + MUCH * load.node.max_in_flight


def _held_by_limit(dag: Dag, load: _Load) -> Finding:
    name, limit = short_name(dag, load.node), load.node.limit
    called = limit.name if limit else ""
    return Finding(
        f"{name} is the bottleneck: most of its calls waited for their limit, {called}. Only a higher limit is faster.",
        load.node.id,
    )


def _busy(dag: Dag, load: _Load) -> Finding:
    node, name = load.node, short_name(dag, load.node)
    if calls_overlap(node):
        option = "concurrency" if node.concurrency < node.max_in_flight else "max_in_flight"
        more = "more workers, on more cores," if node.executor == "process" else f"a larger {option}"
        sentence = (
            f"{name} is the bottleneck: on average {load.calls:.1f} of its {node.concurrency:,} calls at once were "
            f"under way. It needs {more} or quicker calls."
        )
    else:
        sentence = f"{name} is the bottleneck: it was busy for {min(load.part, 1):.0%} of the time, {_alone(node)}."
    return Finding(sentence, node.id)


def _alone(node: Node) -> str:
    """Why nothing of that step went on at the same time, and what would help."""
    if node.kind in ("source", "transform"):
        return "and what comes from one generator comes one by one"
    if node.kind == "value":
        return "in a single call"
    if node.executor == "async":
        return "one call after the other. With a larger max_in_flight its calls overlap"
    if node.kind in ("map", "filter"):
        return (
            "one call after the other. executor='thread' (if it waits) or 'process' (if it computes) has them overlap"
        )
    return "one call after the other"


def _nobody(dag: Dag, loads: list[_Load]) -> Finding:
    inline = [load for load in loads if load.node.executor == "inline"]
    together = sum(load.part for load in inline)
    if together >= MUCH:
        most = " and ".join(f"{short_name(dag, load.node)} ({load.part:.0%})" for load in inline[:2])
        return Finding(
            f"No single step is the bottleneck: the plain steps together were busy for {min(together, 1):.0%} of the "
            f"time, in one thread, most of it {most}."
        )
    busiest = f" {short_name(dag, loads[0].node)} was busiest, {loads[0].part:.0%} of the time." if loads else ""
    return Finding(f"No step was busy for most of the time.{busiest}")
