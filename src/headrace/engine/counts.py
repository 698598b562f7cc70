"""Adds up what the parts of a run have counted: at its end, or as far as it has come.

All of it may be asked from another thread while the run goes on: it only reads numbers, and changes nothing but what
`report` takes over at the end.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import TYPE_CHECKING

from msgspec.structs import replace

from headrace.engine.deadlock import Link
from headrace.engine.report import EdgeReport, NodeReport, Report
from headrace.engine.stopwatch import Slowest
from headrace.graph.dag import Dag, Node

if TYPE_CHECKING:
    from headrace.engine.lines import Lines

__all__ = ["items_out", "links", "node_report", "report", "seconds", "taken"]


def report(dag: Dag, values: Collection[str], lines: Lines) -> Report:
    """The counts of a run that is over, in which the nodes `values` have given their value."""
    edges = [_edge_report(lines, link) for link in links(lines)]
    nodes = (_with_failures(node_report(node, values, lines), lines) for node in dag.nodes if node.kind != "parameter")
    return Report(nodes=tuple(nodes), edges=tuple(edges))


def links(lines: Lines) -> list[Link]:
    """Every edge on which items travel."""
    found = [(edge.source, node.id, edge.parameter) for node in lines.dag.nodes for edge in node.stream_edges]
    return [*found, lines.link_to_caller] if lines.dag.returns == "stream" else found


def node_report(node: Node, values: Collection[str], lines: Lines) -> NodeReport:
    """The counts of one node that is over, without its failures."""
    policy = lines.policies.get(node.id)
    out = [_edge_report(lines, (node.id, target, edge.parameter)) for target, edge in lines.consumers.get(node.id, ())]
    return NodeReport(
        id=node.id,
        items_in=sum(taken(lines, (edge.source, node.id, edge.parameter)) for edge in node.stream_edges),
        items_out=items_out(node, [edge.taken for edge in out], values, lines),
        skipped=policy.skipped if policy else 0,
        failed=policy.failed if policy else lines.blame.failed[node.id],
        retried=lines.retries[node.id].retried if node.id in lines.retries else 0,
        seconds=seconds(node, lines),
        highest_in_flight=max((edge.highest_in_flight for edge in out), default=0),
    )


def _with_failures(report: NodeReport, lines: Lines) -> NodeReport:
    policy, watch = lines.policies.get(report.id), lines.watches.get(report.id)
    if policy is not None:
        report = replace(report, failures=policy.hand_over(), tracebacks=policy.tracebacks)
    return replace(report, slowest=watch.slowest) if isinstance(watch, Slowest) else report


def seconds(node: Node, lines: Lines) -> float:
    """How long the node's code has been busy."""
    watch, pool = lines.watches.get(node.id), lines.elsewhere.pools.get(node.id)
    return (watch.seconds if watch else 0.0) + (pool.elsewhere if pool else 0.0)


def _edge_report(lines: Lines, link: Link) -> EdgeReport:
    source, target, parameter = link
    count, branch = taken(lines, link), lines.branches.get(link)
    highest = min(count, 1) if branch is None else branch.highest
    return EdgeReport(source=source, target=target, parameter=parameter, taken=count, highest_in_flight=highest)


def taken(lines: Lines, link: Link) -> int:
    """How many items were taken on that edge."""
    if link in lines.branches:
        return lines.branches[link].taken
    source, target, _ = link
    into, out_of = lines.calls.numbers(target), lines.calls.numbers(source)
    if into is not None:
        return into[0]
    if out_of is not None:
        return out_of[1]
    return _passed(lines.counters[link]) if link in lines.counters else 0


def _passed(counter: itertools.count[int]) -> int:
    """How many numbers it has given: a look that does not take one."""
    return int(repr(counter)[len("count(") : -1]) - 1


def items_out(node: Node, counts: Collection[int], values: Collection[str], lines: Lines) -> int:
    """How many items the node gave, of which its consumers took `counts`."""
    if node.gives == "value":
        return int(node.id in values)
    if node.id in lines.channels:
        return lines.channels[node.id].produced
    return max(counts, default=0)
