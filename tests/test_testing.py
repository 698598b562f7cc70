"""What `headrace.testing` offers."""

from __future__ import annotations

from typing import Any

import pytest

from headrace import SyncRunner
from headrace.testing import check_guarantees

FEW = ("-qq", "-k", "lockstep or diamond_uneven or none_is_an_item")


def test_kit_passes_a_right_runner() -> None:
    def run(pipeline: Any, *arguments: Any) -> Any:
        return SyncRunner().execute(pipeline, *arguments).result

    assert check_guarantees({"right": run}, *FEW) == pytest.ExitCode.OK


def test_kit_fails_a_runner_that_changes_results(capsys: pytest.CaptureFixture[str]) -> None:
    def run(pipeline: Any, *arguments: Any) -> Any:
        pipeline.run(*arguments)

    assert check_guarantees({"wrong": run}, *FEW) == pytest.ExitCode.TESTS_FAILED
    assert "test_2_1_none_is_an_item[wrong]" in capsys.readouterr().out


def test_kit_fails_a_runner_that_hides_a_deadlock(capsys: pytest.CaptureFixture[str]) -> None:
    def run(pipeline: Any, *arguments: Any) -> Any:
        try:
            return pipeline.run(*arguments)
        except Exception:
            return None

    assert check_guarantees({"wrong": run}, *FEW) == pytest.ExitCode.TESTS_FAILED
    assert "test_3_5_diamond_uneven_branches_raises_deadlock[wrong]" in capsys.readouterr().out
