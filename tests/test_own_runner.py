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
from headrace import Constant, Dag, Edge, Node, Pipeline, Stage, Stream, pipeline, resource, stream
from headrace.graph.dag import Delivery, Handoff, Kind
from headrace.testing.plain import plain
from tests.test_docs import blocks, files
from tools.corpus import load, scripts

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/own_runner.md").read_text("utf-8")
RUNS = [(script, name) for script in scripts() for name in load(script).RUNS]
each_run = pytest.mark.parametrize(("script", "name"), RUNS, ids=[f"{script.stem}, {name}" for script, name in RUNS])


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """The runner of the page, as a module."""
    module = ModuleType("eager")
    sys.modules[module.__name__] = module  # dataclasses look up their module
    exec(compile(files(PAGE)["eager.py"], "docs/own_runner.md", "exec"), vars(module))
    return module


class Client:
    def __init__(self, url: str) -> None: ...
    def __enter__(self) -> str: ...
    def __exit__(self, *_: object) -> None: ...


def answer(question: str, client: str, other: str) -> str: ...


@pipeline
def asked(questions: list[str], url: str = "") -> Stream[str]:
    client = resource(Client, url)
    return stream(questions).map(answer, client, resource(Client, client, scope="item"))


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
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(TABLES[name])


@pytest.mark.parametrize("word", [*Edge.__struct_fields__, *Constant.__struct_fields__, *typing.get_args(Handoff)])
def test_page_tells_of_the_rest(word: str) -> None:
    assert f"`{word}`" in PAGE


# -- its runner --------------------------------------------------------------------------------------------------

ENDLESS = {"fibonacci", "first_primes", "raffle", "release_notes", "side_by_side"}  # or nearly so, in some runs
DIFFERENT = {
    "deadlock, locked": "it has no bounds within which to lock up",
    "merged_logs, traffic": "what is there first depends on what is in flight",
    "package_builds, a mill": "it keeps the order of the input",
    "package_builds, two packages": "it keeps the order of the input",
}


@each_run
def test_eager_runner_comes_to_the_same(page: ModuleType, script: Path, name: str) -> None:
    flow, *arguments = load(script).RUNS[name]
    outcome = outcome_of(page.eager, flow, *arguments)
    if outcome[0] is NotImplementedError:
        assert script.stem in ENDLESS or not can_do(page, flow.dag)
    elif f"{script.stem}, {name}" not in DIFFERENT:
        assert outcome == outcome_of(type(flow).run, flow, *arguments)


def can_do(page: ModuleType, dag: Dag) -> bool:
    return all(
        node.kind in page.KINDS and node.on_error == "raise" and (node.inner is None or can_do(page, node.inner))
        for node in dag.nodes
    )


def test_eager_runner_refuses_what_it_cannot_do(page: ModuleType) -> None:
    with pytest.raises(NotImplementedError, match=r"resource 'Client' \(.*\): not for this runner: resource with"):
        page.eager(asked, ["a"])


def outcome_of(runner: Any, flow: Any, *arguments: Any) -> Any:
    try:
        return None, plain(runner(flow, *arguments))
    except Exception as error:
        return type(error), str(error), getattr(error, "__notes__", [])


# -- other orchestrators -----------------------------------------------------------------------------------------


@pytest.fixture
def app(tmp_path: Path) -> ModuleType:
    """The first example of the README."""
    example = blocks((ROOT / "README.md").read_text("utf-8"))[0]
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


DAGS = {f"{script.stem}, {name}": load(script).RUNS[name][0].dag for script, name in RUNS}


