"""Runs the corpus: every run of every script under every runner, as plain data.

`python tools/corpus.py` runs all scripts and says whether the runners agree; with the names of scripts it
prints what their runs came to, which is what the snapshots in tests/__snapshots__ hold.

The scripts are made so that everything about them is fixed, also where calls overlap: the order of their results, the
counts, and the highest number of items in flight on every edge.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from headrace.testing import RUNNERS, EveryRunner, Runner

__all__ = ["FOLDER", "load", "run_script", "scripts"]

FOLDER = Path(__file__).resolve().parent.parent / "corpus"

Json = dict[str, Any]


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
    try:
        return EveryRunner(ordered=True, counts=True, runners=runners).execute(*run).as_json(full=True)
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from error.__cause__


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
