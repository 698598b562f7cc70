"""What a run in several places has done: the counts of its sections, as the report of one run.

A section knows what its own nodes did and what was taken on the edges that they read; how many items were in flight on
an edge between two sections, the one that gives them knows; what the caller has taken, the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from headrace.drivers.places.locked import edges_from
from headrace.engine.deadlock import Link as Place
from headrace.engine.report import EdgeReport, NodeReport, Report
from headrace.engine.snapshot import NodeSnapshot
from headrace.graph.dag import Dag
from headrace.graph.sections import CALLER, Link, Section

__all__ = ["added_up", "at_end"]


def added_up(
    dag: Dag,
    parts: Sequence[Section],
    made: Sequence[Report],
    highest: Mapping[Link, int],
    taken_by_caller: Mapping[Place, int],
) -> Report:
    """The report of a run of `dag`, in its order, from those of its sections."""
    read = {(edge.source, edge.target, edge.parameter): edge for each in made for edge in each.edges}
    nodes = {node.id: node for each in made for node in each.nodes}
    edges: dict[Place, EdgeReport] = {}
    for node in dag.nodes:
        for place, link in edges_from(node.id, dag, parts) if node.gives == "stream" else ():
            taken = taken_by_caller[place] if link.reader == CALLER else None
            edges[place] = _edge(place, read.get(place), taken, highest.get(link))
    in_order = [edges[edge.source, node.id, edge.parameter] for node in dag.nodes for edge in node.stream_edges]
    if dag.returns == "stream":
        in_order.append(edges[dag.outputs[0], "", "items"])
    return Report(
        nodes=tuple(_node(node.id, nodes, in_order) for node in dag.nodes if node.kind != "parameter"),
        edges=tuple(in_order),
    )


def _edge(place: Place, read: EdgeReport | None, taken: int | None, highest: int | None) -> EdgeReport:
    """One edge, of which its reader says `read`, the caller `taken` and its producer `highest`, if they are there."""
    source, target, parameter = place
    read = read or EdgeReport(source=source, target=target, parameter=parameter, taken=0, highest_in_flight=0)
    return msgspec.structs.replace(
        read,
        taken=read.taken if taken is None else taken,
        highest_in_flight=read.highest_in_flight if highest is None else highest,
    )


def _node(id: str, nodes: Mapping[str, NodeReport], edges: Sequence[EdgeReport]) -> NodeReport:
    return msgspec.structs.replace(
        nodes.get(id, NodeReport(id=id, items_in=0, items_out=0)),
        highest_in_flight=max((edge.highest_in_flight for edge in edges if edge.source == id), default=0),
        items_in=sum(edge.taken for edge in edges if edge.target == id),
    )


def at_end(node: NodeReport) -> NodeSnapshot:
    """A node of a run that is over, as it is looked at."""
    return NodeSnapshot(
        id=node.id,
        items_in=node.items_in,
        items_out=node.items_out,
        skipped=node.skipped,
        failed=node.failed,
        retried=node.retried,
        seconds=node.seconds,
        state="done",
        total=node.items_out,
    )
