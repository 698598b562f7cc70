"""The tasks of tasks.py as cases: headrace beside hand-written code, and beside the peers that are installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module

from benchmarks.case import Case, Contender
from benchmarks.tasks import TASKS, Task

__all__ = ["HEADRACE", "LIBRARIES", "PEERS", "compared", "library_of", "ways"]

BY_HAND, HEADRACE = "by hand", "headrace"
PEERS = {  # by module: what is installed
    "streamable": "streamable",
    "aiostream": "aiostream",
    "reactivex": "reactivex",
    "pypeln": "pypeln",
    "pyper": "python-pyper",
    "synaflow": "synaflow",
}
LIBRARIES = {BY_HAND: "by_hand", HEADRACE: "headrace", **{package: module for module, package in PEERS.items()}}


def compared() -> Iterator[Case]:
    """Every task with all that can do it. The first way by hand is the baseline, if there is any."""
    for task in TASKS:
        found = {library: ways(library, task) for library in LIBRARIES}
        by_hand = found.pop(BY_HAND)
        assert not isinstance(by_hand, str)
        rest = [one for ways in found.values() if not isinstance(ways, str) for one in ways]
        baseline, others = (by_hand[0], by_hand[1:]) if by_hand else (None, [])
        cannot = tuple((library, why) for library, why in found.items() if isinstance(why, str))
        yield case_of(task, baseline, (*rest, *others), cannot)


def case_of(
    task: Task, baseline: Contender | None, rest: Sequence[Contender], cannot: tuple[tuple[str, str], ...] = ()
) -> Case:
    return Case(task.name, baseline, tuple(rest), task.items, task.right, task.repeats, cannot=cannot)


def ways(library: str, task: Task) -> list[Contender] | str:
    """How the library does it, under its name; or why it does not."""
    try:
        found = import_module(f"benchmarks.ways.{LIBRARIES[library]}").CONTENDERS.get(task.name, [])
    except ModuleNotFoundError as error:
        if error.name != LIBRARIES[library]:
            raise
        return "not installed"
    if isinstance(found, str):
        return found
    before = f"{library}: " if library == BY_HAND else f"{library}, "
    return [way._replace(name=f"{before}{way.name}" if way.name else library) for way in found]


def library_of(contender: Contender) -> str:
    """The library under whose name it stands."""
    return next(library for library in LIBRARIES if contender.name.startswith(library))
