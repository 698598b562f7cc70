"""Calls that wait for each other: builds of packages, each when those that it needs are there.

All builds are under way at once and come out as they are done, so their order is an order in which the
packages can be installed. Each build waits for the events of the packages that it needs. The events come from
a step: every run has its own. `max_in_flight` must hold all that may have to wait for one that is listed
later; with fewer, no new build would begin until one is done.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from headrace import Stream, pipeline, step

Needs = dict[str, list[str]]
Events = dict[str, asyncio.Event]


@step
def names(needs: Needs) -> Iterator[str]:
    yield from needs


@step
def not_yet_built(needs: Needs) -> Events:
    return {name: asyncio.Event() for name in needs}


@step(max_in_flight=20, ordered=False)
async def build(name: str, needs: Needs, built: Events) -> str:
    for needed in needs[name]:
        await built[needed].wait()
    await asyncio.sleep(0.001)  # the compiler
    built[name].set()
    return name


@step
def numbered(names: Iterator[str]) -> Iterator[str]:
    for number, name in enumerate(names, 1):
        yield f"{number}. {name}"


@pipeline
def installed(needs: Needs) -> Stream[str]:
    return numbered(names(needs).map(build, needs, not_yet_built(needs)))


NEEDS = {
    "mill": ["wheel", "stones"],
    "stones": ["shaft"],
    "wheel": ["water", "stones"],
    "shaft": ["water"],
    "water": [],
}

RUNS: dict[str, tuple[Any, ...]] = {
    "a mill": (installed, NEEDS),
    "two packages": (installed, {"paddle": ["wood"], "wood": []}),
    "one that is not there": (installed, {"paddle": ["wood"]}),
}

if __name__ == "__main__":
    print(*installed.iter(NEEDS), sep="\n")
