"""Runs the corpus: every run of every script under every runner, as plain data.

`python tools/corpus.py` runs all scripts and says whether the runners agree; with the names of scripts it
prints what their runs came to, which is what the snapshots in tests/__snapshots__ hold.

A runner is one entry in `RUNNERS`. All of them must give the same data, down to the counts and the highest
number of items in flight on every edge: what may differ between two runs (times, addresses, folders) must not
be in it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec

from headrace import AsyncRunner, Event, Pipeline, RunEnded, Step, SyncRunner

__all__ = ["FOLDER", "RUNNERS", "Runner", "differences", "load", "outcome", "run_script", "scripts"]

FOLDER = Path(__file__).resolve().parent.parent / "corpus"

Json = dict[str, Any]
Flow = Pipeline[..., Any] | Step[..., Any]


class Runner(NamedTuple):
    """A name, and what runs a flow with arguments, gives its result, and tells the observer of its events."""

    name: str
    run: Callable[[Callable[[Event], object], Flow, tuple[Any, ...]], object]


def _sync(observer: Callable[[Event], object], flow: Flow, arguments: tuple[Any, ...]) -> object:
    return SyncRunner(observers=[observer]).execute(flow, *arguments).result


def _async(observer: Callable[[Event], object], flow: Flow, arguments: tuple[Any, ...]) -> object:
    return asyncio.run(AsyncRunner(observers=[observer]).execute(flow, *arguments)).result


def _sync_in_loop(observer: Callable[[Event], object], flow: Flow, arguments: tuple[Any, ...]) -> object:
    """The sync runner where a loop runs already, as in a notebook: then async steps run in another thread's loop."""

    async def cell() -> object:
        return _sync(observer, flow, arguments)

    return asyncio.run(cell())


RUNNERS = [Runner("sync", _sync), Runner("async", _async), Runner("sync in a loop", _sync_in_loop)]


# -- the scripts -------------------------------------------------------------------------------------------


def scripts(folder: Path = FOLDER) -> list[Path]:
    """The scripts of the corpus, by name."""
    return sorted(folder.glob("*.py"))


def load(script: Path) -> ModuleType:
    """The script as a module; its `if __name__ == "__main__"` part does not run."""
    name = f"corpus.{script.stem}"
    spec = importlib.util.spec_from_file_location(name, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up their module
    spec.loader.exec_module(module)
    return module


def run_script(script: Path, runners: Sequence[Runner] = RUNNERS) -> Json:
    """What each run of the script came to.

    Raises: AssertionError: two runners came to different outcomes; the message says where.
    """
    runs: Mapping[str, tuple[Any, ...]] = load(script).RUNS
    return {name: _agreed(f"{script.name}, run '{name}'", run, runners) for name, run in runs.items()}


def _agreed(what: str, run: tuple[Any, ...], runners: Sequence[Runner]) -> Json:
    first, *others = runners
    expected = outcome(first, *run)
    for other in others:
        found = list(differences(expected, outcome(other, *run)))
        if found:
            lines = "\n  ".join(f"{place}: {first.name} {a}, {other.name} {b}" for place, a, b in found)
            raise AssertionError(f"{what}: {first.name} and {other.name} differ\n  {lines}")
    return expected


# -- one run -----------------------------------------------------------------------------------------------


def outcome(runner: Runner, flow: Flow, *arguments: Any) -> Json:
    """One run as plain data: what was compiled, what came out, and what was counted."""
    ended: list[RunEnded] = []

    def observer(event: Event) -> None:
        if isinstance(event, RunEnded):
            ended.append(event)

    result, failure = None, None
    try:
        result = runner.run(observer, flow, arguments)
    except Exception as error:
        failure = error
    if not ended:  # it never began: the script is wrong
        raise failure or AssertionError(f"runner {runner.name}: told of no end of the run")
    (end,) = ended
    assert end.failure is failure, f"runner {runner.name}: told of {end.failure!r}, and raised {failure!r}"
    dag = json.loads(end.dag.to_json())
    return {
        "result": msgspec.to_builtins(result, str_keys=True),
        "failure": failure and _failure(failure),
        "nodes": {node.id: {"in": node.items_in, "out": node.items_out} for node in end.report.nodes},
        "highest in flight": {
            f"{edge.source} -> {edge.target or 'the caller'} ({edge.parameter})": edge.highest_in_flight
            for edge in end.report.edges
        },
        "levels": end.dag.levels(),
        "stages": dag.pop("stages"),
        "dag": dag,
    }


def _failure(error: BaseException) -> Json:
    return {
        "type": type(error).__qualname__,
        "message": str(error),
        "notes": list(getattr(error, "__notes__", [])),
    }


# -- comparing ---------------------------------------------------------------------------------------------


def differences(a: Any, b: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Where two pieces of plain data differ: the path, and what each has there.

    >>> list(differences({"result": [1, 2]}, {"result": [1, 3]}))
    [('/result/1', '2', '3')]
    """
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a | b:
            yield from differences(a.get(key, _NOTHING), b.get(key, _NOTHING), f"{place}/{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (left, right) in enumerate(zip(a, b, strict=True)):
            yield from differences(left, right, f"{place}/{index}")
    elif type(a) is not type(b) or a != b:
        yield place, repr(a), repr(b)


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


_NOTHING = _Nothing()


def main(names: Sequence[str]) -> None:
    """Run the named scripts and print what they came to; without names, run all and say that they agree."""
    runners = ", ".join(runner.name for runner in RUNNERS)
    for script in scripts():
        if script.stem in names:
            print(json.dumps(run_script(script), indent=2))
        elif not names:
            print(f"{script.name}: {len(run_script(script))} runs, the same under {runners}")


if __name__ == "__main__":
    main([name.removesuffix(".py") for name in sys.argv[1:]])
