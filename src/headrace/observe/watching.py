"""What `progress=` and `report=` of a runner ask for: observers that are new for each run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from headrace.engine.events import Observer
from headrace.engine.stopwatch import Detail
from headrace.errors import OptionError
from headrace.graph.values import shown

__all__ = ["Watching"]


class Watching(NamedTuple):
    """Whether progress is shown, and to which file a page is written."""

    progress: bool = False
    report: Path | None = None

    @classmethod
    def of(cls, progress: object, report: object, where: str) -> Watching:
        """What these options mean.

        Raises: OptionError: they mean nothing, or need an extra that is not installed.

        >>> Watching.of(True, "no/such/folder/run.html", "SyncRunner (app.py:3)")
        Traceback (most recent call last):
        headrace.errors.OptionError: SyncRunner (app.py:3): report must be a file in a folder that exists, got
        'no/such/folder/run.html'; make the folder, or name another
        """
        if not isinstance(progress, bool):
            raise OptionError(f"{where}: progress must be True or False, got {shown(progress)}")
        watching = cls(progress, None if report is None else _file(report, where))
        watching.observers()  # so that what is missing is known at once
        return watching

    @property
    def detail(self) -> Detail:
        """How much of the run must be looked at."""
        return Detail.SECONDS if self.report is None else Detail.SLOWEST

    def observers(self) -> list[Observer]:
        """The observers of one run."""
        observers: list[Observer] = []
        if self.progress:
            from headrace.observe.progress import Progress

            observers.append(Progress())
        if self.report is not None:
            from headrace.observe.page import Page

            observers.append(Page(self.report))
        return observers


def _file(report: object, where: str) -> Path:
    """The file for a page."""
    if not isinstance(report, (str, os.PathLike)):
        raise OptionError(f"{where}: report must be the path of a file for the page of a run, got {shown(report)}")
    path = Path(report)
    if path.is_dir() or not path.parent.is_dir():
        raise OptionError(
            f"{where}: report must be a file in a folder that exists, got {str(report)!r}; make the folder, or name "
            "another"
        )
    return path
