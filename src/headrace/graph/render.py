"""Draws a DAG as a Mermaid flowchart. What runs per item as a DAG of its own is drawn within its node."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.graph.dag import Dag, Edge, Node

__all__ = ["mermaid"]


def mermaid(dag: Dag) -> str:
    """The DAG as a Mermaid flowchart: values are boxes, streams are rounded, and edges name the bound.

    What runs per item is a subgraph.

    >>> from headrace import step
    >>> print(mermaid(step("double", fn=lambda number: number * 2).dag))
    flowchart TD
        n0[/"number"/]
        n1["double"]
        n0 -->|number| n1
    """
    return "\n".join(["flowchart TD", *_indented(_flowchart(dag, "n"))])


def _flowchart(dag: Dag, prefix: str) -> Iterator[str]:
    short = {node.id: f"{prefix}{index}" for index, node in enumerate(dag.nodes)}
    for node in dag.nodes:
        yield from _drawn(node, short[node.id])
    for node in dag.nodes:
        for edge in node.edges:
            yield f"{short[edge.source]} {_arrow(edge, dag)} {short[node.id]}"


def _drawn(node: Node, short: str) -> Iterator[str]:
    if node.inner is None:
        yield short + _shape(node)
        return
    yield f'subgraph {short}["{_label(node.inner.name)}, per item"]'
    yield from _indented(_flowchart(node.inner, f"{short}_"))
    yield "end"


def _arrow(edge: Edge, dag: Dag) -> str:
    if edge.delivery == "value":
        return f"-->|{edge.parameter}|"
    if edge.delivery == "failures":
        return f"-.->|{dag.node(edge.source).max_in_flight} in flight|"
    return f"==>|{dag.node(edge.source).max_in_flight} in flight|"


def _shape(node: Node) -> str:
    label = _label(node.name)
    if node.kind == "parameter":
        return f'[/"{label}"/]'
    return f'("{label}")' if node.gives == "stream" else f'["{label}"]'


def _label(name: str) -> str:
    return name.split("/")[-1].replace('"', "'")


def _indented(lines: Iterator[str], by: str = "    ") -> Iterator[str]:
    return (by + line for line in lines)
