"""The bound on Ray, as the code of the steps sees it: each appends a sign to one file, in whatever process it runs."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from headrace import RayRunner, pipeline, step, zip_streams

ITEMS = 20_000


@functools.cache
def _file(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def said(path: str, sign: bytes) -> None:
    """Append one sign: the system keeps the order in which all processes do."""
    os.write(_file(path), sign)


def highest(path: str, up: str, down: str) -> int:
    """The most that was in flight: up before an item is made, down when it is received."""
    text = Path(path).read_bytes().decode()
    return max(accumulate((sign == up) - (sign == down) for sign in text))


def source(count: int, log: str) -> Iterator[int]:
    for number in range(count):
        said(log, b"a")
        yield number


def through(number: int, log: str) -> int:
    said(log, b"b")
    return number


def received(number: int, log: str) -> int:
    said(log, b"c")
    return number


@pytest.mark.parametrize("bound", [1, 8, 64])
def test_bound_holds_for_twenty_thousand_items(runner: RayRunner, log: str, bound: int) -> None:
    made = step("made", fn=source, max_in_flight=bound)
    middle = step("middle", fn=through, max_in_flight=bound)

    @pipeline
    def line(count: int, log: str) -> int:
        items = made(count, log)
        return items.map(middle, log).map(received, log).collect(lambda found: sum(1 for _ in found))

    apart = RayRunner(options={"middle": {"num_cpus": 0.01}})  # three actors, whatever the bound
    assert apart.execute(line, ITEMS, log).result == ITEMS
    assert highest(log, "a", "b") == bound
    assert highest(log, "b", "c") == bound


@pytest.mark.parametrize("bound", [1, 8])
def test_each_branch_of_a_fan_out_has_its_own_bound(runner: RayRunner, log: str, bound: int) -> None:
    made = step("made", fn=source, max_in_flight=bound)

    @step
    def left(items: Iterator[int], log: str) -> Iterator[int]:
        for item in items:
            said(log, b"b")
            yield item

    @step(max_in_flight=bound)
    def right(number: int, log: str) -> int:
        said(log, b"c")
        return -number

    @pipeline
    def diamond(count: int, log: str) -> list[Any]:
        items = made(count, log)
        return zip_streams(left(items, log), items.map(right, log)).collect()

    assert runner.execute(diamond, 2000, log).result == [(number, -number) for number in range(2000)]
    assert highest(log, "a", "b") == bound
    assert highest(log, "a", "c") == bound
