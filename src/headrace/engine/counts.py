"""Adds up what the parts of a run have counted."""

from __future__ import annotations

from collections.abc import Collection

from headrace.engine.deadlock import Link
from headrace.engine.lines import CALLER, Lines
from headrace.engine.report import EdgeReport, NodeReport, Report
from headrace.graph.dag import Dag, Node

__all__ = ["report"]


def report(dag: Dag, values: Collection[str], lines: Lines) -> Report:
    """The counts of a run that is over, in which the nodes `values` have given their value."""
    edges = [
        _edge_report(lines, (edge.source, node.id, edge.parameter)) for node in dag.nodes for edge in node.stream_edges
    ]
    if dag.returns == "stream":
        edges.append(_edge_report(lines, (dag.outputs[0], "", CALLER)))
    return Report(
        nodes=tuple(_node_report(node, edges, values, lines) for node in dag.nodes if node.kind != "parameter"),
        edges=tuple(edges),
    )


def _node_report(node: Node, edges: list[EdgeReport], values: Collection[str], lines: Lines) -> NodeReport:
    policy = lines.policies.get(node.id)
    return NodeReport(
        id=node.id,
        items_in=sum(edge.taken for edge in edges if edge.target == node.id),
        items_out=_items_out(node, edges, values, lines),
        skipped=policy.skipped if policy else 0,
        failed=policy.failed if policy else lines.blame.failed[node.id],
        retried=lines.retries[node.id].retried if node.id in lines.retries else 0,
        seconds=_seconds(node, lines),
        highest_in_flight=max((edge.highest_in_flight for edge in edges if edge.source == node.id), default=0),
        failures=policy.hand_over() if policy else (),
    )


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
    return next(lines.counters[link]) - 1 if link in lines.counters else 0


def _items_out(node: Node, edges: list[EdgeReport], values: Collection[str], lines: Lines) -> int:
    if node.gives == "value":
        return int(node.id in values)
    if node.id in lines.channels:
        return lines.channels[node.id].produced
    return max((edge.taken for edge in edges if edge.source == node.id), default=0)
