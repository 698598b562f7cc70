"""The per-item loop: consecutive per-item steps become one generator that calls one function after another.

Lives here: the text of that loop, and the reading of its line numbers. The loop is written out as Python source with
one line a step and compiled for each use, as `attrs` does for `__init__`: every call has its own place in the
bytecode, so the interpreter specialises it, and the line on which an exception came up is the step that failed. For
`map(a)`, `filter(b)`, `flat_map(c)` the text is:

    def loop(items, over, failed, f0, f1, f2):
     n0 = n1 = n2 = 0
     try:
      for item in items:
       n0 += 1
       item = f0(item)
       if not f1(item): continue
       n1 += 1
       for item in f2(item):
        n2 += 1
        yield item
     except BaseException as error:
      raise failed(error, (n0, n1, n2, ))
     over((n0, n1, n2, ))

A counter stands at the entrance and behind each `filter` and `flat_map`: all that lies between two counters saw the
same number of items.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any, NamedTuple, Protocol

__all__ = ["Fused", "Tally", "fuse"]

MAX_NESTED = 15  # Python allows 20 nested blocks, and every flat_map is one


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


def fuse(
    items: Iterable[Any], kinds: Sequence[str], functions: Sequence[Callable[..., Any]], tally: Tally
) -> Iterator[Any]:
    """A generator that sends each of `items` through `functions`; `kinds` are "map", "filter" or "flat_map".

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
    fused = _fused(tuple(kinds))
    loop = FunctionType(fused.code.replace(), {"BaseException": BaseException})

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
        numbers = numbers_of(counters, index)
        tally.counted(numbers)
        return error if index is None else tally.failed(error, index, numbers)

    result: Iterator[Any] = loop(items, over, failed, *functions)
    return result


@functools.lru_cache(maxsize=256)
def _fused(kinds: tuple[str, ...]) -> Fused:
    lines = [
        f"def loop({', '.join(['items', 'over', 'failed', *(f'f{i}' for i in range(len(kinds)))])}):",
        f" {' = '.join(f'n{i}' for i in range(1 + sum(kind != 'map' for kind in kinds)))} = 0",
        " try:",
        "  for item in items:",
        "   n0 += 1",
    ]
    indent, counter, counters, step_of_line = "   ", 0, [], {}
    for index, kind in enumerate(kinds):
        counters.append(counter)
        step_of_line[len(lines) + 1] = index
        if kind == "map":
            lines.append(f"{indent}item = f{index}(item)")
            continue
        counter += 1
        if kind == "filter":
            lines.append(f"{indent}if not f{index}(item): continue")
        else:
            lines.append(f"{indent}for item in f{index}(item):")
            indent += " "
        lines.append(f"{indent}n{counter} += 1")
    counters.append(counter)
    seen = f"({''.join(f'n{i}, ' for i in range(counter + 1))})"
    lines += [
        f"{indent}yield item",
        " except BaseException as error:",
        f"  raise failed(error, {seen})",
        f" over({seen})",
    ]
    module = compile("\n".join(lines), "<headrace loop>", "exec")
    code = next(constant for constant in module.co_consts if isinstance(constant, CodeType))
    return Fused(code, step_of_line, tuple(counters))
