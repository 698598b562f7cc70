"""Rounds of fresh processes, and what came of them.

In each round a case's baseline and its contenders take turns, and a ratio is that to the baseline of the same round:
whatever slows the machine down for a while slows both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

from benchmarks.case import Case, Contender

__all__ = ["Round", "Row", "costs_of", "in_fresh_process", "items_of", "rounds_of", "rows_of", "shown"]

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
LONGEST = 600  # seconds that a process may take


class Measured(NamedTuple):
    """One run: `peak` is the most memory that its process had, in bytes, where that is known."""

    seconds: float
    peak: int | None = None


Round = Mapping[str, Measured | str]  # by contender: what it came to, or why it did not


def rounds_of(case: Case, where: Mapping[str, str], rounds: int, quick: bool) -> Iterator[Round]:
    """What each contender came to, round by round. `where` has for each the library or the module of cases."""
    contenders = case.all
    for _ in range(rounds):
        yield {one.name: in_fresh_process(case, one, where[one.name], quick) for one in contenders}
        contenders.reverse()  # so that nobody is always the first after a pause


def in_fresh_process(case: Case, contender: Contender, where: str, quick: bool) -> Measured | str:
    """What one run came to; or the last line of what it said when it failed."""
    try:
        if isinstance(contender.run, str):
            return _program(contender.run)
        items = items_of(case, contender, quick) or 1
        output = _output("-m", "benchmarks.child", where, case.name, contender.name, str(items))
        return Measured(*json.loads(output))
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip().splitlines()[-1]
    except subprocess.TimeoutExpired:
        return f"took more than {LONGEST} s"


def _program(text: str) -> Measured:
    _output("-c", text)  # the first one may have to write bytecode, and to read from the disk
    begin = perf_counter()
    printed = _output("-c", text)
    return Measured(float(printed) if printed else perf_counter() - begin)


def _output(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        check=True,
        text=True,
        capture_output=True,
        timeout=LONGEST,
    ).stdout


def items_of(case: Case, contender: Contender, quick: bool) -> int | None:
    """How many items it gets."""
    items = contender.items or case.items
    return items // 10 if quick and items and items >= 10_000 else items  # fewer would not fill the threads


# -- rows --------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """What a contender came to in all rounds: `figures` are ratios, or milliseconds in a case without a baseline."""

    contender: Contender
    figures: list[float]  # none for the baseline
    seconds: float
    items: int | None  # where a time per item means something
    peak: float | None
    failed: str | None = None

    @property
    def figure(self) -> float:
        """The median."""
        return median(self.figures)


def rows_of(case: Case, rounds: list[Round], quick: bool) -> Iterator[Row]:
    """The baseline, if there is one, and its contenders."""
    for contender in case.all:
        yield _row(case, contender, rounds, quick)


def _row(case: Case, contender: Contender, rounds: list[Round], quick: bool) -> Row:
    own = [measured[contender.name] for measured in rounds]
    failed = next((each for each in own if isinstance(each, str)), None)
    done = [each for each in own if not isinstance(each, str)]
    if failed is not None or not done:
        return Row(contender, [], 0, None, None, failed)
    peaks = [each.peak for each in done if each.peak]
    figures = [] if contender == case.baseline else list(_figures(case, contender, rounds, quick))
    seconds = median(each.seconds for each in done)
    items = items_of(case, contender, quick) if case.baseline else None
    return Row(contender, figures, seconds, items, median(peaks) if peaks else None)


def _figures(case: Case, contender: Contender, rounds: list[Round], quick: bool) -> Iterator[float]:
    for measured in rounds:
        own, base = measured[contender.name], measured[case.baseline.name] if case.baseline else Measured(1e-3, 1)
        assert not isinstance(own, str)
        assert not isinstance(base, str), base
        if case.compares == "memory":
            yield own.peak / base.peak if own.peak and base.peak else float("nan")
        else:
            yield own.seconds / base.seconds / _scale(case, contender, quick)


def _scale(case: Case, contender: Contender, quick: bool) -> float:
    """How many times as many items as the baseline it gets."""
    items = items_of(case, contender, quick)
    base = items_of(case, case.baseline, quick) if case.baseline else items
    return items / base if items and base else 1


# -- in words ----------------------------------------------------------------------------------------------


def shown(case: Case, figure: float) -> str:
    """A ratio with what digits it deserves, or milliseconds."""
    digits = 0 if figure >= 100 else 1 if figure >= 10 else 2
    return f"{figure:,.{digits}f}" if case.baseline else f"{figure:,.{digits}f} ms"


def costs_of(row: Row) -> tuple[str, str]:
    """The time, per item where that means something, and the peak memory."""
    time = f"{row.seconds * 1e9 / row.items:,.0f} ns/item" if row.items else f"{row.seconds * 1e3:,.2f} ms"
    return time, f"{row.peak / 2**20:.1f} MiB" if row.peak else ""
