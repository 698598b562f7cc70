"""What places ask home while a run goes on: what the store has, and what observers want around code that begins.

Whoever asks waits for the answer. So a result is with home before anybody is handed it, and a place that dies takes
none with it. A section that asks is in the middle of something: it does not count as one that waits, and nothing is
counted here for finding deadlocks. Whoever watches a place answers, also while the run ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.drivers.places.messages import Codec, Question
from headrace.engine.events import EVENTS, CallStarted, DeadlockFound, RunEnded, RunStarted, StepStarted
from headrace.engine.log import log
from headrace.engine.observers import Observers
from headrace.engine.outcome import Failed
from headrace.engine.scope import Wanted
from headrace.errors import UnpicklableError
from headrace.graph.values import shown

if TYPE_CHECKING:
    from headrace.engine.checkpoint import Checkpoints

__all__ = ["Answers", "FarStore", "Questions"]

OF_PLACES = EVENTS - {RunStarted, RunEnded, DeadlockFound}


class Questions:
    """Asks home, one question at a time. In any thread."""

    def __init__(self, send: Callable[[Question], None]) -> None:
        self.send = send
        self.lock: threading.Lock = threading.Lock()
        self.answers: SimpleQueue[tuple[Any, Failed | None]] = SimpleQueue()

    def ask(self, about: str, *arguments: Any) -> Any:
        """What home says. Raises: what it raises there."""
        with self.lock:
            self.send(Question(about, arguments))
            value, failed = self.answers.get()
        if failed is not None:
            raise failed.error
        return value


class FarStore:
    """The store that home has, as a place sees it."""

    def __init__(self, questions: Questions) -> None:
        self.ask: Callable[..., Any] = questions.ask

    def begin(self, pipeline: str) -> None:
        """Home says so."""

    def count(self, step: str) -> int:
        """How many results of that step earlier runs kept."""
        count: int = self.ask("count", step)
        return count

    def get(self, step: str, key: bytes) -> bytes | None:
        """What an earlier run kept."""
        found: bytes | None = self.ask("get", step, key)
        return found

    def put(self, step: str, key: bytes, value: bytes) -> None:
        """Keep a result. When this returns, home has it."""
        self.ask("put", step, key, value)

    def flush(self) -> None:
        """Have everything written."""
        self.ask("flush")

    def end(self, failure: BaseException | None) -> None:
        """Home says so."""


class Answers:
    """Home's answers, and what it tells observers of places. Called in the threads that watch places."""

    def __init__(self, observers: Observers, codec: Codec, checkpoints: Checkpoints | None) -> None:
        self.observers = observers
        self.codec = codec
        self.checkpoints = checkpoints
        self.stay: set[str] = set()  # what observers have around code and cannot go to other places

    @property
    def hears(self) -> tuple[type, ...]:
        """The events of places that somebody hears."""
        return tuple(kind for kind in OF_PLACES if self.observers.hear(kind))

    @property
    def begins(self) -> tuple[type, ...]:
        """Those of them for which somebody may want something around what begins."""
        return tuple(kind for kind in (StepStarted, CallStarted) if self.observers.want(kind))

    def answer(self, question: Question) -> tuple[Any, Any]:
        """What a place is told that waits for it: the answer, and the failure if there is one."""
        try:
            return self._answer(question), self.codec.packed_end(None, "home")
        except BaseException as error:
            return None, self.codec.packed_end(Failed(error), "home")

    def _answer(self, question: Question) -> Any:
        if question.about == "around":
            return self.sent(self.observers.begun(self._event(*question.arguments)))
        assert self.checkpoints is not None
        with self.checkpoints.asking:
            return getattr(self.checkpoints.store, question.about)(*question.arguments)

    def tell(self, data: Any) -> None:
        """Tell observers of what happened in a place."""
        self.observers.tell(self._event(data))

    def _event(self, data: Any) -> Any:
        return msgspec.structs.replace(self.codec.value(data), run=self.observers.run)

    def sent(self, around: Sequence[Wanted]) -> tuple[Any, ...]:
        """What observers want around code in a place, packed; without what stays here."""
        return tuple(data for each in around for data in self._sent(each))

    def _sent(self, wanted: Wanted) -> Iterator[Any]:
        try:
            yield self.codec.packed(wanted, "what an observer has around code")
        except UnpicklableError as error:
            what = shown(wanted.make)
            if what not in self.stay:
                self.stay.add(what)
                log().warning("headrace: %s stays behind, which an observer has around code: %s", what, error)
