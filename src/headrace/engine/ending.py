"""A generator step that ends where it fails, and does not fail the run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

__all__ = ["ending", "ending_in_task"]

Lost = Callable[[Exception], object]


def ending(
    open: Callable[[Mapping[str, Iterator[Any]]], Iterator[Any]], streams: Mapping[str, Iterator[Any]], lost: Lost
) -> Iterator[Any]:
    """The items of `open(streams)` up to its failure, which `lost` hears of. A failure of `streams` is not its own.

    >>> def numbers(streams):
    ...     yield 1
    ...     raise ValueError("no more")
    >>> list(ending(numbers, {}, print))
    no more
    [1]
    """
    not_its_own: list[Exception] = []

    def read(items: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from items
        except Exception as error:
            not_its_own.append(error)
            raise

    try:
        yield from open({name: read(items) for name, items in streams.items()})
    except Exception as error:
        if any(error is other for other in not_its_own):
            raise
        lost(error)


async def ending_in_task(
    open: Callable[[Mapping[str, AsyncIterator[Any]]], AsyncIterator[Any]],
    streams: Mapping[str, AsyncIterator[Any]],
    lost: Lost,
) -> AsyncIterator[Any]:
    """The same, of an async generator."""
    not_its_own: list[Exception] = []

    async def read(items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for item in items:
                yield item
        except Exception as error:
            not_its_own.append(error)
            raise

    reading = {name: read(items) for name, items in streams.items()}
    opened: list[Any] = [*reading.values()]
    try:
        opened.append(open(reading))
        async for item in opened[-1]:
            yield item
    except Exception as error:
        if any(error is other for other in not_its_own):
            raise
        lost(error)
    finally:
        for items in reversed(opened):
            if hasattr(items, "aclose"):
                await items.aclose()
