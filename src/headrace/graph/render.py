"""Draws a DAG as text. What runs per item as a DAG of its own is drawn within its node."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.graph.dag import Constant, Dag, Edge, Node

__all__ = ["mermaid", "text"]


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


def text(dag: Dag) -> str:
    """The DAG as an indented list: one line a node, in running order, grouped by stage.

    What runs per item is a list below its node.

    >>> from headrace import step
    >>> print(text(step("double", fn=lambda number: number * 2).dag))
    double -> value
      parameter double(number): Any
      stage 0 (value)
        value double/double(number = double(number)) -> Any
    """
    return "\n".join(_lines(dag))


def _lines(dag: Dag) -> Iterator[str]:
    yield f"{dag.name} -> {dag.returns}"
    for node in dag.nodes:
        if node.kind == "parameter":
            yield f"  parameter {node.id}: {node.type}"
    for number, stage in enumerate(dag.stages):
        yield f"  stage {number} ({stage.handoff}{', fiber' if stage.fiber else ''})"
        for id in stage.nodes:
            node = dag.node(id)
            yield f"    {_line(node)}"
            if node.inner is not None:
                yield from _indented(_lines(node.inner), "      ")


def _line(node: Node) -> str:
    gives = f"stream of {node.type}" if node.gives == "stream" else node.type
    bound = f", {node.max_in_flight} in flight" if node.max_in_flight > 1 else ""
    limit = "" if node.max_failures is None else f" up to {node.max_failures}"
    policy = "" if node.on_error == "raise" else f", failures: {node.on_error}{limit}"
    return f"{node.kind} {node.id}({', '.join(map(_input, node.inputs))}) -> {gives}{bound}{policy}"


def _input(entry: Edge | Constant) -> str:
    if isinstance(entry, Constant):
        return f"{entry.parameter} = {entry.value}"
    if entry.delivery == "trigger":
        return f"once per item of {entry.source}"
    if entry.delivery == "unpacked":
        return f"{entry.parameter} = *{entry.source}" if entry.keyword else f"*{entry.source}"
    if entry.delivery == "failures":
        return f"failures of {entry.source}"
    return f"{entry.parameter} = {entry.source}"


def _indented(lines: Iterator[str], by: str = "    ") -> Iterator[str]:
    return (by + line for line in lines)
