"""Runs the benchmarks and prints a table: `python -m benchmarks.run`, from the root of the repository.

Every run has a fresh process. In each round a case's baseline and its contenders take turns, and a ratio is that to the
baseline of the same round: whatever slows the machine down for a while slows both. The exit code is always 0.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.cases import CASES, Case, Contender

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
HEADER = ("", "median", "min", "max", "target", "time", "peak memory")


class Measured(NamedTuple):
    """One run: `peak` is the most memory that its process had, in bytes, where that is known."""

    seconds: float
    peak: int | None = None


# -- in the process of its own -----------------------------------------------------------------------------


def measure(case: Case, contender: Contender, items: int) -> Measured:
    """The fastest run of a few.

    Raises: AssertionError: the result is wrong.
    """
    run = contender.run
    assert not isinstance(run, str)
    if contender.before is None:
        run(max(items // 100, 1))  # what is loaded and compiled at first use is measured in cases of its own
    else:
        contender.before()
    fastest = min(_seconds(case, run, items) for _ in range(case.repeats))
    return Measured(fastest, peak_memory())


def _seconds(case: Case, run: Any, items: int) -> float:
    gc.collect()
    begin = perf_counter()
    result = run(items)
    seconds = perf_counter() - begin
    assert case.right(items, result), f"{case.name}: wrong result"
    return seconds


def peak_memory() -> int | None:
    if sys.platform == "linux":  # where getrusage counts what the parent had when it started this process
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    if sys.platform != "win32":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return None


# -- rounds of processes -----------------------------------------------------------------------------------


def in_fresh_process(case: Case, contender: Contender, quick: bool) -> Measured:
    if isinstance(contender.run, str):
        _output("-c", contender.run)  # the first one may have to write bytecode, and to read from the disk
        begin = perf_counter()
        printed = _output("-c", contender.run)
        return Measured(float(printed) if printed else perf_counter() - begin)
    items = items_of(case, contender, quick) or 1
    return Measured(*json.loads(_output("-m", "benchmarks.run", "--child", case.name, contender.name, str(items))))


def items_of(case: Case, contender: Contender, quick: bool) -> int | None:
    items = contender.items or case.items
    return items // 10 if quick and items and items >= 10_000 else items  # fewer would not fill the threads


def _output(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=True, text=True, capture_output=True).stdout


def rounds_of(case: Case, rounds: int, quick: bool) -> Iterator[dict[str, Measured]]:
    """What each contender came to, round by round."""
    contenders = [*([case.baseline] if case.baseline else []), *case.contenders]
    for _ in range(rounds):
        yield {one.name: in_fresh_process(case, one, quick) for one in contenders}
        contenders.reverse()  # so that nobody is always the first after a pause


# -- the table ---------------------------------------------------------------------------------------------


def rows_of(case: Case, rounds: Sequence[dict[str, Measured]], quick: bool) -> Iterator[tuple[str, ...]]:
    if case.baseline:
        yield (f"  {case.baseline.name}", *[""] * 4, *_costs(case, case.baseline, rounds, quick))
    for contender in case.contenders:
        figures = [_figure(case, contender, measured) for measured in rounds]
        shown = [_shown(case, figure) for figure in (median(figures), min(figures), max(figures))]
        target = "" if contender.target is None else f"≤ {_shown(case, contender.target)}"
        yield (f"  {contender.name}", *shown, target, *_costs(case, contender, rounds, quick))


def _figure(case: Case, contender: Contender, measured: dict[str, Measured]) -> float:
    own = measured[contender.name]
    if case.baseline is None:
        return own.seconds * 1e3
    base = measured[case.baseline.name]
    if case.compares == "memory":
        return own.peak / base.peak if own.peak and base.peak else float("nan")
    return own.seconds / base.seconds


def _shown(case: Case, figure: float) -> str:
    return f"{figure:.2f}" if case.baseline else f"{figure:,.2f} ms"


def _costs(case: Case, contender: Contender, rounds: Sequence[dict[str, Measured]], quick: bool) -> tuple[str, str]:
    """The median time, per item where there are items, and the median peak memory."""
    seconds = median(measured[contender.name].seconds for measured in rounds)
    peaks = [peak for measured in rounds if (peak := measured[contender.name].peak)]
    items = items_of(case, contender, quick)
    time = f"{seconds * 1e9 / items:,.0f} ns/item" if items and case.baseline else f"{seconds * 1e3:,.2f} ms"
    return time, f"{median(peaks) / 2**20:.1f} MiB" if peaks else ""


def print_row(cells: Sequence[str]) -> None:
    first, *others = cells
    print(f"{first:42}", *(f"{cell:>15}" for cell in others), flush=True)


def print_case(case: Case, rounds: int, quick: bool) -> None:
    what = {"time": "time beside the first", "memory": "peak memory beside the first"}[case.compares]
    items = f", {items_of(case, case.contenders[0], quick):,} items" if case.items else ""
    print(f"{case.name}{items}: {what if case.baseline else 'time'}", flush=True)
    try:
        for row in rows_of(case, list(rounds_of(case, rounds, quick)), quick):
            print_row(row)
    except subprocess.CalledProcessError as error:
        print(f"  failed: {error.stderr.strip().splitlines()[-1]}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="headrace beside hand-written code")
    names = [case.name for case in CASES]
    parser.add_argument("--case", action="append", choices=names, help="only this case; may be repeated")
    parser.add_argument("--rounds", type=int, help="how often each case is run (default: 7, or 3 with --quick)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the items: rough figures, sooner")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        case_name, contender_name, items = options.child
        case = next(case for case in CASES if case.name == case_name)
        all_of_it = [case.baseline, *case.contenders]
        contender = next(one for one in all_of_it if one and one.name == contender_name)
        print(json.dumps(measure(case, contender, int(items))))
        return
    rounds = options.rounds or (3 if options.quick else 7)
    print_row(HEADER)
    for case in CASES:
        if options.case is None or case.name in options.case:
            print_case(case, rounds, options.quick)


if __name__ == "__main__":
    main()
