"""A deadlock, told at once.

`compared` reads all new entries before it looks at an old one, but both come from one source, which may not
run ahead for the one branch while nothing is taken from the other. The bound would have to be broken, or
everybody waits forever; headrace knows the moment when nobody can go on, and raises `DeadlockError` with
what waits for what and a way out. Room for all items in flight is one (`roomy`); reading both branches at
the same pace is the better one (`paired`).
"""

from collections.abc import Iterator
from typing import Any

from headrace import DeadlockError, Stream, pipeline, step, zip_streams


@step
def entries(count: int) -> Iterator[int]:
    yield from range(1, count + 1)


def revised(entry: int) -> int:
    return entry * 10


@step
def compared(new: Iterator[int], old: Iterator[int]) -> list[tuple[int, int]]:
    return list(zip(list(new), old, strict=True))


@pipeline
def locked(count: int) -> list[tuple[int, int]]:
    found = entries(count)
    return compared(found.map(revised), found)


@pipeline
def roomy(count: int) -> list[tuple[int, int]]:
    found = entries.options(max_in_flight=5)(count)
    return compared(found.map(revised), found)


@pipeline
def paired(count: int) -> Stream[tuple[int, int]]:
    found = entries(count)
    return zip_streams(found.map(revised), found)


RUNS: dict[str, tuple[Any, ...]] = {
    "locked": (locked, 3),
    "room for all": (roomy, 3),
    "at the same pace": (paired, 3),
}

if __name__ == "__main__":
    try:
        locked.run(3)
    except DeadlockError as error:
        print("DeadlockError:", error)
    print(paired.run(3))
