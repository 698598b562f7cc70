"""An index of the Python standard library, made in one pass over its sources.

Some 1,800 files are read and parsed one after the other, and each syntax tree goes to three consumers at
once: the longest definitions, the most used imports, and counts per kind of node. With one tree in flight,
memory stays flat however many files there are. Files that cannot be parsed (the library ships some, to test
its own tools) are not an error of the run: they are an item like any other, and are reported at the end.
"""

import ast
import heapq
import os
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace import pipeline, step

LIBRARY = Path(sysconfig.get_paths()["stdlib"])
LEFT_OUT = {"__pycache__", "dist-packages", "site-packages"}


@dataclass(frozen=True)
class Parsed:
    file: str
    tree: ast.Module


@dataclass(frozen=True)
class Problem:
    file: str
    error: str


@dataclass(frozen=True)
class Definition:
    lines: int
    name: str
    place: str


@dataclass(frozen=True)
class Index:
    longest: list[Definition]
    imports: list[tuple[str, int]]
    kinds: list[tuple[str, int]]
    problems: list[Problem]
    files: int


@step
def python_files(folder: Path) -> Iterator[Path]:
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        yield from (Path(directory, name) for name in sorted(names) if name.endswith(".py"))


@step
def parse(path: Path, folder: Path) -> Parsed | Problem:
    file = path.relative_to(folder).as_posix()
    with warnings.catch_warnings(action="ignore"):  # invalid escapes and the like
        try:
            return Parsed(file, ast.parse(path.read_bytes()))
        except (OSError, SyntaxError, ValueError, RecursionError) as error:
            return Problem(file, type(error).__name__)


@step
def trees(file: Parsed | Problem) -> Iterator[Parsed]:
    if isinstance(file, Parsed):
        yield file


@step
def problems(file: Parsed | Problem) -> Iterator[Problem]:
    if isinstance(file, Problem):
        yield file


def statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement, but not the expressions in it, which are most of a tree."""
    todo: list[ast.AST] = [tree]
    while todo:
        for node in ast.iter_child_nodes(todo.pop()):
            if isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
                yield node
                todo.append(node)


@step
def definitions(parsed: Parsed) -> Iterator[Definition]:
    for node in statements(parsed.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            lines = (node.end_lineno or node.lineno) - node.body[0].lineno + 1
            yield Definition(lines, node.name, f"{parsed.file}:{node.lineno}")


@step
def modules(parsed: Parsed) -> Iterator[str]:
    for node in statements(parsed.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@step
def longest(definitions: Iterator[Definition], count: int) -> list[Definition]:
    return heapq.nlargest(count, definitions, key=lambda definition: definition.lines)


@step
def most_common(names: Iterator[str], count: int) -> list[tuple[str, int]]:
    return Counter(names).most_common(count)


@step
def kinds_of_nodes(trees: Iterator[Parsed], count: int) -> list[tuple[str, int]]:
    kinds: Counter[type[ast.AST]] = Counter()
    for parsed in trees:
        kinds.update(map(type, ast.walk(parsed.tree)))
    found = [(kind.__name__, number) for kind, number in kinds.items() if kind not in (ast.Load, ast.Store)]
    return heapq.nlargest(count, found, key=lambda kind: kind[1])


@step
def number_of(files: Iterator[object]) -> int:
    return sum(1 for _ in files)


@pipeline
def source_index(folder: Path, count: int) -> Index:
    files = python_files(folder).map(parse, folder)
    good = files.flat_map(trees)
    return step(Index)(
        longest(good.flat_map(definitions), count),
        most_common(good.flat_map(modules), count),
        kinds_of_nodes(good, count),
        files.flat_map(problems).collect(),
        number_of(files),
    )


def table(title: str, rows: Iterable[tuple[int, str]]) -> str:
    return "\n".join([title, *(f"{number:>10,}  {text}" for number, text in rows)])


def tables(index: Index) -> str:
    parts = [
        table("longest definitions (lines)", ((d.lines, f"{d.name:30} {d.place}") for d in index.longest)),
        table("most used imports", ((number, name) for name, number in index.imports)),
        table("kinds of nodes", ((number, kind) for kind, number in index.kinds)),
        f"{index.files:,} files, {len(index.problems)} of them not parsed:",
    ]
    return "\n\n".join(parts) + "".join(f"\n  {each.file}: {each.error}" for each in index.problems)


SMALL = Path(__file__).parent / "data" / "library"

RUNS: dict[str, tuple[Any, ...]] = {"a small library": (source_index, SMALL, 5)}

if __name__ == "__main__":
    print(tables(source_index.run(LIBRARY, 10)))
