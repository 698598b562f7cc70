"""The DAG as a contract: the runner that docs/own_runner.md writes, and the example that compiles to other tasks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from examples.argo_workflow import workflow
from headrace import Constant, Dag, Edge, Node, Pipeline, Stage
from headrace.graph.dag import Delivery, Handoff, Kind
from headrace.testing.plain import plain
from tools.corpus import load, scripts

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/own_runner.md").read_text("utf-8")
RUNS = [(script, name) for script in scripts() for name in load(script).RUNS]
each_run = pytest.mark.parametrize(("script", "name"), RUNS, ids=[f"{script.stem}, {name}" for script, name in RUNS])


def code_of(page: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """The code of the page, as a module."""
    module = ModuleType("own_runner")
    sys.modules[module.__name__] = module  # dataclasses look up their module
    exec(compile(code_of(PAGE), "docs/own_runner.md", "exec"), vars(module))
    return module


# -- the page ----------------------------------------------------------------------------------------------------

TABLES = {
    "Dag": Dag.__struct_fields__,
    "Node": Node.__struct_fields__,
    "Stage": Stage.__struct_fields__,
    "kind": typing.get_args(Kind),
    "delivery": typing.get_args(Delivery),
}


@pytest.mark.parametrize("name", TABLES)
def test_page_has_a_line_for_each_field_and_word(name: str) -> None:
    (table,) = re.findall(rf"^\| `{name}`.*\n\|---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(TABLES[name])


@pytest.mark.parametrize("word", [*Edge.__struct_fields__, *Constant.__struct_fields__, *typing.get_args(Handoff)])
def test_page_tells_of_the_rest(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_guarantees_of_the_page_hold(page: ModuleType) -> None:
    page.test_guarantees()


# -- its runner --------------------------------------------------------------------------------------------------

CANNOT = {  # why it is not compared
    ("deadlock", "locked"): "it has no bounds within which to lock up",
    ("fibonacci", None): "a source without an end",
    ("first_primes", None): "a source without an end",
    ("package_builds", None): "it keeps the order of the input",
    ("release_notes", "the first two"): "a source of a million pages, of which few are asked for",
}


@each_run
def test_eager_runner_comes_to_the_same(page: ModuleType, script: Path, name: str) -> None:
    if (script.stem, name) in CANNOT or (script.stem, None) in CANNOT:
        return
    flow, *arguments = load(script).RUNS[name]
    assert outcome_of(page.eager, flow, *arguments) == outcome_of(type(flow).run, flow, *arguments)


def outcome_of(runner: Any, flow: Any, *arguments: Any) -> Any:
    try:
        return plain(runner(flow, *arguments))
    except Exception as error:
        return type(error), str(error), getattr(error, "__notes__", [])


# -- other orchestrators -----------------------------------------------------------------------------------------


@pytest.fixture
def app(tmp_path: Path) -> ModuleType:
    """The example of the README."""
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "app.py").write_text(example, "utf-8")
    return load(tmp_path / "app.py")


def test_workflow_is_compiled_from_the_json_alone(app: ModuleType, headrace_snapshot: SnapshotAssertion) -> None:
    command = [sys.executable, str(ROOT / "examples/argo_workflow.py"), "--image", "registry/app"]
    made = subprocess.run(command, input=app.summary.dag.to_json(), capture_output=True, check=True).stdout
    assert json.loads(made) == headrace_snapshot


def test_workflow_of_no_dag_is_refused() -> None:
    command = [sys.executable, str(ROOT / "examples/argo_workflow.py"), "--image", "registry/app"]
    done = subprocess.run(command, input='{"version": 0, "name": "crawl"}', capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("argo_workflow: DAG 'crawl': must be of schema version 1")


@each_run
def test_workflow_is_one_that_argo_takes(script: Path, name: str) -> None:
    dag: Dag = load(script).RUNS[name][0].dag
    spec = workflow(Dag.from_json(dag.to_json()), "registry/app")["spec"]
    graph, *templates = spec["templates"]
    tasks = graph["dag"]["tasks"]
    assert spec["entrypoint"] == graph["name"]
    assert [task["template"] for task in tasks] == [template["name"] for template in templates]
    for task, template in zip(tasks, templates, strict=True):
        assert re.fullmatch("[a-z0-9][-a-z0-9]{0,127}", task["name"])
        given = task["arguments"]["artifacts"]
        assert [each["name"] for each in given] == [each["name"] for each in template["inputs"]["artifacts"]]
        assert [each["from"] for each in given] == [
            f"{{{{tasks.{source}.outputs.artifacts.out}}}}" for source in task["dependencies"]
        ]
    waits = {task["name"]: task["dependencies"] for task in tasks}
    assert len(waits) == len(dag.stages)
    assert set(TopologicalSorter(waits).static_order()) == set(waits), (
        "they wait for tasks that are there, in no circle"
    )
    assert all(re.fullmatch("[-a-zA-Z0-9_]+", parameter["name"]) for parameter in spec["arguments"]["parameters"])
    bounds = [template["metadata"]["annotations"]["headrace/max-in-flight"] for template in templates]
    assert bounds == [str(dag.node(stage.nodes[-1]).max_in_flight) for stage in dag.stages]


def test_each_task_is_given_all_that_its_stage_reads(page: ModuleType, app: ModuleType, tmp_path: Path) -> None:
    """The workflow, run here: a task has nothing but its arguments and the files that it was promised."""
    (tmp_path / "one.py").write_text("water water mill", "utf-8")
    flow: Pipeline[[str], Any] = app.summary
    graph, *templates = workflow(flow.dag, "registry/app")["spec"]["templates"]
    left: dict[str, Any] = {}  # by task: the file that it hands over
    for task, template in zip(graph["dag"]["tasks"], templates, strict=True):
        files = {each["name"]: left[each["name"]] for each in task["arguments"]["artifacts"]}
        left[task["name"]] = ran(page, flow, template, files, {"folder": str(tmp_path)})
    results = tuple(left[each["name"]] for each in graph["outputs"]["artifacts"])
    assert results == flow.run(str(tmp_path))


def ran(page: ModuleType, flow: Any, template: Any, files: dict[str, Any], parameters: dict[str, str]) -> Any:
    """What the container of a template leaves."""
    at = {each["path"]: files[each["name"]] for each in template["inputs"]["artifacts"]}
    words = iter(template["container"]["args"])
    given: dict[str, Any] = {}
    stage = Stage(nodes=(), handoff="value")
    for word, value in zip(words, words, strict=True):
        id, _, place = value.rpartition("=")
        if word == "--stage":
            stage = flow.dag.stages[int(value)]
        elif word == "--file":
            given[id] = at[place]
        elif word == "--given":
            given[id] = parameters[place.removeprefix("{{workflow.parameters.").removesuffix("}}")]
    run = page.Run(flow.program, given, SimpleNamespace())
    for id in stage.nodes:
        given[id] = page.made(flow.dag.node(id), run)
    return given[stage.nodes[-1]]
