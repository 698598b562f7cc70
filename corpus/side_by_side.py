"""Uneven zips: streams of different length, put side by side.

`zip_streams` is strict, since streams that should have the same length and do not are an error. Where they may differ,
it is said how: with `fill=` there are as many pairs as the longer stream has items, and something stands for those that
are missing; with `strict=False` as many as the shorter one has, and an endless stream of numbers, or of seats, can be
one of them. Nothing more is asked of it then.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

from headrace import Stream, pipeline, step, zip_streams


@step
def lines(text: str) -> Iterator[str]:
    yield from text.splitlines()


@step
def row(left: str, right: str) -> str:
    return f"{left:32} {'|' if left == right else '*'} {right}".rstrip()


@pipeline
def side_by_side(old: str, new: str) -> Stream[str]:
    return zip_streams(lines(old), lines(new), fill="").starmap(row)


@step
def seats(rows: str) -> Iterator[str]:
    for number in count(1):
        for letter in rows:
            yield f"{number}{letter}"


@pipeline
def seated(guests: list[str]) -> Stream[tuple[str, str]]:
    return zip_streams(guests, seats("abc"), strict=False)


OLD = """\
the wheel turns
when the water runs
and the miller sleeps"""
NEW = """\
the wheel turns
when water runs
and the miller wakes
at noon"""

RUNS: dict[str, tuple[Any, ...]] = {
    "two versions": (side_by_side, OLD, NEW),
    "nothing on the right": (side_by_side, OLD, ""),
    "five guests": (seated, ["ann", "bob", "cy", "dora", "eve"]),
    "no guests": (seated, []),
}

if __name__ == "__main__":
    print(*side_by_side.iter(OLD, NEW), sep="\n")
    print(seated.run(["ann", "bob", "cy", "dora", "eve"]))
