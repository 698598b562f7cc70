"""What a deadlock over several places says: the same as if all were in one place.

Lives here: putting together what the sections tell. Must not live here: whether it is one (far.py), and the text
(engine/deadlock.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace.engine.channel import Branch, Channel
from headrace.engine.deadlock import Link as Place
from headrace.engine.deadlock import deadlock
from headrace.engine.outcome import END
from headrace.engine.section import Situation
from headrace.errors import DeadlockError
from headrace.graph.dag import Dag, Edge
from headrace.graph.sections import CALLER, Link, Section

__all__ = ["edges_from", "locked"]


def locked(dag: Dag, parts: Sequence[Section], situations: Sequence[Situation]) -> DeadlockError:
    """The error for these situations of the sections, and of the caller, of a run of `dag`."""
    order = {node.id: place for place, node in enumerate(dag.nodes)}
    ends = {stage.nodes[-1] for stage in dag.stages if stage.handoff == "channel"}
    waits = [link for each in situations for link in each.items]
    items = sorted([link for link in waits if link[0] in ends] or waits, key=lambda link: order[link[0]])
    values = [
        Edge(parameter=name, source=source, delivery="value") for each in situations for name, source in each.values
    ]
    links = _rebuilt(dag, parts, situations)
    branches = {link: branch for branch, link in links.items()}
    return deadlock([*values, *(branches[link] for link in items)], links, {node.id: node for node in dag.nodes})


def _rebuilt(dag: Dag, parts: Sequence[Section], situations: Sequence[Situation]) -> dict[Branch, Place]:
    """The branches of the channels as they are, with as many items in them; and the edges that they are."""
    ahead = {place: count for each in situations for place, count in each.ahead}
    links: dict[Branch, Place] = {}
    for each in situations:
        if each.channel is None:
            continue
        id, asking, ended = each.channel
        in_flight = dict(each.in_flight)
        edges = edges_from(id, dag, parts)
        channel = Channel(dag.node(id).max_in_flight, len(edges))
        channel.asking = asking
        for (place, link), branch in zip(edges, channel.branches, strict=True):
            links[branch] = place
            if link in in_flight and place in ahead:
                branch.items.extend([None] * (in_flight[link] - asking - ahead[place]))
            else:
                branch.closed = True
                channel.leave(branch)
        if ended:
            channel.end(END)
    return links


def edges_from(source: str, dag: Dag, parts: Sequence[Section]) -> list[tuple[Place, Link]]:
    """The edges from a node, each with the link that it is part of."""
    found = [
        ((source, node.id, edge.parameter), Link(source, edge.delivery == "failures", part.number))
        for node in dag.nodes
        for edge in node.stream_edges
        if edge.source == source
        for part in parts
        if node.id in part.own
    ]
    if dag.returns == "stream" and source == dag.outputs[0]:
        found.append(((source, "", "items"), Link(source, False, CALLER)))
    return found
