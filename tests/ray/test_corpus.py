"""The corpus on Ray, against the same snapshots as with every other runner."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from headrace import RayRunner, UnpicklableError
from headrace.testing import EveryRunner, Runner
from headrace.testing.plain import differences
from tools.corpus import load, scripts

SNAPSHOTS = Path(__file__).parent.parent / "__snapshots__/test_corpus"
TRACEBACK = "headrace: raised in a worker process:"  # how it came up in the actor
APART = {"book_with_contents"}  # its steps change an object together, and each actor has one of its own
SCRIPTS = [script for script in scripts() if script.stem not in APART]
EARLY = {"release_notes"}  # ends before its streams do: how far these have come is luck
PACED = {"shared_limit"}  # how full an edge gets hangs on which actor is told first that it may call
REFUSED: dict[str, type[Exception]] = {
    "dead_links, one level, without a site": UnpicklableError,  # a client is an argument
    "max_in_flight_threadpool": UnpicklableError,  # its items are futures
    "orders_by_customer": UnpicklableError,  # a connection to a database is the value of a step
    "unique_payments": UnpicklableError,  # an open file is a value
}


@pytest.fixture(autouse=True, scope="module")
def _actors_import_the_scripts() -> None:
    importlib.import_module("corpus")


def ray_runner(runner: RayRunner) -> Runner:
    def counted(options: dict[str, Any], pipeline: Any, /, *args: Any, **kwargs: Any) -> Any:
        observing = RayRunner(observers=options["observers"])
        observing._cluster, observing._keeps = runner._connected(), True
        return observing.execute(pipeline, *args, **kwargs).result

    return Runner("ray", counted, counted)


@pytest.mark.parametrize(
    "script", [script for script in SCRIPTS if script.stem not in APART], ids=lambda each: each.stem
)
def test_runs_as_in_its_snapshot(script: Path, runner: RayRunner) -> None:
    expected = json.loads((SNAPSHOTS / f"test_runs_as_in_its_snapshot[{script.stem}].json").read_text("utf-8"))
    every = EveryRunner(ordered=True, counts=True, runners=[ray_runner(runner)])
    for name, run in load(script).RUNS.items():
        refused = REFUSED.get(script.stem) or REFUSED.get(f"{script.stem}, {name}")
        if refused is not None:
            with pytest.raises(refused, match=r"on Ray|another actor"):
                runner.execute(*run)
            continue
        found = every.execute(*run).as_json(full=True)
        early = script.stem in EARLY or found["failure"] is not None
        if script.stem in PACED:
            found, expected[name] = ({**each, "highest in flight": {}} for each in (found, expected[name]))
        assert list(differences(_comparable(found, early), _comparable(expected[name], early))) == []


def _comparable(outcome: dict[str, Any], early: bool) -> dict[str, Any]:
    """Without what says how a failure came up in an actor, and how far others had come when a run ended early."""
    failure = outcome["failure"]
    if failure is not None:
        notes = [note for note in failure["notes"] if not note.startswith(TRACEBACK)]
        outcome = {**outcome, "failure": {**failure, "notes": notes}}
    return {**outcome, "nodes": {}, "highest in flight": {}} if early else outcome
