"""Runs the benchmarks and prints a table: `python -m benchmarks.run`, from the root of the repository.

Every run has a fresh process. With `--write` the results become a page and a picture in docs/. The exit code is always
0: speed is measured, never asserted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from benchmarks import cases, growth, refusing
from benchmarks.case import Case
from benchmarks.comparison import compared, library_of
from benchmarks.measuring import Row, costs_of, items_of, rounds_of, rows_of, shown

__all__: list[str] = []

HEADER = ("", "median", "min", "max", "target", "time", "peak memory")
MODULES = {"cases": cases.CASES, "growth": growth.CASES, "refusing": refusing.CASES}


def all_cases() -> Iterator[tuple[Case, dict[str, str]]]:
    """Every case, and where its contenders are to be found."""
    for case in compared():
        yield case, {contender.name: library_of(contender) for contender in case.all}
    for module, found in MODULES.items():
        for case in found:
            yield case, dict.fromkeys((contender.name for contender in case.all), module)


def print_case(case: Case, rows: Sequence[Row], quick: bool) -> None:
    what = {"time": "time beside the first", "memory": "peak memory beside the first"}[case.compares]
    items = f", {items_of(case, case.contenders[0], quick):,} items" if case.items else ""
    print(f"{case.name}{items}: {what if case.baseline else 'time'}")
    for row in rows:
        print_row(cells_of(case, row))
    for library, why in case.cannot:
        print(f"  {library}: {why}")


def cells_of(case: Case, row: Row) -> list[str]:
    name = f"  {row.contender.name}"
    if row.failed is not None:
        return [name, f"failed: {row.failed}"]
    found = (row.figure, min(row.figures), max(row.figures)) if row.figures else ()
    target = "" if row.contender.target is None else f"≤ {shown(case, row.contender.target)}"
    return [name, *([shown(case, figure) for figure in found] or [""] * 3), target, *costs_of(row)]


def print_row(cells: Sequence[str]) -> None:
    first, *others = cells
    print(f"{first:42}", *(f"{cell:>15}" for cell in others), flush=True)


def main() -> None:
    found = list(all_cases())
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="headrace beside hand-written code")
    names = [case.name for case, _ in found]
    parser.add_argument("--case", action="append", choices=names, help="only this case; may be repeated")
    parser.add_argument("--rounds", type=int, help="how often each case is run (default: 7, or 3 with --quick)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the items: rough figures, sooner")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and docs/benchmarks.svg")
    options = parser.parse_args()
    rounds = options.rounds or (3 if options.quick else 7)
    results = []
    print_row(HEADER)
    for case, where in found:
        if options.case is None or case.name in options.case:
            rows = list(rows_of(case, list(rounds_of(case, where, rounds, options.quick)), options.quick))
            print_case(case, rows, options.quick)
            results.append((case, rows))
    if options.write:
        from benchmarks.page import write

        write(results, rounds)


if __name__ == "__main__":
    main()
