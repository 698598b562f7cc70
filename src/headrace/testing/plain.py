"""Whatever a pipeline gives, as plain data: what JSON has, the same in every process, fit to be compared and kept."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

import msgspec

from headrace.engine.failure import Failure

__all__ = ["differences", "ordered_text", "plain"]

Json = Any  # None, bool, int, float, str, and lists and dicts of these


def plain(value: object) -> Json:
    """`value` as JSON has it: sets are sorted, objects become their fields, and addresses are left out.

    >>> plain({"sizes": (3, 4), "seen": {"b", "a"}, "failed": ValueError("no")})
    {'sizes': [3, 4], 'seen': ['a', 'b'], 'failed': {'type': 'ValueError', 'message': 'no'}}
    """
    return _plain(value, ())


def _plain(value: Any, inside: tuple[int, ...]) -> Json:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if id(value) in inside:
        return "..."
    inside = (*inside, id(value))
    if isinstance(value, Mapping):
        return {_key(key, inside): _plain(each, inside) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, inside) for each in value]
    if isinstance(value, Set):
        return sorted((_plain(each, inside) for each in value), key=ordered_text)
    if isinstance(value, BaseException):
        return {"type": type(value).__qualname__, "message": str(value)}
    fields = _fields(value)
    return _leaf(value) if fields is None else {name: _plain(each, inside) for name, each in fields.items()}


def _key(key: object, inside: tuple[int, ...]) -> str:
    made = _plain(key, inside)
    return made if isinstance(made, str) else json.dumps(made)


def _fields(value: object) -> Mapping[str, Any] | None:
    """What an object is made of; None for what is a leaf."""
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Failure):  # its time is another one in every run
        return {"item": value.item, "step": value.step, "attempts": value.attempts, "exception": value.exception}
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if type(value).__repr__ is object.__repr__ and hasattr(value, "__dict__"):
        return {"type": type(value).__qualname__, **vars(value)}
    return None


def _leaf(value: object) -> Json:
    """Dates, numbers, bytes and the like as msgspec writes them; of anything else what it says of itself."""
    return msgspec.to_builtins(value, enc_hook=_described, str_keys=True)


def _described(value: object) -> str:
    if isinstance(value, type):
        return f"<class {value.__qualname__}>"
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        return f"<{type(value).__name__} {name}>"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def ordered_text(value: Json) -> str:
    """A text by which plain data can be sorted."""
    return json.dumps(value, sort_keys=True)


# -- comparing -----------------------------------------------------------------------------------------------


def differences(a: Json, b: Json, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Where two pieces of plain data differ: the path, and what each has there.

    >>> list(differences({"result": [1, 2]}, {"result": [1, 3]}))
    [('/result/1', '2', '3')]
    """
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a | b:
            yield from differences(a.get(key, _NOTHING), b.get(key, _NOTHING), f"{place}/{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (left, right) in enumerate(zip(a, b, strict=True)):
            yield from differences(left, right, f"{place}/{index}")
    elif type(a) is not type(b) or repr(a) != repr(b):  # by text, for which a NaN is itself
        yield place, repr(a), repr(b)


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


_NOTHING = _Nothing()
