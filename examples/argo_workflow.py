"""Compiles a pipeline to a workflow of another orchestrator: Argo Workflows, which runs containers on Kubernetes.

    headrace show app.py:summary --format json | python examples/argo_workflow.py --image registry/app > workflow.json
    argo submit workflow.json -p folder=/data

All that is read is the DAG's JSON; the pipeline's code is not imported. Each stage becomes a task, which waits for the
tasks of the stages that it reads, and hands over one file; parameters of the pipeline are parameters of the workflow.
The bounds are annotations of the tasks. They can be kept within a task only: between tasks a file holds all items.

The image must have a program that runs one stage. It is told which one, where it finds what each node gives that the
stage reads, and where to leave what the stage gives:

    --stage 2 --given summary(folder)=/data --file summary/read=/tmp/in/stage-1-read --output /tmp/out

Such a program imports the pipeline, whose `program` has the functions: docs/own_runner.md tells how they are called.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from headrace import Dag, DagError, Stage

__all__ = ["main", "workflow"]

Json = dict[str, Any]

OUTPUT = {"name": "out", "path": "/tmp/out"}
LONGEST = 128  # characters of a name, says Argo


def workflow(dag: Dag, image: str) -> Json:
    """The workflow of a pipeline whose stages `image` can run."""
    tasks = {id: _name(number, stage) for number, stage in enumerate(dag.stages) for id in stage.nodes}
    outputs = [_file_of(tasks[id]) for id in dict.fromkeys(dag.outputs) if id in tasks]
    graph = {
        "name": "pipeline",
        "outputs": {"artifacts": outputs},
        "dag": {"tasks": [_task(dag, stage, tasks) for stage in dag.stages]},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": f"{_plain(dag.name)}-"},
        "spec": {
            "entrypoint": "pipeline",
            "arguments": {"parameters": [{"name": node.name} for node in dag.nodes if node.kind == "parameter"]},
            "templates": [graph, *(_template(dag, number, tasks, image) for number in range(len(dag.stages)))],
        },
    }


def _task(dag: Dag, stage: Stage, tasks: Mapping[str, str]) -> Json:
    """One stage in the graph: the tasks that it waits for, and the files that it gets from them."""
    sources = [tasks[id] for id in _sources(dag, stage) if id in tasks]
    return {
        "name": tasks[stage.nodes[0]],
        "template": tasks[stage.nodes[0]],
        "dependencies": sources,
        "arguments": {"artifacts": [_file_of(source) for source in sources]},
    }


def _template(dag: Dag, number: int, tasks: Mapping[str, str], image: str) -> Json:
    """What the task of one stage runs."""
    stage = dag.stages[number]
    last = dag.node(stage.nodes[-1])
    files = {id: f"/tmp/in/{tasks[id]}" for id in _sources(dag, stage) if id in tasks}
    arguments = ["--stage", str(number)]
    for id in _sources(dag, stage):
        arguments += ["--file", f"{id}={files[id]}"] if id in files else ["--given", f"{id}={_parameter(dag, id)}"]
    return {
        "name": tasks[last.id],
        "metadata": {
            "annotations": {
                "headrace/nodes": " ".join(stage.nodes),
                "headrace/executor": stage.executor,
                "headrace/max-in-flight": str(last.max_in_flight),
                "headrace/concurrency": str(last.concurrency),
            }
        },
        "inputs": {"artifacts": [{"name": tasks[id], "path": path} for id, path in files.items()]},
        "outputs": {"artifacts": [OUTPUT]},
        "container": {"image": image, "args": [*arguments, "--output", OUTPUT["path"]]},
    }


def _sources(dag: Dag, stage: Stage) -> list[str]:
    """The nodes that the stage reads and that are not its own."""
    edges = [edge for id in stage.nodes for edge in dag.node(id).edges]
    return list(dict.fromkeys(edge.source for edge in edges if edge.source not in stage.nodes))


def _file_of(task: str) -> Json:
    """What a task hands over, under the name of the task."""
    return {"name": task, "from": f"{{{{tasks.{task}.outputs.artifacts.{OUTPUT['name']}}}}}"}


def _parameter(dag: Dag, id: str) -> str:
    return f"{{{{workflow.parameters.{dag.node(id).name}}}}}"


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
