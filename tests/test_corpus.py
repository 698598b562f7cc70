"""The corpus: every run of every script, under every runner, against one snapshot per script."""

import ast
import runpy
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from headrace.testing import RUNNERS, EveryRunner, Runner
from tools.corpus import load, run_script, scripts

SCRIPTS = scripts()
DEMO = ("source_index", "crawl_site")
each_script = pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])


@each_script
def test_runs_as_in_its_snapshot(script: Path, headrace_snapshot: SnapshotAssertion) -> None:
    assert run_script(script) == headrace_snapshot


@each_script
def test_keeps_every_bound(script: Path) -> None:
    for run in load(script).RUNS.values():
        EveryRunner(counts=False).assert_bound(*run)


@each_script
def test_script_says_what_it_shows_and_has_runs(script: Path) -> None:
    module = load(script)
    assert module.__doc__
    assert module.RUNS
    assert ast.unparse(ast.parse(script.read_text("utf-8")).body[-1]).startswith("if __name__ == '__main__':")


@pytest.mark.parametrize("name", [script.stem for script in SCRIPTS if script.stem not in DEMO])
def test_script_prints_something(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (script,) = (script for script in SCRIPTS if script.stem == name)
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out


# -- the corpus runner itself ------------------------------------------------------------------------------

FAULTY = """
from headrace import step
RUNS = {"three": (step("length", fn=len), "abc")}
"""


def test_runners_that_disagree_are_reported_with_the_place(tmp_path: Path) -> None:
    def one_more(*run: Any) -> Any:
        return sync.counted(*run) + 1

    (sync,) = (runner for runner in RUNNERS if runner.name == "sync")
    script = tmp_path / "faulty.py"
    script.write_text(FAULTY)
    with pytest.raises(AssertionError) as caught:
        run_script(script, [sync, Runner("other", one_more, one_more)])
    assert str(caught.value) == (
        "faulty.py, run 'three': pipeline 'length': sync and other differ\n  /result: sync 3, other 4"
    )
