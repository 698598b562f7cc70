"""Cuts a DAG into stages: the maximal linear runs of nodes that are composed natively.

Lives here: where one stage ends and the next begins, how a stage hands over, and which stages need a fiber of
their own. Must not live here: how a stage runs.

The rules:

1. A node joins its producer's stage if it is that producer's only consumer, reads no other stream, runs where the
   producer runs and the producer has one item in flight. Plain per-item steps, `collect` and `drain` run anywhere.
2. A stage hands over through a channel if it has several consumers, several items in flight, or runs elsewhere: in
   threads, in worker processes, or in an asyncio task.
3. A stage that fills a channel and may itself have to wait gets a fiber, so that no consumer's wait is another's.
4. A node that takes items as they come must not wait in one of its inputs: a stage that it reads and that may have to
   wait does not have it join, and gets a fiber.
5. Generators nested deeper than `MAX_DEPTH` are cut, and the part below the cut gets a fiber: Python's recursion
   limit holds for each fiber by itself.
6. A stream whose consumers are all per-item steps with one item in flight, which meet again in a zip or only end in
   lists, is woven: one loop calls all of them for each item, and nobody waits for anybody.

Where stages run far from each other, all that hands over through a channel makes its consumer wait, all values but
parameters are late, and nodes that have different places are never in one stage.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from headrace.graph.dag import RESOURCES, Handoff, Node, Stage

__all__ = ["PER_ITEM", "as_they_come", "calls_are_pooled", "calls_overlap", "cut", "may_pause"]

PER_ITEM = frozenset({"map", "flat_map", "filter"})
MAX_DEPTH = 100
NOWHERE: Mapping[str, str] = {}


def cut(
    nodes: Sequence[Node], outputs: Sequence[str], *, far: bool = False, places: Mapping[str, str] = NOWHERE
) -> tuple[Stage, ...]:
    """The stages of `nodes`, which are in topological order; `outputs` are read by the caller of the run.

    With `far`, stages that meet in a channel run in different places; `places` says where, by node id, if it matters.
    """
    cutter = _Cutter(nodes, outputs, far, places)
    for node in nodes:
        if node.kind != "parameter":
            cutter.place(node)
    return tuple(growing.frozen() for growing in cutter.stages)


def calls_overlap(node: Node) -> bool:
    """Whether the node's calls for several items may run at the same time."""
    if node.kind not in ("map", "filter") or node.executor == "inline":
        return False
    return node.executor != "async" or node.max_in_flight > 1 or calls_are_pooled(node)


def calls_are_pooled(node: Node) -> bool:
    """Whether each call of the node waits by itself until it may begin, or be made again."""
    return node.limit is not None or node.retry is not None


def may_pause(node: Node) -> bool:
    """Whether whoever calls the node's function, in the run's own thread, may have to wait for such a call."""
    return calls_are_pooled(node) and node.executor == "inline"


def as_they_come(node: Node) -> bool:
    """Whether the node looks if there is an item, in place of waiting until there is one."""
    timed = node.kind == "batch" and any(entry.parameter == "timeout" for entry in node.inputs)
    return timed or node.kind == "merge"


def _consumer_counts(nodes: Sequence[Node], outputs: Iterable[str]) -> dict[str, int]:
    counts = dict.fromkeys((node.id for node in nodes), 0)
    for node in nodes:
        for edge in node.stream_edges:
            counts[edge.source] += 1
    for output in outputs:
        counts[output] += 1
    return counts


@dataclass(slots=True)
class _Growing:
    """A stage while nodes still join it."""

    far: bool  # from whatever it does not join
    left: frozenset[str]  # nodes whose items go to another place
    nodes: list[Node] = field(default_factory=list)
    consumers: int = 0
    only_caller: bool = False  # the caller of the run is the only consumer
    depth: int = 0  # native generators nested below its consumer, on the same stack
    waits: bool = False  # pulling it may have to wait for something else
    apart: bool = False  # it has to have a fiber, for its depth or for its consumer
    woven: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def last(self) -> Node:
        return self.nodes[-1]

    @property
    def executor(self) -> Literal["inline", "thread", "process", "async"]:
        return self.nodes[0].executor

    @property
    def joinable(self) -> bool:
        """Whether a consumer of the same kind may pull the stage's iterator itself."""
        alone = self.consumers == 1 and self.last.max_in_flight == 1 and self.last.id not in self.left
        return alone and self.executor not in ("thread", "process") and not calls_overlap(self.last)

    @property
    def direct(self) -> bool:
        """Whether the one consumer, wherever it runs, pulls the stage's iterator itself."""
        return self.joinable and not self.apart and (self.executor == "inline" or self.only_caller)

    @property
    def fiber(self) -> bool:
        if self.last.gives == "value":
            return False
        if self.executor != "inline" and not calls_overlap(self.last):  # its inputs are pulled for it
            return bool(self.nodes[0].stream_edges)
        return self.apart or (self.waits and not self.direct)

    @property
    def makes_wait(self) -> bool:
        """Whether a consumer may have to wait for something that other code must do first."""
        away = self.far and not self.joinable
        return self.waits or self.consumers > 1 or self.executor != "inline" or self.fiber or away

    def takes(self, node: Node) -> bool:
        """Whether that node, the only consumer, may run where this stage runs."""
        if self.executor == "async":
            anywhere = (node.kind in PER_ITEM and not calls_are_pooled(node)) or node.kind in ("collect", "drain")
            return (node.executor == "async" and not calls_overlap(node)) or (node.executor == "inline" and anywhere)
        return node.executor == "inline"

    def frozen(self) -> Stage:
        handoff: Handoff = "value" if self.last.gives == "value" else "direct" if self.direct else "channel"
        ids = tuple(node.id for node in self.nodes)
        woven = tuple(self.woven)
        return Stage(nodes=ids, handoff=handoff, executor=self.executor, fiber=self.fiber, woven=woven)


