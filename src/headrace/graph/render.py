"""Draws a DAG as text."""

from __future__ import annotations

from headrace.graph.dag import Constant, Dag, Node

__all__ = ["mermaid", "text"]


def mermaid(dag: Dag) -> str:
    """The DAG as a Mermaid flowchart: values are boxes, streams are rounded, and edges name the bound.

    >>> from headrace import step
    >>> print(mermaid(step("double", fn=lambda number: number * 2).dag))
    flowchart TD
        n0[/"number"/]
        n1["double"]
        n0 -->|number| n1
    """
    short = {node.id: f"n{index}" for index, node in enumerate(dag.nodes)}
    lines = ["flowchart TD"]
    lines += [f"    {short[node.id]}{_shape(node)}" for node in dag.nodes]
    bounds = {node.id: node.max_in_flight for node in dag.nodes}
    for node in dag.nodes:
        for edge in node.edges:
            if edge.delivery == "value":
                lines.append(f"    {short[edge.source]} -->|{edge.parameter}| {short[node.id]}")
            else:
                lines.append(f"    {short[edge.source]} ==>|{bounds[edge.source]} in flight| {short[node.id]}")
    return "\n".join(lines)


def _shape(node: Node) -> str:
    label = node.name.replace('"', "'")
    if node.kind == "parameter":
        return f'[/"{label}"/]'
    return f'("{label}")' if node.gives == "stream" else f'["{label}"]'


def text(dag: Dag) -> str:
    """The DAG as an indented list: one line a node, in running order, grouped by stage.

    >>> from headrace import step
    >>> print(text(step("double", fn=lambda number: number * 2).dag))
    double -> value
      parameter double(number): Any
      stage 0 (value)
        value double/double(number = double(number)) -> Any
    """
    lines = [f"{dag.name} -> {dag.returns}"]
    by_id = {node.id: node for node in dag.nodes}
    lines += [f"  parameter {node.id}: {node.type}" for node in dag.nodes if node.kind == "parameter"]
    for number, stage in enumerate(dag.stages):
        lines.append(f"  stage {number} ({stage.handoff}{', fiber' if stage.fiber else ''})")
        lines += [f"    {_line(by_id[id])}" for id in stage.nodes]
    return "\n".join(lines)


def _line(node: Node) -> str:
    inputs = ", ".join(
        f"{entry.parameter} = {entry.value if isinstance(entry, Constant) else entry.source}" for entry in node.inputs
    )
    gives = f"stream of {node.type}" if node.gives == "stream" else node.type
    bound = f", {node.max_in_flight} in flight" if node.max_in_flight > 1 else ""
    return f"{node.kind} {node.id}({inputs}) -> {gives}{bound}"
