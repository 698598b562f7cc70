"""`headrace run --runner ray`, as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.stores import runs_in

APP = """
from pathlib import Path

from headrace import step

@step
def numbers(count: int):
    yield from range(count)

@step(max_in_flight=2)
def inverse(number: int) -> float:
    return 6 / (3 - number)

inverses = numbers | inverse

@step(max_in_flight=2, checkpoint=True)
def careful(number: int) -> float:
    with open("log", "a") as log:
        print(number, file=log)
    if number == 3 and not Path("mended").exists():
        raise ValueError(number)
    return number / 2

halves = numbers | careful
"""


def headrace(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "app.py").write_text(APP)
    command = [sys.executable, "-m", "headrace", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("count", "out", "code"), [("3", "2.0\n3.0\n6.0\n", 0), ("4", "2.0\n3.0\n6.0\n", 1)])
def test_results_of_a_run_on_ray_are_lines_of_json(count: str, out: str, code: int, tmp_path: Path) -> None:
    done = headrace(tmp_path, "run", "app.py:inverses", count, "--runner", "ray")
    assert (done.stdout, done.returncode) == (out, code), done.stderr
    assert ("ZeroDivisionError" in done.stderr) == bool(code)


def test_run_on_ray_shows_progress_writes_a_page_and_is_resumed(tmp_path: Path) -> None:
    flags = ["--runner", "ray", "--checkpoint", "kept.db", "--progress", "--report", "page.html"]
    done = headrace(tmp_path, "run", "app.py:halves", "5", *flags)
    assert (done.stdout, done.returncode) == ("0.0\n0.5\n1.0\n", 1), done.stderr
    assert "ValueError: 3" in done.stderr
    page = (tmp_path / "page.html").read_text()
    assert all(word in page for word in ("careful", "ValueError", "Slowest calls"))
    (tmp_path / "mended").touch()
    done = headrace(tmp_path, "resume", "kept.db", "--progress")
    assert (done.stdout, done.returncode) == ("0.0\n0.5\n1.0\n1.5\n2.0\n", 0), done.stderr
    assert "headrace: numbers_to_careful: done after" in done.stderr
    assert sorted((tmp_path / "log").read_text().split()) == ["0", "1", "2", "3", "3", "4"]
    assert [run.state for run in runs_in(tmp_path / "kept.db")] == ["failed", "finished"]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_closes_a_run_on_ray_and_what_was_finished_is_kept(
    sent: signal.Signals, code: int, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "mended").touch()
    command = [sys.executable, "-m", "headrace", "run", "app.py:halves", "1000000", "--runner", "ray"]
    with subprocess.Popen(
        [*command, "--checkpoint", "kept.db"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "0.0\n"
        run.send_signal(sent)
        printed, told = run.communicate(timeout=60)
    assert run.returncode == code, told
    assert "headrace: interrupted; so far:" in told
    [entry] = runs_in(tmp_path / "kept.db")
    assert entry.state == "interrupted"
    assert entry.steps[0].kept == len((tmp_path / "log").read_text().split()) >= len(printed.split())
