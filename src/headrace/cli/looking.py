"""`headrace list`, `headrace show` and `headrace runs`: what there is, without running it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from headrace.cli.ending import Refusal
from headrace.cli.flags import docstring_of, hints_of
from headrace.cli.output import say, standard_output_alone
from headrace.cli.target import AnyFlow, find, flows_in, load, refusing_what_is_wrong
from headrace.dsl.step import Step
from headrace.errors import CheckpointError
from headrace.graph.dag import Dag
from headrace.graph.drawing import svg
from headrace.graph.hints import describe
from headrace.graph.render import mermaid
from headrace.graph.tree import given_type, tree
from headrace.graph.values import shown
from headrace.stores import RunEntry, runs_in

__all__ = ["entries", "list_flows", "runs", "show"]


class Entry(msgspec.Struct, frozen=True):
    """What can be run by one name of a module."""

    name: str
    kind: Literal["pipeline", "step"]
    parameters: dict[str, str]
    gives: str
    about: str
    where: str


def list_flows(module: Path, /, *, format: Literal["json", "text"] = "text") -> None:
    """List the pipelines of a module or file, and its steps: all that headrace run can run.

    Args:
        module: The path of a Python file, or the name of a module.
        format: How to write them.
    """
    with standard_output_alone(), refusing_what_is_wrong(str(module)):
        found = [_entry(name, flow) for name, flow in flows_in(vars(load(str(module)))).items()]
    if format == "json":
        say(_json(found))
    elif found:
        say("\n".join(line for entry in found for line in _lines(entry)))
    else:
        raise Refusal(f"{module}: has no pipelines and no steps; decorate a function with @pipeline")


def _entry(name: str, flow: AnyFlow) -> Entry:
    hints = hints_of(flow)
    parameters = {
        str(each.replace(annotation=each.empty, default=each.empty)): describe(hints[each.name])
        + ("" if each.default is each.empty else f" = {shown(each.default)}")
        for each in flow._parameters.parameters.values()
    }
    first, *_ = (docstring_of(flow) or "").strip().splitlines() or [""]
    if isinstance(flow, Step):  # which may be one that can be run only in a pipeline
        gives = describe(flow.callee.result)
        gives = f"Stream[{gives}]" if flow.callee.streams else gives
        return Entry(name, "step", parameters, gives, first, flow.callee.where)
    return Entry(name, "pipeline", parameters, given_type(flow.dag), first, flow.callee.where)


def _lines(entry: Entry) -> Iterator[str]:
    parameters = ", ".join(f"{name}: {hint}" for name, hint in entry.parameters.items())
    yield f"{entry.kind:8}  {entry.name}({parameters}) -> {entry.gives}"
    if entry.about:
        yield f"{'':8}  {entry.about}"


DRAWN: dict[str, Callable[[Dag], str]] = {"mermaid": mermaid, "svg": svg, "text": tree}


def show(target: Path, /, *, format: Literal["json", "mermaid", "svg", "text"] = "text") -> None:
    """Print the graph of a pipeline: as a tree, as data, or as a picture.

    Args:
        target: FILE:PIPELINE or MODULE:PIPELINE; without :PIPELINE, the only pipeline there is.
        format: How to write it.
    """
    with standard_output_alone():
        dag = find(str(target)).dag
    if format == "json":
        say(msgspec.json.format(dag.to_json(), indent=2).decode())
    else:
        with refusing_what_is_wrong(str(target)):
            say(DRAWN[format](dag))


def runs(store: Path, /, *, format: Literal["json", "text"] = "text") -> None:
    """List the runs whose results are in a checkpoint file, and how many each of their steps has done.

    Args:
        store: The file that a runner was given as checkpoint.
        format: How to write them.
    """
    found = entries(store)
    if format == "json":
        say(_json(found))
    else:
        for entry in found:
            say(_described(entry))


def entries(store: Path) -> list[RunEntry]:
    """The runs in a checkpoint file.

    Raises: Refusal: it cannot be read.
    """
    try:
        return runs_in(store)
    except CheckpointError as error:
        raise Refusal(str(error)) from error


def _described(entry: RunEntry) -> str:
    """One run in a few lines."""
    took = "" if entry.ended is None else f" after {(entry.ended - entry.started).total_seconds():.1f} s"
    failure = "" if entry.failure is None else f": {entry.failure}"
    begun = entry.started.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    steps = (f"\n  {each.step}: {each.kept + each.read} done, {each.read} read back" for each in entry.steps)
    return f"run {entry.run} of '{entry.pipeline}' ({begun}) {entry.state}{took}{failure}{''.join(steps)}"


def _json(found: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
