"""Cuts a DAG into stages: the maximal linear runs of nodes that are composed natively.

Lives here: where one stage ends and the next begins, how a stage hands over, and which stages need a fiber of
their own. Must not live here: how a stage runs.

The rules:

1. A node joins its producer's stage if it is that producer's only consumer, reads no other stream, runs where the
   producer runs and the producer has one item in flight. Plain per-item steps, `collect` and `drain` run anywhere.
2. A stage hands over through a channel if it has several consumers, several items in flight, or runs elsewhere: in
   threads, in worker processes, or in an asyncio task.
3. A stage that fills a channel and may itself have to wait gets a fiber, so that no consumer's wait is another's.
4. Generators nested deeper than `MAX_DEPTH` are cut, and the part below the cut gets a fiber: Python's recursion
   limit holds for each fiber by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from headrace.graph.dag import Handoff, Node, Stage

__all__ = ["PER_ITEM", "calls_overlap", "cut"]

PER_ITEM = frozenset({"map", "flat_map", "filter"})
MAX_DEPTH = 100


def cut(nodes: Sequence[Node], outputs: Sequence[str]) -> tuple[Stage, ...]:
    """The stages of `nodes`, which are in topological order; `outputs` are read by the caller of the run."""
    cutter = _Cutter(_consumer_counts(nodes, outputs), frozenset(outputs))
    for node in nodes:
        if node.kind != "parameter":
            cutter.place(node)
    return tuple(growing.frozen() for growing in cutter.stages)


def calls_overlap(node: Node) -> bool:
    """Whether the node's calls for several items may run at the same time."""
    if node.kind not in ("map", "filter") or node.executor == "inline":
        return False
    return node.executor != "async" or node.max_in_flight > 1


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

    nodes: list[Node] = field(default_factory=list)
    consumers: int = 0
    only_caller: bool = False  # the caller of the run is the only consumer
    depth: int = 0  # native generators nested below its consumer, on the same stack
    waits: bool = False  # pulling it may have to wait for something else
    deep: bool = False  # cut for its depth

    @property
    def last(self) -> Node:
        return self.nodes[-1]

    @property
    def executor(self) -> Literal["inline", "thread", "process", "async"]:
        return self.nodes[0].executor

    @property
    def joinable(self) -> bool:
        """Whether a consumer of the same kind may pull the stage's iterator itself."""
        return self.consumers == 1 and self.last.max_in_flight == 1 and self.executor not in ("thread", "process")

    @property
    def direct(self) -> bool:
        """Whether the one consumer, wherever it runs, pulls the stage's iterator itself."""
        return self.joinable and not self.deep and (self.executor == "inline" or self.only_caller)

    @property
    def fiber(self) -> bool:
        if self.last.gives == "value":
            return False
        if self.executor != "inline" and not calls_overlap(self.last):  # its inputs are pulled for it
            return bool(self.nodes[0].stream_edges)
        return self.deep or (self.waits and not self.direct)

    @property
    def makes_wait(self) -> bool:
        """Whether a consumer may have to wait for something that other code must do first."""
        return self.waits or self.consumers > 1 or self.executor != "inline" or self.fiber

    def takes(self, node: Node) -> bool:
        """Whether that node, the only consumer, may run where this stage runs."""
        if self.executor == "async":
            anywhere = node.kind in PER_ITEM or node.kind in ("collect", "drain")
            return (node.executor == "async" and not calls_overlap(node)) or (node.executor == "inline" and anywhere)
        return node.executor == "inline"

    def frozen(self) -> Stage:
        handoff: Handoff = "value" if self.last.gives == "value" else "direct" if self.direct else "channel"
        ids = tuple(node.id for node in self.nodes)
        return Stage(nodes=ids, handoff=handoff, executor=self.executor, fiber=self.fiber)


class _Cutter:
    def __init__(self, consumers: dict[str, int], outputs: frozenset[str]) -> None:
        self.consumers = consumers
        self.outputs = outputs
        self.stages: list[_Growing] = []
        self.stage_of: dict[str, _Growing] = {}
        self.late: set[str] = set()  # values that are there only after a stream was read

    def place(self, node: Node) -> None:
        producers = [self.stage_of[edge.source] for edge in node.stream_edges]
        stage = self._joined(node, producers) or self._opened(producers)
        stage.depth += not (node.kind == "map" and stage.nodes and stage.last.kind in PER_ITEM)
        stage.nodes.append(node)
        stage.consumers = self.consumers[node.id]
        stage.only_caller = stage.consumers == 1 and node.id in self.outputs
        late = any(edge.source in self.late for edge in node.value_edges)
        if node.gives == "value":
            if late or producers:
                self.late.add(node.id)
        elif late:
            stage.waits = True
        self.stage_of[node.id] = stage

    def _joined(self, node: Node, producers: list[_Growing]) -> _Growing | None:
        if len(producers) != 1 or not producers[0].joinable or not producers[0].takes(node):
            return None
        return producers[0] if producers[0].depth < MAX_DEPTH else None

    def _opened(self, producers: list[_Growing]) -> _Growing:
        stage = _Growing()
        for producer in producers:
            if producer.depth >= MAX_DEPTH:
                producer.deep = True
            stage.depth = max(stage.depth, 1 if producer.fiber else producer.depth + 1)
            stage.waits |= producer.makes_wait
        self.stages.append(stage)
        return stage
