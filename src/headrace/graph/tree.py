"""Draws a DAG as a tree of text: a line for each node, below the sub-pipeline that it is part of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from headrace.graph.dag import Constant, Dag, Edge, Node

__all__ = ["given_type", "tree"]

LONGEST = 30  # characters in a column; what is longer is cut
READS = {"unpacked": "*", "trigger": "once per ", "failures": "failures of "}


def tree(dag: Dag) -> str:
    """The DAG as a tree: of each step what it is called and does, what it reads, what it gives, and how it runs.

    >>> from headrace import Stream, pipeline, step, stream
    >>> @pipeline
    ... def lengths(words: list[str]) -> Stream[int]:
    ...     return stream(words).map(step("length", fn=lambda word: len(word), max_in_flight=8, executor="thread"))
    >>> print(tree(lengths.dag))
    lengths(words: list[str]) -> Stream[Any]
    ├─ stream  iterate  words   Stream[str]  1 in flight
    └─ length  map      stream  Stream[Any]  8 in flight, thread
    """
    parameters = ", ".join(f"{node.name}: {node.type}" for node in dag.nodes if node.kind == "parameter")
    rows = list(_grown(dag).rows())
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join([f"{dag.name}({parameters}) -> {given_type(dag)}", *map(str.rstrip, lines)])


def given_type(dag: Dag) -> str:
    """The type of what a run gives.

    >>> from headrace import step
    >>> given_type(step("words", fn=str.split).dag)
    'Any'
    """
    types = [dag.node(id).type for id in dag.outputs]
    if dag.returns == "stream":
        return f"Stream[{types[0]}]"
    return f"tuple[{', '.join(types)}]" if dag.returns == "tuple" else types[0] if types else "None"


class Row(NamedTuple):
    """One line of the tree."""

    name: str = ""
    kind: str = ""
    reads: str = ""
    gives: str = ""
    runs: str = ""


class Branch:
    """What stands below one name: a node, or a sub-pipeline, or both."""

    def __init__(self) -> None:
        self.row: Row = Row()
        self.below: dict[str, Branch] = {}

    def rows(self) -> Iterator[Row]:
        """The rows of what stands below, with the lines that lead to them."""
        for number, (name, branch) in enumerate(self.below.items(), 1):
            is_last = number == len(self.below)
            yield branch.row._replace(name=f"{'└─' if is_last else '├─'} {name}")
            yield from (row._replace(name=f"{'  ' if is_last else '│ '} {row.name}") for row in branch.rows())


def _grown(dag: Dag) -> Branch:
    """The sub-pipelines and nodes by their paths; what runs per item stands below its node."""
    root, labels = Branch(), _labels(dag)
    for node in dag.nodes:
        if node.kind != "parameter":
            branch = root
            for part in _path(node, dag):
                branch = branch.below.setdefault(part, Branch())
            branch.row = _row(node, labels)
            if node.inner is not None:
                branch.below.update(_grown(node.inner).below)
    return root


def _path(node: Node, dag: Dag) -> list[str]:
    return node.id.removeprefix(f"{dag.name}/").split("/")


def _labels(dag: Dag) -> dict[str, str]:
    """By the ids of nodes, names that are short, and of one node each."""
    last = {node.id: node.name if node.kind == "parameter" else _path(node, dag)[-1] for node in dag.nodes}
    uses = Counter(last.values())
    return {
        node.id: last[node.id] if uses[last[node.id]] == 1 or node.kind == "parameter" else "/".join(_path(node, dag))
        for node in dag.nodes
    }


def _row(node: Node, labels: Mapping[str, str]) -> Row:
    reads = ", ".join(_read(node, entry, labels) for entry in node.inputs)
    gives = f"Stream[{node.type}]" if node.gives == "stream" else node.type
    return Row("", node.kind, _cut(reads), _cut(gives), ", ".join(_runs(node)))


def _read(node: Node, entry: Edge | Constant, labels: Mapping[str, str]) -> str:
    if isinstance(entry, Constant):
        return f"{entry.parameter}={entry.value}"
    label = labels[entry.source]
    if node.inner is not None:
        return f"{entry.parameter}={label}"
    return READS.get(entry.delivery, "") + label


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _runs(node: Node) -> Iterator[str]:
    """How it runs: its bound, and every option that it has."""
    if node.gives == "stream":
        yield f"{node.max_in_flight} in flight"
    if node.executor != "inline":
        yield node.executor
    if node.kind in ("map", "filter") and node.executor != "inline" and node.concurrency < node.max_in_flight:
        yield f"{node.concurrency} at once"
    if not node.ordered:
        yield "as completed"
    if node.on_error != "raise":
        limit = "" if node.max_failures is None else f", up to {node.max_failures}"
        yield f"failures {'skipped' if node.on_error == 'skip' else 'caught'}{limit}"
    if node.retry is not None:
        yield "retry"
    if node.timeout is not None:
        yield f"timeout {node.timeout:g} s"
    if node.limit is not None:
        yield f"limit {node.limit.name}"
    if node.checkpoint:
        yield "checkpoint"
