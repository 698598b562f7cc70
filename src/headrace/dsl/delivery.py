"""How a parameter takes what its name means: as it is, item by item, lazily, or collected.

Lives here: which ways the hint of a parameter allows, the best first, for a stream and for a value. Must not live here:
names, or nodes (autowire.py).

| the parameter takes | a stream of `T`                 | a value                                         |
| ------------------- | ------------------------------- | ----------------------------------------------- |
| what is given       | -                               | the value                                       |
| `T`                 | a call per item                 | a call per item of it, if it is a collection    |
| `Iterator[T]`, ...  | the stream                      | the items of it, if it is a collection          |
| `list[T]`, ...      | all items, collected            | its items, collected, if it is a collection     |
| anything            | a call per item                 | the value                                       |
"""

from __future__ import annotations

import collections.abc as abc
import typing
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeVar

from headrace.graph.hints import (
    REQUIRED,
    alternatives,
    can_be_hashed,
    fits,
    is_lazy,
    item_of,
    iterates,
    tuple_length,
    tuple_of,
)
from headrace.graph.options import Mode

__all__ = ["Way", "is_collection", "way_of_stream", "way_of_value"]

KINDS: dict[Any, type] = {
    list: list,
    set: set,
    frozenset: frozenset,
    tuple: tuple,
    dict: dict,
    abc.Collection: list,
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Reversible: list,
    abc.Set: set,
    abc.MutableSet: set,
    abc.Mapping: dict,
    abc.MutableMapping: dict,
}
TEXT = (str, bytes, bytearray)


class Way(NamedTuple):
    """One way to take data: "value", "item", "stream", or "collected" `into` a kind of collection."""

    how: Literal["value", "item", "stream", "collected"]
    into: Any = None


def way_of_stream(hint: Any, item: Any, mode: Mode | None) -> Way | None:
    """How a parameter of that hint takes a stream of `item`; None if it cannot.

    >>> way_of_stream(int, int, None), way_of_stream(set[int], int, None), way_of_stream(str, int, None)
    (Way(how='item', into=None), Way(how='collected', into=<class 'set'>), None)
    """
    ways = _ways_of_stream(hint, item)
    if mode == "all":
        ways = (way for way in ways if way.how != "item")
    if mode == "each":
        ways = iter(sorted(ways, key=lambda way: way.how != "item"))
    return next(ways, None)


def way_of_value(hint: Any, given: Any, mode: Mode | None) -> Way | None:
    """How a parameter of that hint takes a value of hint `given`; None if it cannot.

    With `mode="each"` it takes an item of it, where it has items that fit.

    >>> way_of_value(str, list[str], None), way_of_value(list[str], list[str], None)
    (Way(how='item', into=None), Way(how='value', into=None))
    """
    if mode == "each" and iterates(given):
        by_item = way_of_stream(hint, item_of(given), mode)
        if by_item and by_item.how == "item":
            return by_item
    if fits(given, hint):
        return Way("value")
    return way_of_stream(hint, item_of(given), mode) if is_collection(given) else None


def _ways_of_stream(hint: Any, item: Any) -> Iterator[Way]:
    parts = alternatives(hint)
    if any(part in (Any, object, REQUIRED) or isinstance(part, TypeVar) for part in parts):
        yield from (Way("item"), Way("stream"))
        return
    if any(is_lazy(part) and fits(item, item_of(part)) for part in parts):
        yield Way("stream")
    collecting = [part for part in parts if _collects(part, item)]
    collected = [Way("collected", KINDS[_kind(part)]) for part in collecting]
    single = [Way("item")] if fits(item, hint) else []
    # `list` takes an item that is a list; `Sequence[str]` is a sequence of text, though text is one as well
    all_of_them = item is Any or any(map(_says_items, collecting))
    yield from (*collected, *single) if all_of_them else (*single, *collected)


def _collects(part: Any, item: Any) -> bool:
    """Whether `part` is a collection of any size that takes such items."""
    kind = _kind(part)
    if kind not in KINDS or tuple_length(part) is not None:
        return False
    if KINDS[kind] is dict:
        return fits(item, tuple_of(typing.get_args(part) or (Any, Any)))
    if KINDS[kind] in (set, frozenset) and not can_be_hashed(item):
        return False
    return fits(item, item_of(part))


def _says_items(part: Any) -> bool:
    item = item_of(part)
    return item not in (Any, object) and not isinstance(item, TypeVar)


def is_collection(hint: Any) -> bool:
    """Whether a value of that hint is made of items of one kind: no text, no record, no mapping.

    >>> [is_collection(hint) for hint in (list[str], str, tuple[int, str], dict[str, int], Any)]
    [True, False, False, False, False]
    """
    return all(map(_is_collection, alternatives(hint)))


def _is_collection(part: Any) -> bool:
    kind = _kind(part)
    if not isinstance(kind, type) or kind.__module__ not in ("builtins", "collections", "collections.abc"):
        return False
    one = issubclass(kind, (abc.Mapping, memoryview, *TEXT)) or tuple_length(part) is not None
    return issubclass(kind, abc.Iterable) and not one


def _kind(part: Any) -> Any:
    return typing.get_origin(part) or part
