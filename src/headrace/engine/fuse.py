"""The per-item loop: consecutive per-item steps become one loop that calls one function after another.

Lives here: the text of that loop, and the reading of its line numbers. The loop is written out as Python source with
one line a step and compiled for each use, as `attrs` does for `__init__`: every call has its own place in the
bytecode, so the interpreter specialises it, and the line on which an exception came up is the step that failed. For
map, map, filter, flat_map, map the text is:

    def loop(items, over, failed, f0, f1, f2, f3, f4):
     n0 = n1 = n2 = 0
     try:
      for n0, item in enumerate(items, 1):
       item = f1(
         f0(
         item))
       if not f2(item): continue
       n1 += 1
       for item in f3(item):
        n2 += 1
        item = f4(
          item)
        yield item
     except BaseException as error:
      raise failed(error, (n0, n1, n2, ))
     over((n0, n1, n2, ))

A counter stands at the entrance and behind each `filter` and `flat_map`: all that lies between two counters saw the
same number of items. A loop whose items are only collected appends to a list in place of its `yield`; if it is all
`map`, the length of that list is the count.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import CodeType, FunctionType
from typing import Any, NamedTuple, Protocol

__all__ = ["Fused", "Tally", "fuse"]

MAX_NESTED = 15  # Python allows 20 nested blocks, and every flat_map is one
MAX_CALLS = 20  # calls in one expression; its parser allows some 100


class Tally(Protocol):
    """Who hears what a fused loop did, once, when it is over."""

    def counted(self, numbers: Sequence[int]) -> None:
        """`numbers[i]` items went into step i; the last number is what came out."""
        ...

    def failed(self, error: BaseException, index: int, numbers: Sequence[int]) -> BaseException:
        """Step `index` raised `error` at its item `numbers[index]`; gives what to raise."""
        ...


class Fused(NamedTuple):
    """The code of a loop for one sequence of kinds, and which line belongs to which step."""

    code: CodeType
    step_of_line: dict[int, int]
    counters: tuple[int, ...]  # for each step, and for the output: the counter in front of it
    counts_results: bool  # and not the item that fails


def fuse(
    items: Iterable[Any],
    kinds: Sequence[str],
    functions: Sequence[Callable[..., Any]],
    tally: Tally,
    *,
    collect: bool = False,
    in_task: bool = False,
) -> Any:
    """A generator that sends each of `items` through `functions`.

    `kinds` are "map", "filter" or "flat_map", or "await map" and so on. With `collect`, a list of all that comes out.
    With `in_task` an async generator, or a coroutine that gives the list; `items` may be an async iterator then.

    >>> class Print:
    ...     def counted(self, numbers):
    ...         print("counts", numbers)
    ...
    ...     def failed(self, error, index, numbers):
    ...         return error
    >>> list(fuse(range(4), ["filter", "map"], [lambda n: n % 2, str], Print()))
    counts [4, 2, 2]
    ['1', '3']
    """
    fused = _fused(tuple(kinds), collect, in_task, hasattr(items, "__aiter__"))
    loop = FunctionType(fused.code.replace(), {"__builtins__": builtins, "spread": _spread, "shut": _shut})

    def numbers_of(counters: Sequence[int], failed_at: int | None) -> list[int]:
        numbers = [counters[index] for index in fused.counters]
        if failed_at is not None:  # the steps behind it never saw the item
            for index in range(failed_at + 1, len(numbers)):
                if fused.counters[index] == fused.counters[failed_at]:
                    numbers[index] -= 1
        return numbers

    def over(counters: Sequence[int]) -> None:
        tally.counted(numbers_of(counters, None))

    def failed(error: BaseException, counters: Sequence[int]) -> BaseException:
        traceback = error.__traceback__
        index = fused.step_of_line.get(traceback.tb_lineno) if traceback else None
        if fused.counts_results and index is not None:
            counters = [counters[0] + 1]
        numbers = numbers_of(counters, index)
        tally.counted(numbers)
        return error if index is None else tally.failed(error, index, numbers)

    return loop(items, over, failed, *functions)


def _spread(made: Any, opened: list[Any]) -> AsyncIterator[Any]:
    """The items of what an async flat_map step gave; `opened` is what a loop that ends early must close."""
    items = _items_of(made, opened)
    opened.append(items)
    return items


async def _items_of(made: Any, opened: list[Any]) -> AsyncIterator[Any]:
    """The items of an async iterator, or of an awaitable list."""
    try:
        if hasattr(made, "__aiter__"):
            async for item in made:
                yield item
        else:
            for item in await made:
                yield item
    finally:
        if hasattr(made, "aclose"):
            await made.aclose()
    opened.pop()


async def _shut(opened: list[Any]) -> None:
    """Close what is open, the innermost first."""
    while opened:
        await opened.pop().aclose()


@functools.lru_cache(maxsize=256)
def _fused(kinds: tuple[str, ...], collect: bool, in_task: bool, from_async: bool) -> Fused:
    text = _Text(kinds, collect, in_task, from_async)
    for index, kind in enumerate(kinds):
        text.step(index, kind)
    return text.compiled()


TEXTS = {
    "filter": "if not {f}(item): continue",
    "flat_map": "for item in {f}(item):",
    "await map": "item = await {f}(item)",
    "await filter": "if not await {f}(item): continue",
    "await flat_map": "async for item in spread({f}(item), opened):",
}


def _is_map(kind: str) -> bool:
    return kind in ("map", "await map")


class _Text:
    """The text of a loop as it is written."""

    def __init__(self, kinds: Sequence[str], collect: bool, in_task: bool, from_async: bool) -> None:
        self.collect = collect
        self.counts_results = collect and all(map(_is_map, kinds))
        names = [f"n{index}" for index in range(1 + sum(not _is_map(kind) for kind in kinds))]
        self.seen = "(len(out), )" if self.counts_results else f"({''.join(f'{name}, ' for name in names)})"
        functions = [f"f{index}" for index in range(len(kinds))]
        asynchronous = "async " if in_task else ""
        self.lines = [f"{asynchronous}def loop({', '.join(['items', 'over', 'failed', *functions])}):"]
        if collect:
            self.lines += [" out = []", " append = out.append"]
        self.shuts = "await flat_map" in kinds
        self.lines += [f" {' = '.join(names)} = 0", *([" opened = []"] if self.shuts else []), " try:"]
        if from_async:
            self.lines += ["  async for item in items:", "   n0 += 1"]
        elif self.counts_results:
            self.lines += ["  for item in items:"]
        else:
            self.lines += ["  for n0, item in enumerate(items, 1):"]
        self.indent = "   "
        self.counter = 0
        self.counters: list[int] = []
        self.maps: list[int] = []  # to be called in one expression
        self.step_of_line: dict[int, int] = {}

    def step(self, index: int, kind: str) -> None:
        """One more step."""
        self.counters.append(self.counter)
        if kind == "map":
            if len(self.maps) == MAX_CALLS:
                self._call_maps("item = ", "")
            self.maps.append(index)
            return
        if self.maps:
            self._call_maps("item = ", "")
        self.step_of_line[len(self.lines) + 1] = index
        self.lines.append(f"{self.indent}{TEXTS[kind].format(f=f'f{index}')}")
        if _is_map(kind):
            return
        if kind.endswith("flat_map"):
            self.indent += " "
        self.counter += 1
        self.lines.append(f"{self.indent}n{self.counter} += 1")

    def compiled(self) -> Fused:
        """The code of the whole loop."""
        self.counters.append(self.counter)
        if self.collect:
            self._call_maps("append(", ")")
        else:
            if self.maps:
                self._call_maps("item = ", "")
            self.lines.append(f"{self.indent}yield item")  # on a line of its own: what is raised here is no step's
        self.lines += [" except BaseException as error:", *(["  await shut(opened)"] if self.shuts else [])]
        self.lines += [f"  raise failed(error, {self.seen})", f" over({self.seen})"]
        if self.collect:
            self.lines.append(" return out")
        module = compile("\n".join(self.lines), "<headrace loop>", "exec")
        code = next(constant for constant in module.co_consts if isinstance(constant, CodeType))
        return Fused(code, self.step_of_line, tuple(self.counters), self.counts_results)

    def _call_maps(self, before: str, after: str) -> None:
        """One expression, with a line for each call, the outermost first."""
        opening = before
        for index in reversed(self.maps):
            self.step_of_line[len(self.lines) + 1] = index
            self.lines.append(f"{self.indent}{opening}f{index}(")
            opening = "  "
        self.lines.append(f"{self.indent}{opening}item{')' * len(self.maps)}{after}")
        self.maps.clear()
