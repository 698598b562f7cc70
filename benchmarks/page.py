"""The results as a page and a picture: docs/benchmarks.md and docs/benchmarks.svg."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from benchmarks.case import Case
from benchmarks.comparison import HEADRACE, PEERS, library_of
from benchmarks.measuring import Row, costs_of, shown
from benchmarks.tasks import TASKS

__all__ = ["write"]

DOCS = Path(__file__).resolve().parent.parent / "docs"
Results = Sequence[tuple[Case, list[Row]]]

TOP = """\
# Benchmarks

headrace beside hand-written code and beside its peers. This page is written by

```
nox -s bench -- --write
```

which anyone can run. All contenders of a case read the same source and call the same functions, or do the same work
where a library wires functions by the names of their parameters; each in the form that its documentation shows, with
its fastest setting. They take turns, each run in a fresh process; what comes out is checked. A figure is the median of
{rounds} rounds of the ratio to the hand-written code of the same round, so **1.0 is as fast as the loop that one would
write by hand, and less is better**. What is in milliseconds has no hand-written counterpart.

{machine}

![Time beside hand-written code, by task and library](benchmarks.svg)

The best way of each library:

"""
BETWEEN = """
{tasks}

A dash: the library cannot do it. [How it compares](comparison.md) says what the peers do better than headrace.

## Every way, with its memory

"""
OWN = """\
## What only headrace does, and how cost grows

Beside the nearest thing written by hand, or beside itself: without a limit, without failures, with fewer items, steps
or branches. In the cases about growth a figure is per item or step.

"""


def write(results: Results, rounds: int) -> None:
    """Write both files. Only the cases that were run are on the page."""
    tasks = {task.name for task in TASKS}
    compared = [(case, rows) for case, rows in results if case.name in tasks]
    own = [(case, rows) for case, rows in results if case.name not in tasks]
    parts = [TOP.format(rounds=rounds, machine=_machine()), *_overview(compared)]
    parts += [BETWEEN.format(tasks="\n".join(f"* **{task.name}**: {task.what}." for task in TASKS))]
    parts += [_details(case, rows) for case, rows in compared]
    parts += [OWN, *(_details(case, rows) for case, rows in own)] if own else []
    (DOCS / "benchmarks.md").write_text("".join(parts).rstrip() + "\n")
    draw(compared, DOCS / "benchmarks.svg")


def _machine() -> str:
    installed = [f"{library} {version}" for library in (HEADRACE, *PEERS.values()) if (version := _version(library))]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"Measured with {python} on {platform.system()}, {os.cpu_count()} cores: {', '.join(installed)}."


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def best_of(rows: Sequence[Row], library: str) -> float | None:
    """The best figure of that library."""
    return min((row.figure for row in rows if row.figures and library_of(row.contender) == library), default=None)


def _overview(results: Results) -> Iterator[str]:
    libraries = [HEADRACE, *PEERS.values()]
    yield f"| | {' | '.join(libraries)} |\n|---|{'---:|' * len(libraries)}\n"
    for case, rows in results:
        best = {library: best_of(rows, library) for library in libraries}
        least = min((figure for figure in best.values() if figure is not None), default=0)
        cells = ["–" if figure is None else _cell(case, figure, figure == least) for figure in best.values()]
        yield f"| {case.name} | {' | '.join(cells)} |\n"


def _cell(case: Case, figure: float, best: bool) -> str:
    return f"**{shown(case, figure)}**" if best else shown(case, figure)


def _details(case: Case, rows: Sequence[Row]) -> str:
    items = f", {case.items:,} items" if case.items else ""
    lines = [f"### {case.name}{items}\n", "| | median | from – to | time | peak memory |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {' | '.join(_cells(case, row))} |" for row in rows]
    lines += ["", *(f"* {library}: {why}." for library, why in case.cannot)]
    return "\n".join(lines).rstrip() + "\n\n"


def _cells(case: Case, row: Row) -> list[str]:
    if row.failed is not None:
        return [row.contender.name, f"failed: {row.failed}", "", "", ""]
    if not row.figures:
        return [row.contender.name, "1", "", *costs_of(row)]
    spread = f"{shown(case, min(row.figures))} – {shown(case, max(row.figures))}"
    return [row.contender.name, shown(case, row.figure), spread, *costs_of(row)]


# -- the picture -------------------------------------------------------------------------------------------

COLOURS = {
    HEADRACE: "#e8590c",
    "streamable": "#1c7ed6",
    "aiostream": "#2f9e44",
    "reactivex": "#9c36b5",
    "pypeln": "#c2255c",
    "python-pyper": "#868e96",
    "synaflow": "#b08900",
}
INK = "#767676"  # is to be read on white and on black
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "headrace", "font.size": 10, "text.color": INK}
ABOVE = {"loc": "upper center", "bbox_to_anchor": (0.5, 1.1), "columnspacing": 1, "handletextpad": 0.2}


def draw(results: Results, path: Path) -> None:
    """One line for each task, one dot for each library, on a logarithmic scale."""
    from matplotlib import pyplot

    pyplot.rcParams.update(STYLE)
    with_baseline = [(case, rows) for case, rows in results if case.baseline]
    figure, axes = pyplot.subplots(figsize=(9, 0.42 * len(with_baseline) + 1.4))
    names = [case.name for case, _ in with_baseline]
    for library, colour in reversed(COLOURS.items()):  # so that the first stands above the others
        found = {place: best_of(rows, library) for place, (_, rows) in enumerate(with_baseline)}
        dots = {place: best for place, best in found.items() if best is not None}
        marker = "D" if library == HEADRACE else "o"
        axes.plot(dots.values(), dots.keys(), marker, color=colour, markersize=7, clip_on=False, label=library)
    axes.axvline(1, color=INK, linewidth=1, zorder=0)
    axes.set(xscale="log", yticks=range(len(names)), yticklabels=names)
    axes.set_xlabel("times the hand-written code (logarithmic; less is better)", color=INK)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter("{x:g}")
    axes.tick_params(colors=INK, which="both")
    axes.grid(axis="y", color=INK, alpha=0.25)
    axes.spines[:].set_visible(False)
    axes.legend(reverse=True, ncols=len(COLOURS), frameon=False, labelcolor=INK, **ABOVE)
    figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None})
