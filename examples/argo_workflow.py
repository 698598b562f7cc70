"""Compiles a pipeline to a workflow of another orchestrator: Argo Workflows, which runs containers on Kubernetes.

    headrace show app.py:summary --format json | python examples/argo_workflow.py --image registry/app > workflow.json
    argo submit workflow.json -p folder=/data

All that is read is the DAG's JSON; the pipeline's code is not imported. Each stage becomes a task, which waits for the
tasks of the stages that it reads. What a stage gives to others is handed over in files, one for each node that is read;
parameters of the pipeline are parameters of the workflow. The bounds are annotations of the tasks. They can be kept
within a task only: between tasks a file holds all items. Resources, such as connections, cannot be handed over: each
task enters those that it needs.

The image must have a program that runs one stage. It is told which one, what it is given, and what to leave where:

    --stage 2 --given summary(folder)=/data --read summary/read=/tmp/in/node-2 --write summary/len=/tmp/out/node-4

Such a program imports the pipeline, whose `program` has the functions: docs/own_runner.md tells how they are called.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any

from headrace import Dag, DagError, Stage

__all__ = ["main", "workflow"]

Json = dict[str, Any]

RESOURCES = ("resource", "item_resource")
LONGEST = 128  # characters in a name, says Argo


def workflow(dag: Dag, image: str) -> Json:
    """The workflow of a pipeline whose stages `image` can run."""
    plan = _Plan(dag)
    outputs = [plan.handed_over(id) for id in dict.fromkeys(dag.outputs) if id in plan.task_of]
    graph = {
        "name": "pipeline",
        "outputs": {"artifacts": outputs},
        "dag": {"tasks": [_task(plan, stage) for stage in plan.stages.values()]},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": f"{_plain(dag.name)}-"},
        "spec": {
            "entrypoint": "pipeline",
            "arguments": {"parameters": [{"name": node.name} for node in dag.nodes if node.kind == "parameter"]},
            "templates": [graph, *(_template(plan, number, image) for number in plan.stages)],
        },
    }


class _Plan:
    """Which stages are tasks, what is named how, and which nodes are read by other tasks."""

    def __init__(self, dag: Dag) -> None:
        self.dag = dag
        self.resources = {node.id for node in dag.nodes if node.kind in RESOURCES}
        stages = dict(enumerate(dag.stages))
        self.stages = {number: stage for number, stage in stages.items() if not self.resources & set(stage.nodes)}
        self.task_of = {id: _name(number, stage) for number, stage in self.stages.items() for id in stage.nodes}
        self.file_of = {node.id: f"node-{number}" for number, node in enumerate(dag.nodes)}
        self.read = {*dag.outputs, *(id for stage in self.stages.values() for id in self.sources(stage))}

    def sources(self, stage: Stage) -> list[str]:
        """The nodes that the stage, or a resource that it takes, reads, and that are not its own."""
        inside = list(stage.nodes)
        found: dict[str, None] = {}
        for id in inside:
            for edge in self.dag.node(id).edges:
                if edge.source in self.resources and edge.source not in inside:
                    inside.append(edge.source)
                elif edge.source not in inside:
                    found[edge.source] = None
        return list(found)

    def handed_over(self, id: str) -> Json:
        """The file of a node, from the task that makes it."""
        name = self.file_of[id]
        return {"name": name, "from": f"{{{{tasks.{self.task_of[id]}.outputs.artifacts.{name}}}}}"}


def _task(plan: _Plan, stage: Stage) -> Json:
    """One stage in the graph: the tasks that it waits for, and the files that it gets from them."""
    sources = [id for id in plan.sources(stage) if id in plan.task_of]
    name = plan.task_of[stage.nodes[0]]
    return {
        "name": name,
        "template": name,
        "dependencies": list(dict.fromkeys(plan.task_of[id] for id in sources)),
        "arguments": {"artifacts": [plan.handed_over(id) for id in sources]},
    }


def _template(plan: _Plan, number: int, image: str) -> Json:
    """What the task of one stage runs."""
    stage = plan.dag.stages[number]
    last = plan.dag.node(stage.nodes[-1])
    sources = plan.sources(stage)
    read = {id: f"/tmp/in/{plan.file_of[id]}" for id in sources if id in plan.task_of}
    written = {id: f"/tmp/out/{plan.file_of[id]}" for id in stage.nodes if id in plan.read}
    given = {id: f"{{{{workflow.parameters.{plan.dag.node(id).name}}}}}" for id in sources if id not in read}
    return {
        "name": plan.task_of[last.id],
        "metadata": {
            "annotations": {
                "headrace/nodes": " ".join(stage.nodes),
                "headrace/executor": stage.executor,
                "headrace/max-in-flight": str(last.max_in_flight),
                "headrace/concurrency": str(last.concurrency),
            }
        },
        "inputs": {"artifacts": _files(plan, read)},
        "outputs": {"artifacts": _files(plan, written)},
        "container": {
            "image": image,
            "args": [
                *("--stage", str(number)),
                *_flags("--given", given),
                *_flags("--read", read),
                *_flags("--write", written),
            ],
        },
    }


def _files(plan: _Plan, paths: dict[str, str]) -> list[Json]:
    return [{"name": plan.file_of[id], "path": path} for id, path in paths.items()]


def _flags(flag: str, pairs: dict[str, str]) -> list[str]:
    return [word for id, value in pairs.items() for word in (flag, f"{id}={value}")]


def _name(number: int, stage: Stage) -> str:
    return f"stage-{number}-{_plain(stage.nodes[-1].split('/')[-1])}"[:LONGEST].rstrip("-")


def _plain(text: str) -> str:
    """Small letters, digits and dashes: all that Kubernetes takes in a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def main() -> None:
    """Read a DAG's JSON from a file or from standard input, and write the workflow's to standard output."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dag", nargs="?", type=argparse.FileType("rb"), default=sys.stdin.buffer, help="a JSON file")
    parser.add_argument("--image", required=True, help="the container image that can run a stage")
    options = parser.parse_args()
    try:
        dag = Dag.from_json(options.dag.read())
    except DagError as error:
        sys.exit(f"argo_workflow: {error}")
    print(json.dumps(workflow(dag, options.image), indent=2))


if __name__ == "__main__":
    main()
