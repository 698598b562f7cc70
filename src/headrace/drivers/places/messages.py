"""What places say to each other: requests for items and their answers, news, and how bytes are made of them.

A place knows others as `Peer`s, and a `Codec` makes bytes of what goes to them. Nothing here knows what carries it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from headrace.engine.outcome import Ended, Failed
from headrace.engine.report import Report
from headrace.engine.stopwatch import Detail
from headrace.graph.sections import Link, Section

__all__ = ["Codec", "Crew", "Final", "News", "Parked", "Peer", "Question", "Reply", "Task"]

Reply = tuple[int, Any, Any, bool]  # the number of the first item; the items and the end, packed; whether it is valid


class Peer(Protocol):
    """Another place. Safe to use from threads."""

    def pull(self, run: int, link: Link, acknowledged: int, received: int) -> Callable[[], Reply]:
        """Begin a request; gives what waits until there is an answer."""
        ...

    def acknowledge(self, run: int, link: Link, count: int) -> None:
        """The consumer of the link has so many items."""
        ...

    def close(self, run: int, link: Link, why: Any) -> None:
        """Nobody reads the link any more, because of the failure that is packed in `why`."""
        ...


class Codec(Protocol):
    """What goes from one place to another."""

    def packed_items(self, items: list[Any], step: str) -> tuple[Any, Failed | None]:
        """Those up to the first that cannot go, and the failure of that one."""
        ...

    def items(self, data: Any, step: str) -> list[Any]:
        """What was packed."""
        ...

    def packed_end(self, ended: Ended | Failed | None, step: str) -> Any:
        """The end of a stream."""
        ...

    def end(self, data: Any) -> Ended | Failed | None:
        """What was packed; the same failure is the same object, whichever way it comes."""
        ...

    def packed(self, value: Any, what: str) -> Any:
        """A value, of which a message says that it is `what`."""
        ...

    def packed_report(self, report: Report) -> Any:
        """A report; of its failures, what cannot go is text."""
        ...

    def value(self, data: Any) -> Any:
        """What was packed."""
        ...


class Parked(NamedTuple):
    """Nothing can go on in a section, after it has sent and received so many messages."""

    sent: int
    received: int


class News(NamedTuple):
    """What a section tells whoever runs the pipeline.

    "failed" (with the failure, and the one because of which it came up), "made", "done" (with a value), "event",
    "parked", "limit" (`engine.kept.Told`), and "asks" (a question, and then waits for the answer).
    """

    kind: str
    id: str
    data: Any


class Question(NamedTuple):
    """What a section asks: a method of the store, or "around", and the arguments."""

    about: str
    arguments: tuple[Any, ...]


class Crew(NamedTuple):
    """The worker processes of one section: how many at most, and what else whoever places them is told of each."""

    most: int
    options: Mapping[str, Any]


class Final(NamedTuple):
    """What is left of a section that is over."""

    report: Any  # a packed `Report`
    highest: dict[Link, int]


class Task(NamedTuple):
    """What a place is to run."""

    run: int
    section: Section
    program: Any  # a packed `Program`
    arguments: Mapping[str, Any]  # packed
    detail: Detail
    hears: tuple[type, ...] = ()  # the events that somebody hears
    begins: tuple[type, ...] = ()  # the kinds of events for which somebody wants something around what begins
    around: tuple[Any, ...] = ()  # packed: what is wanted around all of the run
    context: tuple[Any, ...] = ()  # packed: variables and their values
    pickled: bool | None = None  # whether results are kept that must be pickled; None: none are kept
    limits: tuple[str, ...] = ()  # the keys of those that are kept where the run was started
    crew: Crew | None = None  # worker processes; None: those of the machine where the place is
