"""`headrace check`: what is wrong, or looks wrong, with the pipelines of a module, without running them."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

import msgspec

from headrace.cli.blocking import blocking_call
from headrace.cli.ending import Found, Refusal
from headrace.cli.output import say, standard_output_alone
from headrace.cli.rehearsal import locks
from headrace.cli.target import flows_in, load, pick, refusing_what_is_wrong, split
from headrace.dsl.pipeline import Pipeline, pipeline_of_step
from headrace.dsl.step import Step
from headrace.errors import BuildError
from headrace.graph.callee import unwrapped
from headrace.graph.dag import RESOURCES, Dag, Node, Program

__all__ = ["check"]

Rule = Literal["build", "deadlock", "blocking", "overlap", "unused"]
SAID = re.compile(r"\((?:called at )?([^()]+:\d+)\)")  # where a message says that something stands
LATER = ("Any", "object", "Future", "Task", "Awaitable", "Coroutine")  # what a step that only starts work may give


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong, or looks wrong."""

    rule: Rule
    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}: {self.what}; {self.fix}"


def check(*targets: Path, ignore: Sequence[Rule] | None = None, format: Literal["json", "text"] = "text") -> None:
    """Build the pipelines of files or modules, and look for what would go wrong. The exit code is 1 if something would.

    Rules: build (cannot be built), deadlock (locks up: seen by running the graph with stand-ins for all functions),
    blocking (a plain step holds up the event loop of async ones), overlap (a max_in_flight for calls that run one by
    one), unused (a step that no pipeline of its module has).

    Args:
        targets: Files or modules, or FILE:PIPELINE for one pipeline.
        ignore: A rule that does not count. May be given several times.
        format: How to write what is found.
    """
    if not targets:
        raise Refusal("check: needs a file or a module, got none; such as headrace check app.py")
    with standard_output_alone():
        checked = [_Checked(str(target)) for target in targets]
    found = [finding for each in checked for finding in each.findings if finding.rule not in (ignore or ())]
    if format == "json":
        say(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        count = f"{len(found) or 'no'} finding{'' if len(found) == 1 else 's'}"
        say("\n".join([*(line for each in checked for line in each.bounds), *map(str, found), count]))
    if found:
        raise Found


class _Checked:
    """One target: the bounds of its pipelines, and what is found."""

    def __init__(self, target: str) -> None:
        self.place, self.name = split(target)
        self.file = self.place
        self.bounds: list[str] = []
        self.findings: list[Finding] = []
        try:
            with refusing_what_is_wrong(self.place):
                module = load(self.place)
                pipelines = self._pipelines(module)
        except Refusal as refusal:
            if not isinstance(refusal.__cause__, BuildError):
                raise
            self._add_unbuilt(refusal.__cause__)
            return
        self.file = os.path.relpath(module.__file__ or self.place)
        built = {name: program for name, flow in pipelines.items() if (program := self._built(flow)) is not None}
        for name, program in built.items():
            self.bounds.append(f"{self.place}: {name} {_bounds(program.dag)}")
            self._check(program)
        if built and not self.name:
            self._check_used(module, [*built.values()])
        self.findings.sort(key=_line)

    def _pipelines(self, module: ModuleType) -> dict[str, Pipeline[Any, Any]]:
        if not self.name:
            return {name: flow for name, flow in flows_in(vars(module)).items() if isinstance(flow, Pipeline)}
        flow = pick(self.place, self.name, vars(module))
        return {self.name: pipeline_of_step(flow) if isinstance(flow, Step) else cast("Pipeline[Any, Any]", flow)}

    def _built(self, pipeline: Pipeline[Any, Any]) -> Program | None:
        try:
            return pipeline.program
        except BuildError as error:
            self._add_unbuilt(error)
            return None

    def _add_unbuilt(self, error: BuildError) -> None:
        message = " ".join(str(error).split())
        what, _, fix = message.rpartition("; ")
        self._add("build", (SAID.findall(message) or [f"{self.file}:1"])[-1], what, fix)

    def _add(self, rule: Rule, where: str, what: str, fix: str) -> None:
        """One more finding, if it is none that a part of the pipeline has given already."""
        name, _, line = where.rpartition(":")
        where = f"{self.file}:{line}" if os.path.basename(self.file) == name else where
        if all((rule, where) != (other.rule, other.where) for other in self.findings):
            self.findings.append(Finding(rule, where, what, fix))

    def _check(self, program: Program) -> None:
        for lock in locks(program):
            self._add("deadlock", lock.where, lock.what, lock.fix)
        self._check_calls(program, any(node.executor == "async" for node in _nodes(program.dag)))

    def _check_calls(self, program: Program, in_loop: bool) -> None:
        """Whether what runs on the run's own thread blocks, or was meant to overlap."""
        for node in program.dag.nodes:
            if node.executor == "inline" and node.id in program.functions and node.kind not in RESOURCES:
                if in_loop:
                    self._check_blocking(program, node)
                self._check_overlap(program.dag, node)
        for inner in program.inner.values():
            self._check_calls(inner, in_loop)

    def _check_blocking(self, program: Program, node: Node) -> None:
        call = blocking_call(program.functions[node.id])
        if call is not None:
            reads = node.kind == "flat_map" or (node.kind == "value" and node.stream_edges)
            fix = "make it async" if reads else "give it executor='thread', or make it async"
            what = f"{node} calls {call.name}, which holds up the async steps of pipeline '{program.dag.name}'"
            self._add("blocking", call.where, what, fix)

    def _check_overlap(self, dag: Dag, node: Node) -> None:
        if node.kind not in ("map", "filter") or node.max_in_flight == 1 or any(part in node.type for part in LATER):
            return
        if not _branches(dag, node.id):  # else it is what a branch may hold
            what = f"{node} has max_in_flight={node.max_in_flight}, but its calls run one by one, and results only wait"
            self._add("overlap", node.where, what, "give it executor='thread', make it async, or leave that out")

    def _check_used(self, module: ModuleType, programs: Sequence[Program]) -> None:
        functions = [function for program in programs for function in _functions(program)]
        mentioned = _mentioned(module)
        for name, step in vars(module).items():
            code = getattr(unwrapped(step.function), "__code__", None) if isinstance(step, Step) else None
            if code is None or code.co_filename != module.__file__ or name in mentioned:
                continue
            if not any(function is step.function for function in functions):
                self._add(
                    "unused",
                    step.callee.where,
                    f"{step.callee} is in no pipeline of {self.place}",
                    "use it, or remove it",
                )


def _bounds(dag: Dag) -> str:
    """A pipeline's size and bound in one line."""
    nodes = [node for node in _nodes(dag) if node.kind != "parameter"]
    flying = sum(node.max_in_flight for node in nodes if node.gives == "stream")
    whole = [node.id.removeprefix(f"{dag.name}/") for node in nodes if node.kind == "collect"]
    more = f", and all items of a stream in {', '.join(whole)}" if whole else ""
    return f"has {len(nodes)} steps, at most {flying} items in flight{more}"


def _nodes(dag: Dag) -> Iterator[Node]:
    """The nodes, and those of what runs per item."""
    for node in dag.nodes:
        yield node
        if node.inner is not None:
            yield from _nodes(node.inner)


def _functions(program: Program) -> Iterator[Any]:
    yield from program.functions.values()
    for inner in program.inner.values():
        yield from _functions(inner)


def _branches(dag: Dag, id: str) -> bool:
    """Whether that stream, or one that it is made of, has several readers."""
    readers = dag.consumers()
    if len(readers[id]) > 1:
        return True
    return any(_branches(dag, edge.source) for edge in dag.node(id).stream_edges)


def _mentioned(module: ModuleType) -> set[str]:
    """The names that the file uses somewhere, or says to be for others."""
    tree = ast.parse(Path(module.__file__ or "").read_bytes())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return used | set(getattr(module, "__all__", ()))


def _line(finding: Finding) -> tuple[str, int]:
    file, _, line = finding.where.rpartition(":")
    return file, int(line)
