"""Plain data that a pipeline was given, as text for messages and for the DAG's JSON."""

from __future__ import annotations

import re
import reprlib
import sys

__all__ = ["is_count", "is_duration", "shown"]


def is_count(value: object, least: int | None = None) -> bool:
    """Whether it is a whole number, and not less than `least`.

    >>> is_count(3, 1), is_count(0, 1), is_count(True), is_count(1.0)
    (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and (least is None or value >= least)


def is_duration(value: object) -> bool:
    """Whether it is a time in seconds: a number greater than 0.

    >>> is_duration(0.5), is_duration(0), is_duration(True), is_duration(float("inf"))
    (True, False, False, False)
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= sys.float_info.max


def shown(value: object) -> str:
    """A short `repr` that is the same in every process: sets are sorted, addresses and modules are left out.

    >>> shown({"b", "a"}), shown(object()), shown(list(range(1000)))
    ("{'a', 'b'}", '<object>', '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...]')
    """
    return _TEXT.repr(value)


class _Text(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 10
        self.maxdeque = self.maxarray = 10
        self.maxstring = self.maxlong = 200

    def repr_instance(self, x: object, level: int) -> str:
        if isinstance(x, type) or type(x).__repr__ is object.__repr__:
            return f"<class {x.__qualname__}>" if isinstance(x, type) else f"<{type(x).__qualname__}>"
        try:
            text = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(x))
        except Exception:  # the user's own `__repr__`
            return f"<{type(x).__qualname__}>"
        return text if len(text) <= self.maxstring else f"{text[: self.maxstring]}..."


_TEXT = _Text()
