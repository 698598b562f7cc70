"""What came of a run, and what of it is the same in every run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from headrace import Dag, HeadraceError, Node
from headrace.engine.held import script_of
from headrace.engine.report import NodeReport, Report
from headrace.graph.dag import Program
from headrace.graph.stages import calls_overlap
from headrace.graph.values import shown
from headrace.testing.plain import Json, ordered_text, plain

__all__ = ["Fixed", "Outcome"]

R = TypeVar("R")


@dataclass(frozen=True)
class Fixed:
    """What must be the same in every run of a pipeline: the order of its results; its counts of items."""

    order: bool
    counts: bool

    @classmethod
    def of(cls, program: Program, order: bool | None, counts: bool | None, *, in_time: bool) -> Fixed:
        """What is so as the pipeline was compiled, where it is not said.

        Where calls overlap, how far they have come when a run ends early depends on the machine, and so does the
        order of results with `ordered=False` and of what is merged; unless a test says which call is over first, or,
        for async steps and time-outs, when.
        """
        nodes = list(_nodes(program.dag))
        luck = [node for node in nodes if _is_luck(node, program, in_time)]
        merges = any(node.kind == "merge" for node in nodes)
        return cls(
            order=all(node.ordered and not merges for node in luck) if order is None else order,
            counts=not luck if counts is None else counts,
        )


def _nodes(dag: Dag) -> Iterator[Node]:
    """The nodes of a pipeline, and of those that it runs for each item."""
    for node in dag.nodes:
        yield node
        if node.inner is not None:
            yield from _nodes(node.inner)


def _is_luck(node: Node, program: Program, in_time: bool) -> bool:
    """Whether a node goes at its own pace."""
    if node.kind == "batch":
        return not in_time and any(entry.parameter == "timeout" for entry in node.inputs)
    if node.executor == "async" and in_time:
        return False
    scripted = calls_overlap(node) and script_of(program.functions.get(node.id))
    return node.executor != "inline" and not scripted


@dataclass(frozen=True, eq=False, repr=False)
class Outcome(Generic[R]):
    """What every runner came to: the `result`, or the `failure` that it raised, and the `report` of one of them.

    `seconds` is the time at the end of the run, if it was given a clock.

    >>> from headrace import step
    >>> from headrace.testing import run_everywhere
    >>> @step
    ... def words(text: str):
    ...     yield from text.split()
    >>> outcome = run_everywhere(words | len, "to be")
    >>> outcome.result, outcome.report.node("words_to_len/words").items_out
    ([2, 2], 2)
    """

    dag: Dag
    report: Report
    failure: BaseException | None
    seconds: float | None
    fixed: Fixed
    value: Any  # None if it failed

    def __repr__(self) -> str:
        came = f"raised {self.failure!r}" if self.failure else f"gave {shown(self.value)}"
        return f"<outcome: pipeline '{self.dag.name}' {came}>"

    @property
    def result(self) -> R:
        """What the pipeline gave. Raises: the failure, if it raised one."""
        if self.failure is not None:
            raise self.failure
        result: R = self.value
        return result

    def as_json(self, *, full: bool = False) -> dict[str, Json]:
        """What is the same in every run, as JSON has it: fit to be compared with a snapshot.

        The items in and out of each node and the highest number in flight on each edge are in it if they are fixed:
        if every step runs inline, or by a `CompletionOrder`. Results that come in no fixed order are sorted.

        Args:
            full: With the graph, its levels and stages, and with the line numbers of steps in notes and messages.

        >>> from headrace import step
        >>> from headrace.testing import run_everywhere
        >>> run_everywhere(step("length", fn=len), "four").as_json()
        {'result': 4, 'failure': None, 'nodes': {'length/length': {'in': 0, 'out': 1}}, 'highest in flight': {}}
        """
        data = {
            "result": self._result_as_json(),
            "failure": None if self.failure is None else self._failure_as_json(self.failure, full),
        }
        data |= {} if self.seconds is None else {"seconds": self.seconds}
        return data | (self._counts_as_json() if self.fixed.counts else {}) | (_graph_as_json(self.dag) if full else {})

    def _result_as_json(self) -> Json:
        result = plain(self.value)
        if self.fixed.order:
            return result
        return [_sorted(each) for each in result] if self.dag.returns == "tuple" and result else _sorted(result)

    def _failure_as_json(self, failure: BaseException, full: bool) -> Json:
        notes = [note for note in getattr(failure, "__notes__", []) if self.fixed.counts or not _is_second(note)]
        own = isinstance(failure, HeadraceError)
        return {
            "type": type(failure).__qualname__,
            "message": str(failure) if full or not own else _without_lines(str(failure)),
            "notes": [note if full or not note.startswith("headrace: ") else _without_lines(note) for note in notes],
        }

    def _counts_as_json(self) -> dict[str, Json]:
        edges = self.report.edges
        return {
            "nodes": {node.id: _counts_of(node, self.dag.node(node.id)) for node in self.report.nodes},
            "highest in flight": {
                f"{edge.source} -> {edge.target or 'the caller'} ({edge.parameter})": edge.highest_in_flight
                for edge in edges
            },
        }


def _counts_of(report: NodeReport, node: Node) -> dict[str, Json]:
    """The items in and out, and those that failed if that does not end the run."""
    failed = {} if node.on_error == "raise" else {"failed": report.failed}
    return {"in": report.items_in, "out": report.items_out, **failed}


def _graph_as_json(dag: Dag) -> dict[str, Json]:
    data: dict[str, Any] = json.loads(dag.to_json())
    return {"levels": dag.levels(), "stages": data.pop("stages"), "dag": data}


def _sorted(items: Json) -> Json:
    return sorted(items, key=ordered_text) if isinstance(items, list) else items


def _is_second(note: str) -> bool:
    """Whether a note tells of another failure, which may or may not have come before the run had ended."""
    return note.startswith("headrace: then ")


def _without_lines(text: str) -> str:
    """`(app.py:12)` as `(app.py)`: steps move up and down in their files."""
    return re.sub(r"\(([^():]+):\d+\)", r"(\1)", text)
