"""Which step failed: found from the traceback, and written on the exception as a note.

A generator step is composed natively, so nothing of headrace stands between it and its neighbours, and nothing
catches its exception on the spot. But the traceback passes through every generator between the failure and whoever
catches it, from downstream to upstream; so we walk down the graph along with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from types import CodeType, FrameType
from typing import Any

from headrace.engine.observers import Observers
from headrace.engine.outcome import Stopped
from headrace.graph.dag import Node

__all__ = ["Blame", "note"]


def note(error: BaseException, node: Node, at: str = "", more: str = "") -> None:
    """Write on `error` that `node` failed with it."""
    error.add_note(f"headrace: {node} failed{at}; path {node.id}{more}")


class Blame:
    """Writes the note once on each exception that passes, and tells observers of it."""

    def __init__(self, nodes: Mapping[str, Node], observers: Observers) -> None:
        self.nodes = nodes
        self.observers = observers
        self.codes: dict[str, CodeType] = {}  # node id -> code of the generator that was opened for it
        self.opened_with: dict[CodeType, dict[str, Any]] = {}  # code -> node id -> generator
        self.frames: dict[str, FrameType] = {}  # where several nodes share a code, which only their frames tell apart
        self.blamed: list[BaseException] = []
        self.failed: Counter[str] = Counter()  # by node id

    def opened(self, node: Node, generator: Any) -> None:
        """A generator, of either kind, was opened for `node`."""
        code = self.codes[node.id] = getattr(generator, "gi_code", None) or generator.ag_code
        sharing = self.opened_with.setdefault(code, {})
        sharing[node.id] = generator
        if len(sharing) > 1:
            for id in list(sharing):  # a copy: threads open generators too
                if id not in self.frames:
                    frame = getattr(sharing[id], "gi_frame", None) or getattr(sharing[id], "ag_frame", None)
                    if frame is not None:
                        self.frames[id] = frame

    def forget(self) -> None:
        """The run is over: nothing of it is kept alive."""
        self.opened_with.clear()
        self.frames.clear()

    def step(
        self, error: BaseException, node: Node, item: int | None = None, more: str = "", attempts: int = 1
    ) -> None:
        """`node` is known to have raised `error`, at its `item`-th item (from 1), after so many attempts."""
        if isinstance(error, (GeneratorExit, Stopped)) or any(error is known for known in self.blamed):
            return
        self.blamed.append(error)
        note(error, node, "" if item is None else f" at item {item}", more)
        self.failed[node.id] += 1
        if isinstance(error, Exception):
            self.observers.failed(node, "raised", error, item, attempts=attempts)

    def line(self, error: BaseException, end: Node) -> None:
        """`error` came out of the native line that ends in `end`. An interrupt may come up anywhere: nobody's fault."""
        if isinstance(error, Exception):
            self.step(error, self._culprit(error, end))

    def _culprit(self, error: BaseException, end: Node) -> Node:
        candidates, culprit = [end, *self._below(end)], None
        traceback = error.__traceback__
        while traceback:
            for node in candidates:
                if self._made(node, traceback.tb_frame):
                    candidates, culprit = list(self._below(node)), node
                    break
            traceback = traceback.tb_next
        if culprit is None and end.kind in ("collect", "drain") and end.function is None:
            return next(self._below(end), end)
        return culprit or end

    def _made(self, node: Node, frame: FrameType) -> bool:
        """Whether that frame is the node's generator."""
        if node.id in self.frames:
            return self.frames[node.id] is frame
        return self.codes.get(node.id) is frame.f_code

    def _below(self, node: Node) -> Iterator[Node]:
        """The nearest generators upstream; what has no code of its own is looked through."""
        stack, seen = [node], {node.id}
        while stack:
            below = stack.pop()
            if below is not node and below.id in self.codes:
                yield below
                continue
            for edge in reversed(below.stream_edges):
                if edge.source not in seen:
                    seen.add(edge.source)
                    stack.append(self.nodes[edge.source])
