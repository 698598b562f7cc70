"""What came of one call: a value or a failure, tagged, so that an exception object can be an ordinary item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

__all__ = [
    "END",
    "Ended",
    "Failed",
    "Failures",
    "GivenUp",
    "Outcome",
    "Stopped",
    "Value",
    "capture",
    "is_close",
    "late",
    "travelling",
]


class Stopped(BaseException):
    """Raised where code waits when nobody wants its result any more. Like GeneratorExit: clean up and leave."""


class Failures:
    """The first failure of something, with later ones as notes on it."""

    def __init__(self, first: BaseException | None = None) -> None:
        self.first = first

    def add(self, error: BaseException, why: BaseException | None = None) -> None:
        """One more failure. If it came up because of the failure `why`, it is a note on that one."""
        if why is not None:
            Failures(why).add(error)
        elif self.first is None:
            self.first = error
        elif error is not self.first and not isinstance(error, Stopped):
            self.first.add_note(f"headrace: then {type(error).__name__}: {error}")


class Value(msgspec.Struct, frozen=True):
    """A call gave `value`."""

    value: Any

    def unwrap(self) -> Any:
        """The value."""
        return self.value


class Failed(msgspec.Struct, frozen=True):
    """A call raised `error`."""

    error: BaseException

    def unwrap(self) -> NoReturn:
        """Raises the error."""
        raise self.error


class GivenUp(Failed, frozen=True):
    """A call raised `error` the last of so many times."""

    attempts: int


class Ended(msgspec.Struct, frozen=True):
    """A stream was asked for an item and had no more."""


END = Ended()
Outcome = Value | Failed | Ended


def late(step: str, seconds: float) -> TimeoutError:
    """What a call of `step` fails with that was ended because it took longer."""
    return TimeoutError(f"{step}: must give a result within timeout={seconds} seconds, got none; the call was ended")


def travelling(error: BaseException) -> BaseException:
    """`error` as it can travel through generators and coroutines, for which StopIteration is the end and no failure."""
    if not isinstance(error, (StopIteration, StopAsyncIteration)):
        return error
    replacement = RuntimeError(f"a step raised {type(error).__name__}")
    replacement.__cause__ = error
    return replacement


def is_close(error: BaseException) -> bool:
    """Whether a generator that has caught `error` is closed. A GeneratorExit that code raises is a failure."""
    frames = error.__traceback__
    return isinstance(error, GeneratorExit) and frames is not None and frames.tb_next is None


def capture(function: Callable[..., Any], *arguments: Any) -> Value | Failed:
    """Call `function` and tag what comes of it.

    >>> capture(int, "3"), capture(int, "x")
    (Value(value=3), Failed(error=ValueError("invalid literal for int() with base 10: 'x'")))
    """
    try:
        return Value(function(*arguments))
    except BaseException as error:
        return Failed(error)
