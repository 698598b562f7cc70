"""A failure as data."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import json

from headrace.graph.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from traceback import TracebackException

__all__ = ["Failure", "traceback_of"]

OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep

T_co = TypeVar("T_co", covariant=True)


class Failure(msgspec.Struct, Generic[T_co], frozen=True, kw_only=True):
    """One item that a step failed at, with the exception. `time` is when, in UTC; `step` is the step's id.

    `attempts` is how often the step was called with the item.

    >>> from headrace import SyncRunner, step, stream, pipeline
    >>> @pipeline
    ... def numbers(texts: list[str]):
    ...     return stream(texts).map(step("number", fn=int, on_error="skip"))
    >>> run = SyncRunner().execute(numbers, ["1", "two", "3"])
    >>> run.result
    [1, 3]
    >>> [failure] = run.report.node("numbers/number").failures
    >>> failure.item, failure.attempts, failure.exception
    ('two', 1, ValueError("invalid literal for int() with base 10: 'two'"))
    """

    item: T_co
    step: str
    attempts: int
    exception: Exception
    time: datetime

    def as_dict(self) -> dict[str, Any]:
        """The failure as plain data for JSON: an item that cannot be plain data as text, and the exception as text.

        >>> from datetime import UTC, datetime
        >>> noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
        >>> Failure(item=(1, 2), step="add", attempts=1, exception=KeyError("x"), time=noon).as_dict()
        {'item': [1, 2], 'step': 'add', 'attempts': 1, 'exception': "KeyError: 'x'", 'time': '2026-01-31T12:00:00Z'}
        """
        return {
            "item": _plain(self.item),
            "step": self.step,
            "attempts": self.attempts,
            "exception": f"{type(self.exception).__name__}: {self.exception}",
            "time": msgspec.to_builtins(self.time),
        }


def _plain(item: object) -> object:
    try:
        return json.decode(json.encode(item))
    except (TypeError, ValueError):
        return shown(item)


def traceback_of(error: BaseException) -> str:
    """The traceback as Python shows it, without the frames of headrace; with them, if there are no others.

    >>> try:
    ...     int("two")
    ... except ValueError as error:
    ...     print(traceback_of(error).splitlines()[-1])
    ValueError: invalid literal for int() with base 10: 'two'
    """
    from traceback import StackSummary, TracebackException

    shown_error = TracebackException.from_exception(error, compact=True)
    for one in _chain(shown_error):
        frames = [frame for frame in one.stack if not _is_own(frame.filename)]
        one.stack = StackSummary.from_list(frames or list(one.stack))
    return "".join(shown_error.format())


def _is_own(filename: str) -> bool:
    return filename == "<headrace loop>" or (filename.startswith(OWN) and not filename.startswith(f"{OWN}testing"))


def _chain(error: TracebackException) -> Iterator[TracebackException]:
    """The error and all that led to it."""
    stack: list[TracebackException | None] = [error]
    while stack:
        one = stack.pop()
        if one is not None:
            yield one
            stack += [one.__cause__, one.__context__, *(one.exceptions or ())]
