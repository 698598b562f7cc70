"""The store of a run in several places: home has it, and a place asks.

Whoever asks waits for the answer, and so a result is with home before anybody is handed it: a place that dies takes
none with it. A section that asks is in the middle of something. It does not count as one that waits, so nothing is
counted here for finding deadlocks. Whoever watches a place answers, also while the run ends.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple

from headrace.engine.checkpoint import Checkpoints
from headrace.engine.outcome import Failed

__all__ = ["FarStore", "Question", "answered"]


class Question(NamedTuple):
    """A method of the store, and what it is called with."""

    method: str
    arguments: tuple[Any, ...]


class FarStore:
    """The store, as a place sees it: asked by one thread at a time."""

    def __init__(self, ask: Callable[[Question], None]) -> None:
        self.ask = ask
        self.answers: SimpleQueue[tuple[Any, Failed | None]] = SimpleQueue()

    def begin(self, pipeline: str) -> None:
        """Home says so."""

    def count(self, step: str) -> int:
        """How many results of that step earlier runs kept."""
        count: int = self._answer("count", step)
        return count

    def get(self, step: str, key: bytes) -> bytes | None:
        """What an earlier run kept."""
        found: bytes | None = self._answer("get", step, key)
        return found

    def put(self, step: str, key: bytes, value: bytes) -> None:
        """Keep a result. When this returns, home has it."""
        self._answer("put", step, key, value)

    def flush(self) -> None:
        """Have everything written."""
        self._answer("flush")

    def end(self, failure: BaseException | None) -> None:
        """Home says so."""

    def _answer(self, method: str, *arguments: Any) -> Any:
        self.ask(Question(method, arguments))
        value, failed = self.answers.get()
        if failed is not None:
            raise failed.error
        return value


def answered(checkpoints: Checkpoints, question: Question) -> tuple[Any, Failed | None]:
    """What the store says, or how it fails."""
    try:
        with checkpoints.asking:
            return getattr(checkpoints.store, question.method)(*question.arguments), None
    except Exception as error:
        return None, Failed(error)