@pytest.mark.parametrize("dag", [*DAGS.values(), asked.dag], ids=[*DAGS, "resources"])
def test_workflow_is_one_that_argo_takes(dag: Dag) -> None:
    spec = workflow(Dag.from_json(dag.to_json()), "registry/app")["spec"]
    graph, *templates = spec["templates"]
    tasks = graph["dag"]["tasks"]
    assert spec["entrypoint"] == graph["name"]
    assert [task["template"] for task in tasks] == [template["name"] for template in templates]
    stages = [stage for stage in dag.stages if "resource" not in dag.node(stage.nodes[0]).kind]
    assert len({task["name"] for task in tasks}) == len(stages)
    for task, template in zip(tasks, templates, strict=True):
        assert re.fullmatch("[a-z0-9][-a-z0-9]{0,127}", task["name"])
        given = task["arguments"]["artifacts"]
        assert [each["name"] for each in given] == [each["name"] for each in template["inputs"]["artifacts"]]
        assert {each["from"].split(".")[1] for each in given} == set(task["dependencies"])
    left = {
        f"{{{{tasks.{template['name']}.outputs.artifacts.{each['name']}}}}}"
        for template in templates
        for each in template["outputs"]["artifacts"]
    }
    assert left >= {each["from"] for task in tasks for each in task["arguments"]["artifacts"]}
    assert left >= {each["from"] for each in graph["outputs"]["artifacts"]}
    waits = {task["name"]: task["dependencies"] for task in tasks}
    assert set(TopologicalSorter(waits).static_order()) == set(waits), (
        "tasks wait for tasks that are there, in no circle"
    )
    assert all(re.fullmatch("[-a-zA-Z0-9_]+", parameter["name"]) for parameter in spec["arguments"]["parameters"])
    bounds = [template["metadata"]["annotations"]["headrace/max-in-flight"] for template in templates]
    assert bounds == [str(dag.node(stage.nodes[-1]).max_in_flight) for stage in stages]


def test_resources_are_entered_in_the_tasks_that_take_them() -> None:
    (_, only) = workflow(asked.dag, "registry/app")["spec"]["templates"]
    given = ["--given", "asked(questions)={{workflow.parameters.questions}}", "--given"]
    written = ["--write", "asked/answer=/tmp/out/node-5"]
    assert only["container"]["args"] == ["--stage", "1", *given, "asked(url)={{workflow.parameters.url}}", *written]


@pytest.mark.parametrize("name", ["summary", "diamond"])
def test_tasks_are_given_all_that_their_stages_read(
    page: ModuleType, app: ModuleType, tmp_path: Path, name: str
) -> None:
    """The workflow, run here: a task has nothing but its arguments and the files that it was promised."""
    (tmp_path / "one.py").write_text("water water mill", "utf-8")
    flow: Pipeline[[str], Any] = {"summary": app.summary, "diamond": diamond}[name]
    graph, *templates = workflow(flow.dag, "registry/app")["spec"]["templates"]
    made: dict[str, Any] = {}  # what tasks left, as others name it
    waits = {task["name"]: task["dependencies"] for task in graph["dag"]["tasks"]}
    for task in TopologicalSorter(waits).static_order():
        (given,) = (each["arguments"]["artifacts"] for each in graph["dag"]["tasks"] if each["name"] == task)
        (template,) = (each for each in templates if each["name"] == task)
        files = {each["name"]: made[each["from"]] for each in given}
        for file, content in ran(page, flow, template, files, {"folder": str(tmp_path)}).items():
            made[f"{{{{tasks.{task}.outputs.artifacts.{file}}}}}"] = content
    results = tuple(made[each["from"]] for each in graph["outputs"]["artifacts"])
    assert results == flow.run(str(tmp_path))


@pipeline
def diamond(folder: str) -> tuple[list[str], list[str]]:
    letters = stream("abc")
    return letters.map(str.upper).collect(), letters.map(str.center, 3, "-").collect()


def ran(
    page: ModuleType, flow: Any, template: Any, files: dict[str, Any], parameters: dict[str, str]
) -> dict[str, Any]:
    """What the container of a template leaves, by file, if it finds these."""
    paths = {each["path"]: files[each["name"]] for each in template["inputs"]["artifacts"]}
    names = {each["path"]: each["name"] for each in template["outputs"]["artifacts"]}
    words = iter(template["container"]["args"])
    given: dict[str, Any] = {}
    left: dict[str, Any] = {}
    for word, value in zip(words, words, strict=True):
        id, _, place = value.rpartition("=")
        if word == "--stage":
            stage = flow.dag.stages[int(value)]
        elif word == "--given":
            given[id] = parameters[place.removeprefix("{{workflow.parameters.").removesuffix("}}")]
        elif word == "--read":
            given[id] = paths[place]
        else:
            left[names[place]] = id
    run = page.Run(flow.program, given, SimpleNamespace())
    for id in stage.nodes:
        given[id] = page.made(flow.dag.node(id), run)
    return {file: given[id] for file, id in left.items()}
