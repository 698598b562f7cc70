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
same number of items, but for those that were skipped. A loop whose items are only collected appends to a list in place
of its `yield`; if it is all `map`, the length of that list is the count.

A loop whose counts are looked at while it runs keeps them where another thread finds them: the first in `enumerate`,
the others in cells (`nonlocal n1, n2`), and a list whose length is the count in a cell as well.

A step that skips failures has a `try` of its own, which costs nothing as long as nothing fails (a flat_map step: a
generator around what it gives). For a map step f1 that is

       try:
        item = f1(item)
       except Exception as error:
        lost = lost1(error, item, n0)
        if lost is None: raise
        continue

and one whose failures are caught has `item = lost` in place of the `continue`.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import CellType, CodeType, FunctionType, MappingProxyType
from typing import Any, NamedTuple, Protocol

from headrace.engine.outcome import travelling
from headrace.engine.policy import LEFT_OUT, Policy

__all__ = ["Fused", "Tally", "compiled", "count_of", "fuse", "shut", "spread"]

MAX_NESTED = 15  # Python allows 20 nested blocks, and every flat_map is one
MAX_CALLS = 20  # calls in one expression; its parser allows some 100
NO_POLICIES: Mapping[int, Policy] = MappingProxyType({})
Lost = Callable[[Exception, Any, int], "object | None"]  # given the failure, the item, and its counter


class Tally(Protocol):
    """Who hears what a fused loop did, once, when it is over."""

    def begins(self, numbers: Callable[[], Sequence[int]]) -> None:
        """A loop that is watched begins: its counts so far, from any thread."""
        ...

    def counted(self, numbers: Sequence[int]) -> None:
        """`numbers[i]` items went into step i; the last number is what came out."""
        ...

    def ended(self, numbers: Sequence[int]) -> None:
        """The loop came to its end, and these are its counts. May raise what the stream ends with after all."""
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
    policies: Mapping[int, Policy] = NO_POLICIES,
    *,
    collect: bool = False,
    in_task: bool = False,
    watched: bool = False,
) -> Any:
    """A generator that sends each of `items` through `functions`.

    `kinds` are "map", "filter" or "flat_map", or "await map", "skip map", "catch await map" and so on; `policies` has
    for each step that skips or catches what becomes of its failures. With `collect`, a list of all that comes out. With
    `in_task` an async generator, or a coroutine that gives the list; `items` may be an async iterator then. If it is
    `watched`, the tally can look at the counts while it runs.

    >>> class Print:
    ...     def counted(self, numbers):
    ...         print("counts", numbers)
    ...
    ...     def ended(self, numbers):
    ...         pass
    ...
    ...     def failed(self, error, index, numbers):
    ...         return error
    >>> list(fuse(range(4), ["filter", "map"], [lambda n: n % 2, str], Print()))
    counts [4, 2, 2]
    ['1', '3']
    """
    fused = _fused(tuple(kinds), collect, in_task, hasattr(items, "__aiter__"), watched)
    for index, policy in policies.items():
        policy.number_of = partial(_number, index, fused, policies, fused.counts_results)
    losses = {f"lost{index}": policy.lost for index, policy in policies.items()}
    names = {"__builtins__": builtins, "spread": spread, "shut": shut, **losses}
    cells = {name: CellType(0) for name in fused.code.co_freevars}
    loop = FunctionType(fused.code.replace(), names, closure=tuple(cells.values()) or None)
    if not fused.counts_results and not hasattr(items, "__aiter__"):
        items = enumerate(items, 1)
    functions = [
        _guarded(kinds[index], function, policies[index].lost) if index in policies else function
        for index, function in enumerate(functions)
    ]

    def numbers_of(counters: Sequence[int], failed_at: int | None) -> list[int]:
        numbers = [counters[counter] for counter in fused.counters]
        if policies:
            numbers = [_number(index, fused, policies, False, number) for index, number in enumerate(numbers)]
        if failed_at is not None:  # the steps behind it never saw the item
            for index in range(failed_at + 1, len(numbers)):
                if fused.counters[index] == fused.counters[failed_at]:
                    numbers[index] -= 1
        return numbers

    def over(counters: Sequence[int]) -> None:
        numbers = numbers_of(counters, None)
        tally.counted(numbers)
        tally.ended(numbers)

    def failed(error: BaseException, counters: Sequence[int]) -> BaseException:
        traceback = error.__traceback__
        index = fused.step_of_line.get(traceback.tb_lineno) if traceback else None
        if fused.counts_results and index is not None:
            counters = [counters[0] + 1]
        numbers = numbers_of(counters, index)
        tally.counted(numbers)
        return error if index is None else tally.failed(error, index, numbers)

    if watched:
        tally.begins(lambda: numbers_of(_seen(fused, items, cells), None))
    return loop(items, over, failed, *functions)


