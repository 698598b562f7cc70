"""What the steps of generated pipelines do, each as a script that says when it takes and when it gives.

A script yields the number of an input to take from (and is sent the item, or END), a tuple of one item to give, or a
list of one item that was caught; it returns a value if the step is a value step. So one script serves the list
evaluation, plain steps and async steps.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from headrace import Failure, LengthError

if TYPE_CHECKING:
    from tests.properties.cases import Op

__all__ = ["END", "ITEM_FUNCTIONS", "Boom", "Script", "failing", "number_of", "script_of", "seen"]


class END:
    """In place of an item: the input has ended. A class, which is the same one in every process."""


Script = Generator[Any, Any, Any]


class Boom(Exception):
    """Step `args[0]` fails. `number` is that of the item, if it is not the last one."""

    number: int | None = None


def number_of(item: Any) -> int:
    item = seen(item)
    return item if isinstance(item, int) else sum(map(number_of, item))


def seen(value: Any) -> Any:
    """`value`, with a tuple of its item in the place of every failure."""
    if isinstance(value, Failure):
        return (seen(value.item),)
    return type(value)(map(seen, value)) if isinstance(value, (list, tuple)) else value


# -- per item ------------------------------------------------------------------------------------------------


def increment(item: Any, value: Any = 0) -> int:
    return number_of(item) + number_of(value) % 5 + 1


def is_even(item: Any, value: Any = 0) -> bool:
    return (number_of(item) + number_of(value)) % 2 == 0


def twice(item: Any, value: Any = 0) -> list[int]:
    return [number_of(item)] * ((number_of(item) + number_of(value)) % 3)


ITEM_FUNCTIONS: dict[str, Callable[..., Any]] = {"map": increment, "filter": is_even, "flat_map": twice}


def failing(function: Callable[..., Any], name: str, fails: int | None, *, late: bool = False) -> Callable[..., Any]:
    """`function`, which fails at every item that ends in the digit `fails`; if `late`, behind what it gives."""

    def guarded(item: Any, *extra: Any) -> Any:
        if fails is None or number_of(item) % 10 != fails:
            return function(item, *extra)
        if late:
            return _broken(function(item, *extra), name)
        raise Boom(name)

    return guarded


def _broken(items: Iterable[Any], name: str) -> Iterator[Any]:
    yield from items
    raise Boom(name)


def _results(kind: str, function: Callable[..., Any]) -> Callable[..., Iterable[Any]]:
    """What comes of one item."""
    if kind == "map":
        return lambda *arguments: (function(*arguments),)
    if kind == "filter":
        return lambda item, *extra: (item,) if function(item, *extra) else ()
    return function


def _per_item(
    results: Callable[..., Iterable[Any]], on_error: str, limit: float | None, extra: Sequence[Any]
) -> Script:
    count = failed = last = 0
    while (item := (yield 0)) is not END:
        count += 1
        try:
            for result in results(item, *extra):
                yield (result,)
        except Boom as error:
            name, last, failed = error.args[0], count, failed + 1
            if on_error == "raise" or (isinstance(limit, int) and failed > limit):
                raise
            if on_error == "catch":
                yield [(item,)]
    if isinstance(limit, float) and failed > limit * count:
        error = Boom(name)
        error.number = last
        raise error


# -- whole streams -------------------------------------------------------------------------------------------


def _source(count: int) -> Script:
    for number in range(count):
        yield (number,)


def _span(value: Any) -> Script:
    """A source whose length depends on a value."""
    for number in range(number_of(value) % 7):
        yield (number,)


def _offspring() -> Script:
    while (item := (yield 0)) is not END:
        yield (number_of(item),)
        if number_of(item) % 3 == 0:
            yield (-number_of(item),)


def _few() -> Script:
    """Stops early."""
    for _ in range(2):
        if (item := (yield 0)) is END:
            return
        yield (item,)


def _never() -> Script:
    """Reads nothing."""
    yield (1,)
    yield (2,)


def _ahead() -> Script:
    """Gives something before it reads."""
    yield (-1,)
    while (item := (yield 0)) is not END:
        yield (item,)


def _last() -> Script:
    """Gives nothing before all is read."""
    last = END
    while (item := (yield 0)) is not END:
        last = item
    if last is not END:
        yield (last,)


def _both() -> Script:
    """Reads at an uneven pace: two of the left for one of the right."""
    while (item := (yield 0)) is not END:
        yield (item,)
        for slot in (0, 1):
            if (item := (yield slot)) is not END:
                yield (item,)
    while (item := (yield 1)) is not END:
        yield (item,)


def _behind() -> Script:
    """All of the right, and then the left."""
    while (yield 1) is not END:
        pass
    while (item := (yield 0)) is not END:
        yield (item,)


def _chosen() -> Script:
    """Stops at the end of the left, whatever there is on the right."""
    while (item := (yield 0)) is not END:
        if number_of(item) % 2 or (item := (yield 1)) is not END:
            yield (item,)


def _batch() -> Script:
    while True:
        batch: list[Any] = []
        while len(batch) < 2 and (item := (yield 0)) is not END:
            batch.append(item)
        if not batch:
            return
        yield (tuple(batch),)


def _zip() -> Script:
    while True:
        if (left := (yield 0)) is END:
            if (yield 1) is not END:
                raise LengthError
            return
        if (right := (yield 1)) is END:
            raise LengthError
        yield ((left, right),)


def _merge() -> Script:
    """The streams take turns, as they do if nobody has to wait."""
    turns = [0, 1]
    while turns:
        slot = turns.pop(0)
        if (item := (yield slot)) is not END:
            turns.append(slot)
            yield (item,)


def _failures() -> Script:
    while (item := (yield 0)) is not END:
        yield (item,)


def _again(items: Sequence[Any]) -> Script:
    for item in items:
        yield (item,)


# -- values --------------------------------------------------------------------------------------------------


def _collect() -> Script:
    items = []
    while (item := (yield 0)) is not END:
        items.append(item)
    return items


def _total() -> Script:
    total = 0
    while (item := (yield 0)) is not END:
        total += number_of(item)
    return total


def _first() -> Script:
    """Stops early."""
    return [] if (item := (yield 0)) is END else [item]


def _gap() -> Script:
    """All of the left, and then all of the right."""
    sums = [0, 0]
    for slot in (0, 1):
        while (item := (yield slot)) is not END:
            sums[slot] += number_of(item)
    return sums[0] - sums[1]


def _size(value: Any) -> Script:
    return number_of(value) + 1
    yield


SCRIPTS: dict[str, Callable[..., Script]] = {
    name.removeprefix("_"): script
    for name, script in globals().items()
    if name.startswith("_") and getattr(script, "__annotations__", {}).get("return") == "Script"
}


def script_of(op: Op, name: str, arguments: Sequence[Any], *, policy: bool = False) -> Script:
    """The script of one step, given its values; it may fail at items that end in `fails`, or after so many actions.

    With `policy`, what becomes of its failures is in it.
    """
    on_error = op.on_error if policy else "raise"
    if op.kind in ITEM_FUNCTIONS:
        function = failing(ITEM_FUNCTIONS[op.kind], name, op.fails, late=op.fails_late)
        return _per_item(_results(op.kind, function), on_error, op.limit, arguments)
    script = SCRIPTS[op.kind](*arguments)
    if op.fails is None:
        return script
    broken = _broken_off(script, name, op.fails)
    return _ended(broken) if on_error == "skip" else broken


def _ended(script: Script) -> Script:
    """The script, which ends where it fails."""
    try:
        return (yield from script)
    except Boom:
        return None


def _broken_off(script: Script, name: str, fails: int) -> Script:
    sent = None
    for _ in range(fails):
        try:
            sent = yield script.send(sent)
        except StopIteration as end:
            return end.value
    raise Boom(name)
