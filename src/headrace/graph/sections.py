"""Cuts a DAG into sections: the stages that run together in one place, far from the others.

Lives here: what runs where, and what goes from one section to another. Must not live here: how it gets there
(engine/links.py), and what a place is (drivers).

The rules:

1. Stages that hand over directly are in one section with their consumer: at most one stage of a section gives a stream
   to others, and every edge between sections is one that has a channel in a run on one machine, too. So the bound of
   every edge is that of the same DAG, run anywhere.
2. A stage that reads no stream and gives a value is where the last of the values is made that it takes; those that
   take none are together in one section.
3. A resource is made in every section that uses it, and stays there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from headrace.graph.dag import RESOURCES, Dag, Edge, Node, Stage
from headrace.graph.stages import cut

__all__ = ["CALLER", "Link", "Section", "sections"]

CALLER = -1  # in place of a section's number: who called the run


class Link(msgspec.Struct, frozen=True):
    """The items of the node `source`, or its failures, on their way to one section, for one edge or for several."""

    source: str
    failures: bool
    reader: int


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What runs in one place.

    Its `dag` has its `own` nodes and stages, and beside them those that it reads from, without inputs.
    """

    number: int
    place: str | None
    dag: Dag
    own: tuple[str, ...]
    reads: tuple[Link, ...]
    feeds: tuple[Link, ...]
    takes: tuple[str, ...]  # nodes whose values are made elsewhere, parameters included
    gives: tuple[str, ...]  # nodes whose values are needed elsewhere


def sections(dag: Dag, places: Mapping[str, str]) -> tuple[Section, ...]:
    """The sections of `dag`; nodes that have a place, by their ids in `places`, share one with their like only.

    >>> from headrace import pipeline, step, stream
    >>> @pipeline
    ... def lengths(texts: list[str]):
    ...     return stream(texts).map(step("cleaned", fn=str.strip, max_in_flight=4)).map(len).collect()
    >>> for section in sections(lengths.dag, {}):
    ...     print(section.own, [link.source for link in section.reads])
    ('lengths/stream', 'lengths/cleaned') []
    ('lengths/len', 'lengths/collect') ['lengths/cleaned']
    """
    return tuple(_Cutter(dag, places).made())


