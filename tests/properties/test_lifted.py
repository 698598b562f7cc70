"""Generated sub-pipelines: mapped over a stream, each gives what it gives when it is run item by item."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from headrace import BuildError, DeadlockError, Stream, pipeline, step, stream, zip_streams
from tests.properties.ways import WAYS

EXAMPLES = int(os.environ.get("HEADRACE_EXAMPLES", "300"))


def plus(left: int, right: int) -> int:
    return left + right


async def minus(left: int, right: int) -> int:
    return left - right


def double(number: int) -> int:
    return number * 2


def seven() -> int:
    return 7


def below(number: int) -> Iterator[int]:
    yield from range(abs(number) % 4)


async def above(number: int) -> AsyncIterator[int]:
    for more in range(abs(number) % 3):
        yield number + more


def distinct(numbers: Iterator[int]) -> Iterator[int]:
    yield from dict.fromkeys(numbers)


def total(numbers: list[int]) -> int:
    return sum(numbers)


async def count(numbers: AsyncIterator[int]) -> int:
    return len([number async for number in numbers])


def even(number: int) -> bool:
    return number % 2 == 0


OPS: dict[str, tuple[str, Callable[..., Any]]] = {  # what each takes, v for a value and s for a stream, and does
    "plus": ("vv", step(plus)),
    "minus": ("vv", step(minus)),
    "double": ("v", step(double)),
    "seven": ("", step(seven)),
    "below": ("v", step("below", fn=below, max_in_flight=4)),  # all there is: what would lock up with less does not
    "above": ("v", step(above)),
    "distinct": ("s", step(distinct)),
    "total": ("s", lambda items: step(total)(items.collect())),
    "count": ("s", step(count)),
    "doubles": ("s", lambda items: items.map(double)),
    "with a value": ("sv", lambda items, value: items.map(plus, value)),
    "evens": ("s", lambda items: items.filter(even)),
    "many": ("s", lambda items: items.flat_map(below)),
    "few": ("s", lambda items: items.take(2)),
    "zipped": ("ss", lambda left, right: zip_streams(left, right, fill=0).starmap(plus)),
    "again": ("s", lambda items: stream(items.collect())),
}
bodies = st.lists(st.tuples(st.sampled_from(sorted(OPS)), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=7)
numbers = st.lists(st.integers(-3, 9), max_size=4)


def body_of(ops: list[tuple[str, int, int]]) -> Any:
    """A pipeline of one item, and a number that is the same for all."""

    def body(item: int, extra: int) -> Any:
        made: dict[str, list[Any]] = {"v": [item, extra], "s": []}
        last = None
        for name, *places in ops:
            wanted, do = OPS[name]
            if all(made[kind] for kind in wanted):
                last = do(*(made[kind][place % len(made[kind])] for kind, place in zip(wanted, places, strict=False)))
                made["s" if isinstance(last, Stream) else "v"].append(last)
        return last

    return pipeline(body)


@settings(max_examples=max(1, EXAMPLES // 3), deadline=None, suppress_health_check=list(HealthCheck))
@given(ops=bodies, items=numbers, extra=st.integers(0, 3))
def test_lifted_pipeline_gives_what_it_gives_item_by_item(
    ops: list[tuple[str, int, int]], items: list[int], extra: int
) -> None:
    try:
        sub = body_of(ops)
        expected = [sub.run(item, extra) for item in items]
    except (BuildError, DeadlockError):  # wrong by itself
        assume(False)
    flat = sub.dag.returns == "stream"

    @pipeline
    def lifted(count: int) -> Any:
        found = stream(items)
        return found.flat_map(sub, count) if flat else found.map(sub, count)

    wanted = [item for result in expected for item in result] if flat else expected
    for name, way in WAYS.items():
        assert way(lifted, extra, []) == wanted, name