def _seen(fused: Fused, items: Any, cells: Mapping[str, CellType]) -> list[int]:
    """The counters of a loop that is watched, as they are now."""
    if fused.counts_results:
        return [len(cells["out"].cell_contents or ())]
    first = [count_of(items)] if isinstance(items, enumerate) else [cells["n0"].cell_contents]
    return first + [cells[f"n{number}"].cell_contents for number in range(1, max(fused.counters) + 1)]


def count_of(items: enumerate[Any]) -> int:
    """How many items have come out of `enumerate(..., 1)`; it is asked for that from any thread.

    >>> items = enumerate("abc", 1)
    >>> next(items), count_of(items), next(items)
    ((1, 'a'), 1, (2, 'b'))
    """
    pickled: Any = items.__reduce__()  # what makes it anew, and of what: its items, and the next number
    return int(pickled[1][1]) - 1


def _number(index: int, fused: Fused, policies: Mapping[int, Policy], under_way: bool, counter: int) -> int:
    """How many items went into step `index`, if the counter for it stands at that: with one that it does not count yet.

    Between the counter and the step, some were skipped.
    """
    place = len(fused.counters) if fused.counts_results else fused.counters.index(fused.counters[index])
    between = sum(policy.skipped for at, policy in policies.items() if min(place, index) <= at < max(place, index))
    return counter + under_way + (between if place > index else -between)


def _guarded(kind: str, function: Callable[..., Any], lost: Lost) -> Callable[..., Any]:
    """A flat_map step as a function of the item and its counter whose failures are looked after; others as they are."""
    if not kind.endswith("flat_map"):
        return function

    def results(item: Any, counter: int) -> Iterator[Any]:
        try:
            yield from function(item)
        except Exception as error:
            yield from _handed_on(lost(error, item, counter), error)

    async def results_in_task(item: Any, counter: int) -> AsyncIterator[Any]:
        opened: list[Any] = []
        try:
            async for result in spread(function(item), opened):
                yield result
        except Exception as error:
            for failure in _handed_on(lost(error, item, counter), error):
                yield failure
        finally:
            await shut(opened)

    return results_in_task if "await" in kind else results


def _handed_on(lost: object | None, error: Exception) -> tuple[object, ...]:
    if lost is None:
        raise travelling(error)
    return () if lost is LEFT_OUT else (lost,)


def spread(made: Any, opened: list[Any]) -> AsyncIterator[Any]:
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


async def shut(opened: list[Any]) -> None:
    """Close what is open, the innermost first."""
    while opened:
        await opened.pop().aclose()


def compiled(lines: Sequence[str]) -> CodeType:
    """The code of the loop that `lines` define; a first line `def cells(...):` says which variables are in cells.

    >>> compiled(["def cells(n):", "def loop(items):", " nonlocal n", " for n in items: yield n"]).co_freevars
    ('n',)
    """
    first, *others = lines
    in_cells = first.startswith("def cells(")
    text = [first, *(f" {line}" for line in others)] if in_cells else lines
    code = compile("\n".join(text), "<headrace loop>", "exec")
    for _ in range(1 + in_cells):
        code = next(constant for constant in code.co_consts if isinstance(constant, CodeType))
    return code


@functools.lru_cache(maxsize=256)
def _fused(kinds: tuple[str, ...], collect: bool, in_task: bool, from_async: bool, watched: bool) -> Fused:
    text = _Text(kinds, collect, in_task, from_async, watched)
    for index, kind in enumerate(kinds):
        text.step(index, kind)
    return text.compiled()


