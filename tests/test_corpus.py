"""The corpus: every run of every script, under every runner, against one snapshot per script."""

import ast
import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from headrace import step
from tools.corpus import RUNNERS, Runner, differences, load, outcome, run_script, scripts

SCRIPTS = scripts()
DEMO = ("source_index", "crawl_site")
each_runner = pytest.mark.parametrize("runner", RUNNERS, ids=[runner.name for runner in RUNNERS])
each_script = pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])


class Plain(JSONSnapshotExtension):
    """Plain data as JSON, in the order that it has."""

    @classmethod
    def sort(cls, iterable: Iterable[Any]) -> Iterable[Any]:
        return iterable


@each_script
def test_runs_as_in_its_snapshot(script: Path, snapshot: SnapshotAssertion) -> None:
    assert run_script(script) == snapshot(extension_class=Plain)


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
    def one_more(observer: Any, flow: Any, arguments: Any) -> Any:
        return sync.run(observer, flow, arguments) + 1

    (sync,) = (runner for runner in RUNNERS if runner.name == "sync")
    script = tmp_path / "faulty.py"
    script.write_text(FAULTY)
    with pytest.raises(AssertionError) as caught:
        run_script(script, [sync, Runner("other", one_more)])
    assert str(caught.value) == ("faulty.py, run 'three': sync and other differ\n  /result: sync 3, other 4")


@each_runner
def test_runner_that_swallows_a_failure_is_reported(runner: Runner) -> None:
    def quiet(observer: Any, flow: Any, arguments: Any) -> Any:
        with pytest.raises(ZeroDivisionError):
            runner.run(observer, flow, arguments)

    with pytest.raises(AssertionError, match="told of ZeroDivisionError"):
        outcome(Runner("quiet", quiet), step("divided", fn=lambda number: 1 // number), 0)


@each_runner
def test_run_that_cannot_begin_is_an_error_and_not_an_outcome(runner: Runner) -> None:
    with pytest.raises(TypeError, match="missing a required argument"):
        outcome(runner, step("double", fn=lambda number: number * 2))


@pytest.mark.parametrize(
    ("a", "b", "found"),
    [
        ({"n": [1, {"x": None}]}, {"n": [1, {"x": None}]}, []),
        ({"n": [1, {"x": 2}]}, {"n": [1, {"x": 3}]}, [("/n/1/x", "2", "3")]),
        ({"n": 1}, {"m": 1}, [("/n", "1", "nothing"), ("/m", "nothing", "1")]),
        ([1, 2], [1], [("", "[1, 2]", "[1]")]),
        ({"n": 1}, {"n": True}, [("/n", "1", "True")]),
        ({"n": 1}, {"n": 1.0}, [("/n", "1", "1.0")]),
        ({"n": None}, {}, [("/n", "None", "nothing")]),
    ],
)
def test_differences_are_told_by_path(a: Any, b: Any, found: list[tuple[str, str, str]]) -> None:
    assert list(differences(a, b)) == found
