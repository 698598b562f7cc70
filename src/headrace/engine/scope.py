"""What observers have around code: entered when the code goes on, left when it stops, any number of times.

Whatever fails in that is logged and left out: it is not the code's failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any

from headrace.engine.log import log

__all__ = ["Carrying", "Scope", "Wanted", "Within"]

Make = Callable[[], AbstractContextManager[Any]]


class Wanted:
    """What one observer wants around something. Goes to worker processes with the code; `forget` stays behind."""

    def __init__(self, make: Make, forget: Callable[[], None] | None = None) -> None:
        self.make = make
        self.forget = forget
        self.broken: bool = False

    def __reduce__(self) -> tuple[type[Wanted], tuple[Make]]:
        return Wanted, (self.make,)

    def made(self) -> AbstractContextManager[Any]:
        """A context manager for one piece of code."""
        made = self.tried(self.make)
        return nullcontext() if made is None else made

    def tried(self, function: Callable[..., Any], *arguments: object) -> Any:
        """What `function` gives, unless something of this failed before, or fails now."""
        if self.broken:
            return None
        try:
            return function(*arguments)
        except Exception:
            self.broken = True
            log().exception("headrace: what an observer has around a step failed, and is left out from here on")
            if self.forget is not None:
                self.forget()
        return None


class Scope:
    """What is around one piece of code."""

    __slots__ = ("entered", "managers", "wanted")

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self.wanted: Sequence[Wanted] = wanted
        self.entered: bool = False
        self.managers: list[tuple[Wanted, AbstractContextManager[Any]]] | None = None

    def add(self, wanted: Sequence[Wanted]) -> None:
        """Have more around it, within the rest."""
        self.wanted = [*self.wanted, *wanted]

    def enter(self) -> None:
        """The code goes on."""
        if self.managers is None:
            self.managers = [(each, each.made()) for each in self.wanted]
        for each, manager in self.managers:
            each.tried(manager.__enter__)
        self.entered = True

    def leave(self) -> None:
        """The code stops, for a while or for good."""
        self.entered = False
        for each, manager in reversed(self.managers or ()):
            each.tried(manager.__exit__, None, None, None)

    @contextmanager
    def outside(self) -> Iterator[None]:
        """For a while, if the code is within."""
        if not self.entered:
            yield
            return
        self.leave()
        try:
            yield
        finally:
            self.enter()

    def __enter__(self) -> Scope:
        self.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()


class Within:
    """A function of an item, within what is wanted around each call. A class, so that it can be pickled."""

    def __init__(self, function: Callable[[Any], Any], wanted: Sequence[Wanted]) -> None:
        self.function = function
        self.wanted = wanted

    def __call__(self, item: Any) -> Any:
        """Call it."""
        with Scope(self.wanted):
            return self.function(item)


class Carrying(Within):
    """The same for an item that comes with what is wanted around its call alone."""

    def __call__(self, carried: tuple[Sequence[Wanted], Any]) -> Any:
        """Call it."""
        wanted, item = carried
        with Scope([*self.wanted, *wanted]):
            return self.function(item)