def _late(nodes: Sequence[Node], far: bool) -> set[str]:
    """The values that may not be there yet when a stream is read: of what reads one itself, or runs elsewhere."""
    late: set[str] = set()
    given: set[str] = set()  # before any step is called
    for node in nodes:
        if node.kind == "parameter" or (node.kind in RESOURCES and all(edge.source in given for edge in node.edges)):
            given.add(node.id)
        elif node.gives == "value" and (
            far
            or node.stream_edges
            or node.executor != "inline"
            or node.kind in RESOURCES
            or calls_are_pooled(node)
            or any(edge.source in late for edge in node.value_edges)
        ):
            late.add(node.id)
    return late


def _woven(nodes: Sequence[Node], outputs: frozenset[str], places: Mapping[str, str]) -> dict[str, list[Node]]:
    """By the stream that they read: the nodes that can be one loop over it."""
    readers: dict[str, list[Node]] = {node.id: [] for node in nodes}
    for node in nodes:
        for edge in node.stream_edges:
            readers[edge.source].append(node)
    place = {node.id: index for index, node in enumerate(nodes)}
    found: dict[str, list[Node]] = {}
    taken: set[str] = set()
    for root in nodes:
        several = len(readers[root.id]) > 1 and root.id not in outputs
        inside = root.id in taken and not any(group[-1] is root for group in found.values())
        if several and not inside and root.gives == "stream" and root.executor == "inline" and root.max_in_flight == 1:
            group = _group(root, readers, place, outputs)
            if group and all(places.get(node.id) == places.get(root.id) for node in group):
                found[root.id] = group
                taken.update(node.id for node in group)
    return found


def _group(
    root: Node, readers: dict[str, list[Node]], place: dict[str, int], outputs: frozenset[str]
) -> list[Node] | None:
    """The nodes behind `root` up to the first one in which all meet again, or up to the lists in which all end."""
    group: list[Node] = []
    unread = {root.id: len(readers[root.id])}  # streams of the group that somebody still has to read, and how many do
    waiting = [(place[node.id], node) for node in {reader.id: reader for reader in readers[root.id]}.values()]
    heapq.heapify(waiting)
    while waiting:
        _, node = heapq.heappop(waiting)
        if not _weavable(node) or any(edge.source not in unread for edge in node.stream_edges):
            return None
        group.append(node)
        for edge in node.stream_edges:
            unread[edge.source] -= 1
        unread = {source: count for source, count in unread.items() if count}
        if node.gives == "value":
            continue
        if not unread and all(member.gives == "stream" for member in group):
            return group
        if node.max_in_flight > 1 or node.id in outputs:
            return None
        unread[node.id] = len(readers[node.id])
        known = {other.id for _, other in waiting}
        for reader in readers[node.id]:
            if reader.id not in known:
                known.add(reader.id)
                heapq.heappush(waiting, (place[reader.id], reader))
    return group


def _weavable(node: Node) -> bool:
    if node.executor != "inline" or node.kind not in ("map", "zip", "collect", "drain"):
        return False
    if node.on_error != "raise" or calls_are_pooled(node):
        return False
    return node.kind != "zip" or len(node.inputs) == len(node.stream_edges)  # as long as its streams are


class _Cutter:
    def __init__(self, nodes: Sequence[Node], outputs: Sequence[str], far: bool, places: Mapping[str, str]) -> None:
        self.far = far
        self.left = frozenset(
            edge.source
            for node in nodes
            for edge in node.stream_edges
            if places.get(edge.source) != places.get(node.id)
        )
        self.consumers = _consumer_counts(nodes, outputs)
        self.outputs = frozenset(outputs)
        self.stages: list[_Growing] = []
        self.stage_of: dict[str, _Growing] = {}
        self.late = _late(nodes, far)
        self.woven = _woven(nodes, self.outputs, places)

    def place(self, node: Node) -> None:
        if node.id in self.stage_of:  # woven into the stage of what it reads
            return
        producers = [self.stage_of[edge.source] for edge in node.stream_edges]
        stage = self._joined(node, producers) or self._opened(node, producers)
        stage.depth += not (node.kind == "map" and stage.nodes and stage.last.kind in PER_ITEM)
        self._append(stage, node)
        while stage.executor == "inline" and stage.last.id in self.woven:
            group = self.woven[stage.last.id]
            stage.depth += 1
            stage.woven.append(tuple(member.id for member in group))
            for member in group:
                self._append(stage, member)

    def _append(self, stage: _Growing, node: Node) -> None:
        stage.nodes.append(node)
        stage.consumers = self.consumers[node.id]
        stage.only_caller = stage.consumers == 1 and node.id in self.outputs
        late = any(edge.source in self.late for edge in node.value_edges)
        if node.gives == "stream" and (late or may_pause(node)):
            stage.waits = True
        self.stage_of[node.id] = stage

    def _joined(self, node: Node, producers: list[_Growing]) -> _Growing | None:
        if len(producers) != 1 or not producers[0].joinable or not producers[0].takes(node):
            return None
        if as_they_come(node) and producers[0].waits:
            return None
        return producers[0] if producers[0].depth < MAX_DEPTH else None

    def _opened(self, node: Node, producers: list[_Growing]) -> _Growing:
        stage = _Growing(self.far, self.left)
        for producer in producers:
            if producer.depth >= MAX_DEPTH or (producer.waits and as_they_come(node)):
                producer.apart = True
            stage.depth = max(stage.depth, 1 if producer.fiber else producer.depth + 1)
            stage.waits |= producer.makes_wait
        self.stages.append(stage)
        return stage
