"""Generated crashes: runs are ended at any call, and any of the last results are lost; the last run is as if it were
the only one, and no kept result was made twice."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace import Checkpoint, Stream, pipeline, step, stream
from headrace.testing import RUNNERS, Runner

EXAMPLES = int(os.environ.get("HEADRACE_EXAMPLES", "300"))


class Crash(BaseException):
    """The process is gone: whatever is done after it counts for nothing."""


class Store:
    """Keeps results in memory. A crash takes up to `loses` of the last ones."""

    def __init__(self) -> None:
        self.results: dict[str, dict[bytes, bytes]] = {}
        self.earlier: dict[str, dict[bytes, bytes]] = {}
        self.order: list[tuple[str, bytes]] = []
        self.loses = 0

    def begin(self, pipeline: str) -> None:
        self.earlier = {name: dict(results) for name, results in self.results.items()}
        self.order = []

    def count(self, step: str) -> int:
        return len(self.earlier.get(step, ()))

    def get(self, step: str, key: bytes) -> bytes | None:
        return self.earlier.get(step, {}).get(key)

    def put(self, step: str, key: bytes, value: bytes) -> None:
        assert not step or key not in self.results.get(step, {})
        self.results.setdefault(step, {})[key] = value
        self.order.append((step, key))

    def flush(self) -> None: ...

    def end(self, failure: BaseException | None) -> None:
        lost = self.order[-self.loses :] if self.loses and isinstance(failure, Crash) else []
        for name, key in lost:
            self.results[name].pop(key, None)


class Calls:
    """Functions of a step that crash at one of their calls."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.made = Counter[int]()

    def square(self, number: int) -> int:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Crash
        self.made[number] += 1
        return number * number

    async def square_later(self, number: int) -> int:
        return self.square(number)

    def odd(self, number: int) -> bool:
        return bool(self.square(number) % 2)

    def each(self, number: int) -> Iterator[int]:
        yield from range(number)
        yield self.square(number)

    async def each_later(self, number: int) -> AsyncIterator[int]:
        for each in self.each(number):
            yield each


FORMS: dict[str, Callable[[Calls], tuple[str, Any, dict[str, Any]]]] = {
    "inline": lambda calls: ("map", calls.square, {}),
    "ahead": lambda calls: ("map", calls.square, {"max_in_flight": 3}),
    "threads": lambda calls: ("map", calls.square, {"max_in_flight": 3, "executor": "thread"}),
    "async": lambda calls: ("map", calls.square_later, {}),
    "async ahead": lambda calls: ("map", calls.square_later, {"max_in_flight": 3}),
    "filter": lambda calls: ("filter", calls.odd, {}),
    "generator": lambda calls: ("flat_map", calls.each, {}),
    "async generator": lambda calls: ("flat_map", calls.each_later, {}),
}
crashes = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), max_size=4)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=EXAMPLES // len(FORMS), deadline=None, suppress_health_check=list(HealthCheck))
@given(items=st.lists(st.integers(0, 4), max_size=10), crashes=crashes, runner=st.sampled_from(RUNNERS))
def test_resumed_run_comes_to_what_an_uninterrupted_one_comes_to(
    form: str, items: list[int], crashes: list[tuple[int, int]], runner: Runner
) -> None:
    calls, store = Calls(), Store()
    kind, function, options = FORMS[form](calls)
    kept: Any = step("kept", fn=function, checkpoint=True, **options)

    @pipeline
    def body(items: list[int]) -> Stream[int]:
        return getattr(stream(items), kind)(kept)  # type: ignore[no-any-return]

    expected = body.run(items)
    for calls.left, store.loses in crashes:
        try:
            assert runner.execute({"checkpoint": Checkpoint(store)}, body, items) == expected
        except Crash:
            pass
    calls.left = None
    there = sum(len(results) for name, results in store.results.items() if name)
    calls.made.clear()
    assert runner.execute({"checkpoint": Checkpoint(store)}, body, items) == expected
    assert calls.made.total() == len(items) - there
    assert not calls.made - Counter(items)