class _Cutter:
    def __init__(self, dag: Dag, places: Mapping[str, str]) -> None:
        self.dag = dag
        self.places = places
        self.nodes = {node.id: node for node in dag.nodes}
        outputs = dag.outputs if dag.returns == "stream" else ()
        self.stages = cut(dag.nodes, outputs, far=True, places=places)
        self.stage_of = {id: stage for stage in self.stages for id in stage.nodes}
        self.home: dict[str, int] = {}  # the section of each node, but for resources
        self.groups: list[list[Stage]] = []

    def made(self) -> Iterator[Section]:
        self._group_streams()
        self._group_values()
        links = self._links()
        for number, stages in enumerate(self.groups):
            yield self._section(number, stages, links)

    # -- what is together --------------------------------------------------------------------------------------

    def _group_streams(self) -> None:
        """Each stage that hands over to others, or ends in a value, with those that hand over to it directly."""
        reader = {edge.source: node.id for node in self.dag.nodes for edge in node.stream_edges}
        roots: dict[str, list[Stage]] = {}
        for stage in self.stages:
            last = stage.nodes[-1]
            while self.stage_of[last].handoff == "direct" and last in reader:
                last = self.stage_of[reader[last]].nodes[-1]
            if self.nodes[stage.nodes[0]].stream_edges or stage.handoff != "value":
                roots.setdefault(last, []).append(stage)
        for stages in roots.values():
            self._new_group(stages)

    def _group_values(self) -> None:
        together: dict[str | None, int] = {}
        for stage in self.stages:
            node = self.nodes[stage.nodes[0]]
            if node.id in self.home or node.kind in RESOURCES:
                continue
            place = self.places.get(node.id)
            number = self._latest(node, place)
            number = together.get(place) if number is None else number
            if number is None:
                number = together[place] = self._new_group([])
            self._add(stage, number)
        if self.stages and not self.groups:  # there are resources only
            self._new_group([])

    def _latest(self, node: Node, place: str | None) -> int | None:
        """The section of the last of the values that the node takes, if it is in the same place."""
        for edge in reversed(node.value_edges):
            if edge.source in self.home and self.places.get(edge.source) == place:
                return self.home[edge.source]
        return None

    def _new_group(self, stages: Iterable[Stage]) -> int:
        self.groups.append([])
        for stage in stages:
            self._add(stage, len(self.groups) - 1)
        return len(self.groups) - 1

    def _add(self, stage: Stage, number: int) -> None:
        self.groups[number].append(stage)
        self.home.update(dict.fromkeys(stage.nodes, number))

    # -- what goes from one to another -------------------------------------------------------------------------

    def _links(self) -> list[Link]:
        links: dict[Link, None] = {}
        for node in self.dag.nodes:
            for edge in node.stream_edges:
                if self.home[edge.source] != self.home[node.id]:
                    links[Link(edge.source, edge.delivery == "failures", self.home[node.id])] = None
        if self.dag.returns == "stream":
            links[Link(self.dag.outputs[0], False, CALLER)] = None
        return list(links)

    def _section(self, number: int, stages: Sequence[Stage], links: Sequence[Link]) -> Section:
        feeds = tuple(link for link in links if self.home[link.source] == number)
        own = {id for stage in stages for id in stage.nodes}
        resources = self._resources(own) | (self._unused() if number == len(self.groups) - 1 else set())
        own |= resources
        needed = {edge.source for id in own for edge in self.nodes[id].edges} - own
        takes = [id for id in needed if self.nodes[id].gives == "value"]
        all_stages = [
            self._handing_over(stage, feeds) for stage in self.stages if stage in stages or stage.nodes[0] in resources
        ]
        return Section(
            number=number,
            place=next((self.places[id] for id in sorted(own) if id in self.places), None),
            dag=msgspec.structs.replace(
                self.dag,
                returns="nothing",
                outputs=(),
                nodes=tuple(
                    node if node.id in own else msgspec.structs.replace(node, inputs=(), stage=None)
                    for node in self.dag.nodes
                    if node.id in own or node.id in needed
                ),
                stages=tuple(all_stages),
            ),
            own=tuple(node.id for node in self.dag.nodes if node.id in own),
            reads=tuple(link for link in links if link.reader == number),
            feeds=feeds,
            takes=tuple(sorted(takes)),
            gives=tuple(sorted(self._given(own, number))),
        )

    def _handing_over(self, stage: Stage, feeds: Sequence[Link]) -> Stage:
        """The stage; one whose items go to another section has a channel."""
        if all(link.source != stage.nodes[-1] for link in feeds):
            return stage
        return msgspec.structs.replace(stage, handoff="channel")

    def _resources(self, own: Iterable[str]) -> set[str]:
        """The resources that these nodes use, and those that they use."""
        found: set[str] = set()
        stack = [*own]
        while stack:
            for edge in self.nodes[stack.pop()].value_edges:
                if self.nodes[edge.source].kind in RESOURCES and edge.source not in found:
                    found.add(edge.source)
                    stack.append(edge.source)
        return found

    def _unused(self) -> set[str]:
        """Resources that no step takes."""
        used = self._resources(self.home)
        alone = {node.id for node in self.dag.nodes if node.kind in RESOURCES} - used
        return alone | self._resources(alone)

    def _given(self, own: set[str], number: int) -> set[str]:
        """The values of these nodes that are needed in another section, or that the run gives."""
        readers: list[Edge] = [
            edge for node in self.dag.nodes for edge in node.value_edges if self._is_elsewhere(node, number)
        ]
        wanted = {edge.source for edge in readers}
        wanted |= set(self.dag.outputs)
        return {
            id
            for id in own & wanted
            if self.nodes[id].gives == "value" and (self.nodes[id].kind not in RESOURCES or id in self.dag.outputs)
        }

    def _is_elsewhere(self, node: Node, number: int) -> bool:
        return node.kind in RESOURCES or self.home.get(node.id) != number
