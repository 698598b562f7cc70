"""Adds up what the parts of a run have counted."""

from __future__ import annotations

from collections.abc import Collection
from itertools import count
from typing import TYPE_CHECKING

from msgspec.structs import replace

from headrace.engine.deadlock import Link
from headrace.engine.report import EdgeReport, NodeReport, Report
from headrace.graph.dag import Dag, Node

if TYPE_CHECKING:
    from headrace.engine.lines import Lines

__all__ = ["node_report", "report"]


def report(dag: Dag, values: Collection[str], lines: Lines) -> Report:
    """The counts of a run that is over, in which the nodes `values` have given their value."""
    edges = [edge for node in dag.nodes for edge in _edges_into(node, lines)]
    if dag.returns == "stream":
        edges.append(_edge_report(lines, lines.link_to_caller))
    nodes = (_with_failures(node_report(node, values, lines), lines) for node in dag.nodes if node.kind != "parameter")
    return Report(nodes=tuple(nodes), edges=tuple(edges))


def node_report(node: Node, values: Collection[str], lines: Lines) -> NodeReport:
    """The counts of one node that is over, without its failures."""
    policy = lines.policies.get(node.id)
    out = [_edge_report(lines, (node.id, target, edge.parameter)) for target, edge in lines.consumers.get(node.id, ())]
    return NodeReport(
        id=node.id,
        items_in=sum(edge.taken for edge in _edges_into(node, lines)),
        items_out=_items_out(node, out, values, lines),
        skipped=policy.skipped if policy else 0,
        failed=policy.failed if policy else lines.blame.failed[node.id],
        retried=lines.retries[node.id].retried if node.id in lines.retries else 0,
        seconds=_seconds(node, lines),
        highest_in_flight=max((edge.highest_in_flight for edge in out), default=0),
    )


def _with_failures(report: NodeReport, lines: Lines) -> NodeReport:
    policy = lines.policies.get(report.id)
    return report if policy is None else replace(report, failures=policy.hand_over())


def _edges_into(node: Node, lines: Lines) -> list[EdgeReport]:
    return [_edge_report(lines, (edge.source, node.id, edge.parameter)) for edge in node.stream_edges]


def _seconds(node: Node, lines: Lines) -> float:
    watch, pool = lines.watches.get(node.id), lines.elsewhere.pools.get(node.id)
    return (watch.seconds if watch else 0.0) + (pool.elsewhere if pool else 0.0)


def _edge_report(lines: Lines, link: Link) -> EdgeReport:
    source, target, parameter = link
    if link in lines.branches:
        branch = lines.branches[link]
        taken, highest = branch.taken, branch.highest
    else:
        taken = _taken_natively(lines, link)
        highest = min(taken, 1)
    return EdgeReport(source=source, target=target, parameter=parameter, taken=taken, highest_in_flight=highest)


def _taken_natively(lines: Lines, link: Link) -> int:
    source, target, _ = link
    if target in lines.calls.tallies:
        return lines.calls.tallies[target][0]
    if source in lines.calls.tallies:
        return lines.calls.tallies[source][1]
    return _passed(lines.counters[link]) if link in lines.counters else 0


def _passed(counter: count[int]) -> int:
    """How many numbers it has given: a look that does not take one."""
    return int(repr(counter)[len("count(") : -1]) - 1


def _items_out(node: Node, edges: list[EdgeReport], values: Collection[str], lines: Lines) -> int:
    if node.gives == "value":
        return int(node.id in values)
    if node.id in lines.channels:
        return lines.channels[node.id].produced
    return max((edge.taken for edge in edges), default=0)
