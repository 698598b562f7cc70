"""What becomes of a failure: it stops the run, its item is left out, or it becomes an item itself.

Lives here: that decision, and what is counted, logged and kept for the report. Must not live here: where failures come
up (fuse.py, calls.py, elsewhere.py). Only an `Exception` comes here; what stops a run from outside (KeyboardInterrupt,
CancelledError, Stopped) is no failure of an item, and neither is a result that cannot be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from headrace.engine.failure import Failure, traceback_of
from headrace.engine.log import log
from headrace.engine.observers import Observers, Outcome
from headrace.errors import CheckpointError
from headrace.graph.dag import Node

__all__ = ["LEFT_OUT", "Caught", "Fault", "Policy"]

KEPT = 100  # failures in the report of each step
FRACTION_FROM = 100  # items: a fraction of fewer says little before the end


class Caught(msgspec.Struct, frozen=True):
    """A failure on its way to those who read the failures of a step: a tag that no item of a user's can have."""

    failure: Failure[Any]


class Fault(msgspec.Struct, frozen=True):
    """A call that raised `error`, with its item, which was the step's `number`-th."""

    error: BaseException
    item: Any = None
    number: int | None = None
    attempts: int = 1


class _LeftOut:
    """What becomes of an item that is skipped."""


LEFT_OUT = _LeftOut()


class Policy:
    """The failures of one step in one run.

    With `keep`, the first of those that are left out are kept, for the report.
    """

    def __init__(self, node: Node, utc: Callable[[], datetime], observers: Observers, *, keep: bool) -> None:
        self.node = node
        self.utc = utc
        self.observers = observers
        self.keep = keep
        self.limited: bool = node.max_failures is not None
        self.skips: bool = node.on_error == "skip"
        self.number_of: Callable[[int], int] = lambda counter: counter
        self.attempts_of: Callable[[BaseException], int] = lambda error: 1
        self.failed: int = 0
        self.skipped: int = 0
        self.seen: int = 0  # items, as far as failures tell
        self.kinds: dict[type[Exception], str] = {}  # that were met, with a traceback of each for the report
        self.kept: list[Failure[Any]] = []
        self.last: Fault | None = None  # if it may yet turn out to be one too many
        self.verdict: str = ""  # why one was too many

    def lost(self, error: Exception, item: Any = None, counter: int | None = None) -> object | None:
        """The step failed at `item` (a generator: at none). None if the run must fail.

        Else what is to be handed on: `LEFT_OUT` (nothing), or the failure as `Caught`. The number of the item is what
        `number_of` makes of `counter`.
        """
        if isinstance(error, CheckpointError):
            return None
        self.failed += 1
        if self.limited and self._too_many(error, item, counter):
            return None
        if self.observers.told:
            self._tell(error, item, counter)
        if type(error) not in self.kinds:
            self._first(error, counter)
        if not self.skips:
            return Caught(self._failure(error, item))
        self.skipped += 1
        if self.keep and len(self.kept) < KEPT:
            self.kept.append(self._failure(_without_frames(error), item))
        return LEFT_OUT

    def over(self, items: int) -> Fault | None:
        """The stream has ended after that many `items`. If too many have failed, the last failure."""
        last, self.last = self.last, None
        return last if self._above_fraction(items) else None

    def _too_many(self, error: Exception, item: Any, counter: int | None) -> bool:
        limit = self.node.max_failures
        number = None if counter is None else self.number_of(counter)
        if isinstance(limit, float):
            self.last = Fault(error, item, number)
            self.seen = max(self.seen, number or 0)
            return self.seen >= FRACTION_FROM and self._above_fraction(self.seen)
        if limit is not None and self.failed > limit:
            self.verdict = f"; it is failure {self.failed}, more than max_failures={limit}"
        return bool(self.verdict)

    def _above_fraction(self, items: int) -> bool:
        limit = self.node.max_failures
        if isinstance(limit, float) and self.failed > limit * items:
            self.verdict = f"; {self.failed} of {items} items failed, more than max_failures={limit}"
        return bool(self.verdict)

    def _tell(self, error: Exception, item: Any, counter: int | None) -> None:
        number = None if counter is None else self.number_of(counter)
        becomes: Outcome = "skipped" if self.skips else "caught"
        self.observers.failed(self.node, becomes, error, number, item, self.attempts_of(error))

    def _failure(self, error: Exception, item: Any) -> Failure[Any]:
        attempts = self.attempts_of(error)
        return Failure(item=item, step=self.node.id, attempts=attempts, exception=error, time=self.utc())

    def _first(self, error: Exception, counter: int | None) -> None:
        """The first failure of its kind: keep its traceback for the report, and tell of one that nobody reads."""
        self.kinds[type(error)] = traceback_of(error) if self.keep else ""
        if not self.skips:
            return
        what = "ends here" if counter is None else f"skips item {self.number_of(counter)}"
        kind = type(error).__name__
        text = "headrace: %s %s: %s: %s (more of %s in this run are counted only)"
        log().warning(text, self.node, what, kind, error, kind, exc_info=error)

    def forget(self) -> None:
        """The run is over: nothing of it is kept alive."""
        self.last = None

    @property
    def tracebacks(self) -> tuple[str, ...]:
        """Of the first failure of each kind."""
        return tuple(self.kinds.values())

    def hand_over(self) -> tuple[Failure[Any], ...]:
        """What was kept for the report; it is not here any more then."""
        kept, self.kept = self.kept, []
        return tuple(kept)


def _without_frames(error: Exception) -> Exception:
    """`error` without its tracebacks, which would keep the whole run alive."""
    stack: list[BaseException | None] = [error]
    cleared: set[int] = set()
    while stack:
        one = stack.pop()
        if one is not None and id(one) not in cleared:
            cleared.add(id(one))
            one.__traceback__ = None
            stack += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
    return error