TEXTS = {
    "map": "item = {f}(item)",
    "filter": "if not {f}(item): continue",
    "flat_map": "for item in {f}(item):",
    "await map": "item = await {f}(item)",
    "await filter": "if not await {f}(item): continue",
    "await flat_map": "async for item in spread({f}(item), opened):",
}
GUARDED = ("skip ", "catch ")


def _is_map(kind: str) -> bool:
    """Whether as many items come out as go in, but for those that are skipped."""
    return kind.split()[-1] == "map"


class _Text:
    """The text of a loop as it is written."""

    def __init__(self, kinds: Sequence[str], collect: bool, in_task: bool, from_async: bool, watched: bool) -> None:
        self.collect = collect
        self.counts_results = collect and all(map(_is_map, kinds))
        names = [f"n{index}" for index in range(1 + sum(not _is_map(kind) for kind in kinds))]
        self.seen = "(len(out), )" if self.counts_results else f"({''.join(f'{name}, ' for name in names)})"
        functions = [f"f{index}" for index in range(len(kinds))]
        asynchronous = "async " if in_task else ""
        self.lines = [f"{asynchronous}def loop({', '.join(['items', 'over', 'failed', *functions])}):"]
        cells = ["out"] if self.counts_results else names if from_async else names[1:]
        if watched and cells:
            self.lines = [f"def cells({', '.join(cells)}):", *self.lines, f" nonlocal {', '.join(cells)}"]
        if collect:
            self.lines += [" out = []"]
        self.shuts = any(kind.endswith("await flat_map") for kind in kinds)
        self.lines += [f" {' = '.join(names)} = 0", *([" opened = []"] if self.shuts else []), " try:"]
        if from_async:
            self.lines += ["  async for item in items:", "   n0 += 1"]
        elif self.counts_results:
            self.lines += ["  for item in items:"]
        else:
            self.lines += ["  for n0, item in items:"]
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
        if not kind.startswith(GUARDED):
            self._line(TEXTS[kind].format(f=f"f{index}"), index)
        elif kind.endswith("flat_map"):
            call = TEXTS[kind.partition(" ")[2]].replace("(item)", f"(item, n{self.counter})")
            self._line(call.format(f=f"f{index}"), index)
        else:
            self._guarded(index, *kind.split(" ", 1))
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
            self._call_maps("out.append(", ")")
        else:
            self.lines.append(f"{self.indent}yield (")  # on a line of its own: what is raised here is no step's
            self._call_maps("  ", ")")
        self.lines += [" except BaseException as error:", *(["  await shut(opened)"] if self.shuts else [])]
        self.lines += [f"  raise failed(error, {self.seen})", f" over({self.seen})"]
        if self.collect:
            self.lines.append(" return out")
        return Fused(compiled(self.lines), self.step_of_line, tuple(self.counters), self.counts_results)

    def _line(self, text: str, step: int) -> None:
        """A line on which that step may fail."""
        self.step_of_line[len(self.lines) + 1] = step
        self.lines.append(self.indent + text)

    def _guarded(self, index: int, policy: str, kind: str) -> None:
        """A call whose failures are looked after."""
        self.lines.append(f"{self.indent}try:")
        self._line(f" {TEXTS[kind].format(f=f'f{index}')}", index)
        self.lines.append(f"{self.indent}except Exception as error:")
        counter = "len(out)" if self.counts_results else f"n{self.counter}"
        self._line(f" lost = lost{index}(error, item, {counter})", index)
        self._line(" if lost is None: raise", index)
        self._line(" continue" if policy == "skip" else " item = lost", index)

    def _call_maps(self, before: str, after: str) -> None:
        """One expression, with a line for each call, the outermost first; just the item if there is none."""
        opening = before
        for index in reversed(self.maps):
            self._line(f"{opening}f{index}(", index)
            opening = "  "
        self.lines.append(f"{self.indent}{opening}item{')' * len(self.maps)}{after}")
        self.maps.clear()
