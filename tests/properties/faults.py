"""What happens to runs from outside: their consumer leaves or fails, they are cancelled, interrupted, or too late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import aclosing, closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from hypothesis import strategies as st

from headrace.testing import ScriptedClock
from tests.properties.ways import leaving_no_task

__all__ = ["FAULT_WAYS", "SECONDS", "ConsumerFailed", "Fault", "Faulty", "Stopped", "faults"]

SECONDS = 1.0  # of scripted time, that async code waits now and then


class ConsumerFailed(Exception):
    """Whoever reads the items has failed."""


@dataclass(frozen=True)
class Fault:
    """What happens, and when: after so many items, when steps have done so much, or after so many seconds."""

    kind: Literal["leaves", "fails", "cancelled", "interrupted", "late"]
    at: int

    @property
    def items(self) -> int | None:
        """How many items the consumer takes, if it stops by itself."""
        return self.at if self.kind in ("leaves", "fails") else None


faults = st.one_of(
    st.builds(Fault, st.sampled_from(["leaves", "fails"]), st.integers(0, 6)),
    st.builds(Fault, st.sampled_from(["cancelled", "interrupted"]), st.integers(0, 60)),
    st.builds(Fault, st.just("late"), st.integers(0, 20)),
)


@dataclass(frozen=True)
class Stopped:
    """What came of a run that was stopped: the items until then, and what stopped it."""

    items: list[Any]
    error: type[BaseException]


class Faulty:
    """Runs to which a fault happens."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.begin()

    def begin(self) -> None:
        """Before each run."""
        self.happened = False
        self.may_be_late = False  # the run may be over before it hears of it
        self.got: list[Any] = []
        self.task: asyncio.Task[Any] | None = None
        self.thread = threading.get_ident()

    def at_moment(self, number: int) -> None:
        """A step is about to do something."""
        if number != self.fault.at:
            return
        if self.fault.kind == "interrupted":
            self.happened = True
            raise KeyboardInterrupt
        if self.fault.kind == "cancelled" and self.task is not None:
            self.happened = True
            if threading.get_ident() == self.thread:
                self.task.cancel()
            else:
                self.may_be_late = True
                self.task.get_loop().call_soon_threadsafe(self.task.cancel)

    def enough(self) -> bool:
        """Whether the consumer leaves now. Raises: ConsumerFailed: or that."""
        if len(self.got) != self.fault.items:
            return False
        self.happened = True
        if self.fault.kind == "fails":
            raise ConsumerFailed
        return True

    def came(self, way: Callable[..., Any], pipeline: Any, count: int) -> Any:
        """What comes of it: the result, the items until the consumer left, or what stopped it."""
        try:
            return way(self, pipeline, count)
        except (ConsumerFailed, KeyboardInterrupt, asyncio.CancelledError, TimeoutError) as error:
            return Stopped(self.got, type(error))


# -- ways to run -------------------------------------------------------------------------------------------


def run(faulty: Faulty, pipeline: Any, count: int) -> Any:
    return pipeline.run(count)


def iterate(faulty: Faulty, pipeline: Any, count: int) -> list[Any]:
    with closing(pipeline.iter(count)) as items:
        while not faulty.enough() and (item := next(items, END)) is not END:
            faulty.got.append(item)
    return faulty.got


async def arun(faulty: Faulty, pipeline: Any, count: int) -> Any:
    return await pipeline.arun(count)


async def iterate_async(faulty: Faulty, pipeline: Any, count: int) -> list[Any]:
    async with aclosing(pipeline.aiter(count)) as items:
        while not faulty.enough() and (item := await anext(items, END)) is not END:
            faulty.got.append(item)
    return faulty.got


def in_scripted_time(way: Callable[..., Coroutine[Any, Any, Any]], faulty: Faulty, pipeline: Any, count: int) -> Any:
    """That way, in the task of an event loop in which seconds take no time, and which may be cancelled or late."""

    async def main() -> Any:
        faulty.task = asyncio.current_task()
        async with asyncio.timeout((faulty.fault.at + 0.5) * SECONDS if faulty.fault.kind == "late" else None):
            return await way(faulty, pipeline, count)

    return ScriptedClock().run(leaving_no_task(main()))


END: Any = object()
FAULT_WAYS: dict[str, tuple[Callable[..., Any], bool, float]] = {  # each with whether it reads a stream, and how slow
    "run": (run, False, 0),
    "iter": (iterate, True, 0),
    "arun": (partial(in_scripted_time, arun), False, SECONDS),
    "aiter": (partial(in_scripted_time, iterate_async), True, SECONDS),
}
