"""What became slower from one commit to another: `python -m benchmarks.watch COMMIT [COMMIT]`; without a second, now.

The cases are those of this working tree, and what runs them is headrace at either commit. Counted are instructions,
with `perf` or with valgrind, which tells a change of one per cent on any machine; where there is neither, seconds of
interleaved runs. What grew by more than 5 % is said again at the end, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

__all__: list[str] = []

ROOT = Path(__file__).resolve().parent.parent
GROWN = 1.05
Count = Callable[[Path, str], float]  # what running a program takes with the sources in that folder


class Watched(NamedTuple):
    """A program with a number in it: what it takes with `most` less what it takes with `least` is compared."""

    name: str
    program: str
    least: int = 0
    most: int = 0


def contender(where: str, case: str, name: str, least: int, most: int) -> Watched:
    program = f"from benchmarks.child import found\nfound({where!r}, {case!r}, {name!r})[1].run({{}})"
    label = name.removeprefix("headrace").strip(", ")
    return Watched(f"{case}, {label}" if label else case, program, least, most)


NOW = partial(contender, "headrace")
OWN = partial(contender, "cases")
THREE_STEPS = "from benchmarks.ways.headrace import THREE_STEPS\nexec(THREE_STEPS)"
WATCHED = (
    NOW("4 functions", "headrace", 500, 5_500),
    NOW("4 generators", "headrace", 500, 5_500),
    NOW("fan-out", "headrace, 1 in flight", 500, 5_500),
    NOW("fan-out", "headrace, 64 in flight", 500, 5_500),
    NOW("per-item sinks", "headrace", 500, 5_500),
    NOW("diamond", "headrace", 500, 5_500),
    NOW("3 async functions", "headrace, run", 500, 5_500),
    OWN("merged streams", "headrace", 500, 5_500),
    OWN("skipped failures", "headrace, nothing fails", 500, 5_500),
    OWN("skipped failures", "headrace, 1 % fails", 500, 5_500),
    OWN("caught failures", "headrace, 64 in flight, 1 % fails", 500, 5_500),
    OWN("limit that never holds back", "headrace, limit", 500, 3_000),
    Watched("build, a step", "from benchmarks.growth import line_of\nline_of({})", 100, 300),
    Watched(
        "run of a line of 200 steps",
        "from benchmarks.ways.headrace import run_line\nfor _ in range({}): run_line(1)",
        1,
        11,
    ),
    Watched("import", "import headrace"),
    Watched("whole process", THREE_STEPS),
)


# -- counting ----------------------------------------------------------------------------------------------


def with_perf(tree: Path, program: str) -> float:
    output = _run(["perf", "stat", "-x", ",", "-e", "instructions:u", *_python(program)], tree).stderr
    return float(output.strip().splitlines()[-1].split(",")[0])


def with_valgrind(tree: Path, program: str) -> float:
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}", *_python(program)]
    collected = re.search(r"Collected : (\d+)", _run(command, tree).stderr)
    assert collected is not None
    return float(collected[1])


def seconds(tree: Path, program: str) -> float:
    begin = perf_counter()
    _run(_python(program), tree)
    return perf_counter() - begin


def _python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def _run(command: list[str], tree: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(tree / "src"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(command, cwd=tree, env=environment, check=True, text=True, capture_output=True)


def counting() -> tuple[str, Count]:
    """The best way to count that there is here."""
    for name, count in (("perf", with_perf), ("valgrind", with_valgrind)):
        if shutil.which(name):
            with contextlib.suppress(subprocess.CalledProcessError, ValueError):
                count(ROOT, "pass")
                return f"instructions, with {name}", count
    return "seconds", seconds


# -- comparing ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def sources(commit: str | None) -> Iterator[Path]:
    """A folder with the sources at that commit; the working tree for None."""
    if commit is None:
        yield ROOT
        return
    with TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        yield Path(folder)


def ratio(before: Path, after: Path, watched: Watched, count: Count) -> float:
    """How many times as much it takes after as before."""
    return _taken(after, watched, count) / _taken(before, watched, count)


def _taken(tree: Path, watched: Watched, count: Count) -> float:
    most = count(tree, watched.program.format(watched.most))
    return most - count(tree, watched.program.format(watched.least)) if watched.most else most


def change(before: Path, after: Path, count: Count, watched: Watched) -> float | str:
    """The ratio, or why there is none."""
    try:
        for tree in (before, after):
            _run(_python(watched.program.format(watched.least)), tree)  # bytecode is written
        return median(ratio(before, after, watched, count) for _ in range(9 if count is seconds else 1))
    except subprocess.CalledProcessError as error:
        return f"cannot be compared: {error.stderr.strip().splitlines()[-1]}"


def grown(before: Path, after: Path, count: Count) -> Iterator[str]:
    """Prints a line for each case; gives those that take more than they did."""
    with ThreadPoolExecutor(1 if count is seconds else os.cpu_count()) as pool:  # counts do not disturb each other
        for watched, found in zip(WATCHED, pool.map(partial(change, before, after, count), WATCHED), strict=True):
            line = f"{watched.name:50} {found if isinstance(found, str) else f'{found - 1:+.1%}'}"
            print(line, flush=True)
            if isinstance(found, float) and found > GROWN:
                yield line


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch", description=__doc__.partition(":")[0])
    parser.add_argument("before", help="a commit")
    parser.add_argument("after", nargs="?", help="another one (default: the working tree)")
    options = parser.parse_args()
    how, count = counting()
    print(f"{options.after or 'the working tree'} beside {options.before}: {how}")
    with sources(options.before) as before, sources(options.after) as after:
        found = list(grown(before, after, count))
    if found:
        print(f"\nMore than 5 % slower than at {options.before}:", *found, sep="\n  ")
        sys.exit(1)


if __name__ == "__main__":
    main()
