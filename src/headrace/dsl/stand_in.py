"""What may stand in for a function, as fakes do in tests, and how it keeps the place of what it replaces."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from headrace.dsl.checkpoint import with_code
from headrace.errors import HintError
from headrace.graph.callee import Callee, read
from headrace.graph.hints import describe, item_of, iterates
from headrace.graph.options import Options

__all__ = ["key_of", "stand_in"]


def key_of(function: Callable[..., Any]) -> Any:
    """By what a function is found again: itself, or its identity where it cannot be hashed.

    >>> word = "word"
    >>> key_of(len) is len, key_of(word.upper) == key_of(word.upper)
    (True, True)
    """
    try:
        hash(function)
    except TypeError:
        return id(function)
    return function


def stand_in(
    fake: Callable[..., Any], callee: Callee, options: Options, *, per_item: bool
) -> tuple[Callee, Callable[..., Any], Options]:
    """What `fake` takes and gives in the place of `callee`, the function to call, and how it runs.

    A plain function that is called per item in the place of an async one is awaited like it, so that its calls overlap
    and are ordered as those were. Elsewhere it runs as the plain function that it is. In the place of one that runs in
    worker processes it runs in threads, so that a test sees what it does. A list may stand in for a stream.

    Raises: HintError: it gives one value in the place of a stream, or the other way round.
    """
    found = read(fake, callee.name)
    if per_item and callee.is_async and not found.is_async:
        found, fake = msgspec.structs.replace(found, is_async=True), _awaited(fake)
    if not per_item:
        found = _giving_as(callee, found)
    own = msgspec.structs.replace(
        options,
        executor=_executor(found, options),
        idempotent=False,
        timeout=options.timeout if found.is_async else None,
        version=None,
    )
    return found, fake, with_code(own, fake)


def _executor(found: Callee, options: Options) -> Literal["inline", "thread", "async"]:
    if found.is_async:
        return "async"
    if options.executor in ("thread", "process"):
        return "thread"
    return "inline"


def _awaited(fake: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fake, updated=())
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return fake(*args, **kwargs)

    return awaited


def _giving_as(callee: Callee, found: Callee) -> Callee:
    """`found`, which must give a stream where `callee` does, and only there."""
    if found.streams == callee.streams:
        return found
    if found.streams:
        raise HintError(f"{found}: stands in for {callee}, which gives one value, got a generator; give a list")
    if found.is_async or not iterates(found.returns):
        got = "an async function that gives one value" if found.is_async else describe(found.returns)
        raise HintError(f"{found}: stands in for {callee}, which gives a stream, got {got}; make it a generator")
    return msgspec.structs.replace(found, streams=True, result=item_of(found.returns))
