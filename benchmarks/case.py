"""What a benchmark consists of: a case, and the contenders that take turns at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

__all__ = ["Case", "Contender"]


class Contender(NamedTuple):
    """One way to do it.

    `run` takes the number of items and gives the result. In its place may stand the text of a program, which gets a
    process of its own: it prints the seconds that it took; if it prints nothing, the whole process is timed.
    """

    name: str
    run: Callable[[int], Any] | str
    target: float | None = None  # the highest figure that is aimed at
    before: Callable[[], object] | None = None  # called untimed, in place of a warm-up with a few items
    items: int | None = None  # in place of those of the case
    any_order: bool = False  # results come as they complete


class Case(NamedTuple):
    """Contenders beside their baseline; without a baseline the figure is the time in milliseconds."""

    name: str
    baseline: Contender | None
    contenders: tuple[Contender, ...]
    items: int | None = None  # None: a time per item would mean nothing
    right: Callable[[int, Any], bool] = lambda items, result: True
    repeats: int = 5  # runs in each process, of which the fastest counts
    compares: Literal["time", "memory"] = "time"
    cannot: tuple[tuple[str, str], ...] = ()  # who cannot do it, and why

    @property
    def all(self) -> list[Contender]:
        """The baseline and its contenders."""
        return [*([self.baseline] if self.baseline else []), *self.contenders]
