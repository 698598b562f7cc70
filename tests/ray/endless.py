"""A program that runs a pipeline without an end, until it is killed."""

import sys
from collections.abc import Iterator
from pathlib import Path

from headrace import RayRunner, step


@step(max_in_flight=8)
def endless() -> Iterator[int]:
    while True:
        yield 1


if __name__ == "__main__":
    for _ in RayRunner("local").iter(endless | step("same", fn=abs, max_in_flight=2)):
        Path(sys.argv[1]).touch()
