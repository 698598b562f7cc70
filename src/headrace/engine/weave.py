"""The loop of a fan-out that stays together: per-item steps that read one stream, and what joins them item by item.

Lives here: the text of that loop. As in fuse.py it is written out as Python source and compiled for each shape, so that
every call has its own line, which tells the step that failed. For a zip of a stream with a map of it, and a map behind
that, the text is:

    def loop(items, over, failed, keep, f0, f2):
     n = 0
     try:
      for n, source in items:
       v0 = f0(source)
       v1 = (source, v0, )
       v2 = f2(v1)
       yield v2
     except BaseException as error:
      raise failed(error, n)
     over(n)

Every node sees every item, so one counter is enough. Where nothing comes out but what is collected and drained, there
is no `yield`, and the loop runs when it is called.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import CodeType, FunctionType
from typing import Any, NamedTuple, Protocol

from headrace.engine.fuse import compiled, count_of

__all__ = ["SOURCE", "Thread", "weave"]

SOURCE = -1  # as an input: the item of the stream that all read


class Thread(NamedTuple):
    """One node of the loop: "map", "zip", "collect" or "drain", and the places of those that it reads."""

    kind: str
    inputs: tuple[int, ...]


class Tally(Protocol):
    """Who hears what a loop did, once, when it is over."""

    def begins(self, count: Callable[[], int]) -> None:
        """A loop begins: how many items it has taken so far, from any thread."""
        ...

    def counted(self, count: int, failed_at: int | None) -> None:
        """It took `count` items; the last one did not get past the node at `failed_at`."""
        ...

    def blamed(self, error: BaseException, place: int, count: int) -> BaseException:
        """The node at that place raised `error` at that item; gives what to raise."""
        ...


def weave(
    items: Iterable[Any],
    threads: Sequence[Thread],
    functions: Sequence[Callable[[Any], Any] | None],
    tally: Tally,
    kept: Sequence[list[Any]],
) -> Any:
    """A generator of what the last node gives; or None, when all was put into the lists of `kept`.

    >>> class Quiet:
    ...     def begins(self, count):
    ...         pass
    ...
    ...     def counted(self, count, failed_at):
    ...         print("took", count)
    ...
    ...     def blamed(self, error, place, count):
    ...         return error
    >>> shape = [Thread("map", (SOURCE,)), Thread("zip", (SOURCE, 0))]
    >>> list(weave(iter("ab"), shape, [str.upper, None], Quiet(), []))
    took 2
    [('a', 'A'), ('b', 'B')]
    >>> found = []
    >>> weave(iter("ab"), [Thread("map", (SOURCE,)), Thread("collect", (0,))], [str.upper, None], Quiet(), [found])
    took 2
    >>> found
    ['A', 'B']
    """
    code, places = _woven(tuple(threads))

    def over(count: int) -> None:
        tally.counted(count, None)

    def failed(error: BaseException, count: int) -> BaseException:
        traceback = error.__traceback__
        place = places.get(traceback.tb_lineno) if traceback else None
        tally.counted(count, place)
        return error if place is None else tally.blamed(error, place, count)

    loop = FunctionType(code.replace(), {"__builtins__": builtins})
    keep = [each.append for each in kept]
    items = enumerate(items, 1)
    tally.begins(partial(count_of, items))
    return loop(items, over, failed, *keep, *(function for function in functions if function is not None))


@functools.lru_cache(maxsize=256)
def _woven(threads: tuple[Thread, ...]) -> tuple[CodeType, dict[int, int]]:
    """The code of a loop of that shape, and which line belongs to which node."""
    calls = [f"f{place}" for place, thread in enumerate(threads) if thread.kind == "map"]
    keeps = [f"keep{place}" for place, thread in enumerate(threads) if thread.kind == "collect"]
    lines = [f"def loop({', '.join(['items', 'over', 'failed', *keeps, *calls])}):"]
    lines += [" n = 0", " try:", "  for n, source in items:"]
    places: dict[int, int] = {}
    for place, (kind, inputs) in enumerate(threads):
        given = ["source" if each == SOURCE else f"v{each}" for each in inputs]
        if kind == "map":
            places[len(lines) + 1] = place
            lines.append(f"   v{place} = f{place}({given[0]})")
        elif kind == "zip":
            lines.append(f"   v{place} = ({', '.join(given)}, )")
        elif kind == "collect":
            lines.append(f"   keep{place}({given[0]})")
    if threads[-1].kind in ("map", "zip"):
        lines.append(f"   yield v{len(threads) - 1}")
    lines += [" except BaseException as error:", "  raise failed(error, n)", " over(n)"]
    return compiled(lines), places
