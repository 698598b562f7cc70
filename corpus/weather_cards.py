"""Branches of every kind that come together again: async, in threads, and plain.

Each harbour's weather comes from an async client, its tide from a library that blocks, and its name is made by
a plain function; four calls of each may be under way. `zip_streams` puts together what belongs together. How a
step runs is said where the step is defined; the pipeline says only what follows what.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headrace import Stream, pipeline, step, zip_streams


@dataclass(frozen=True)
class Card:
    title: str
    degrees: int
    high_water: str


@step(max_in_flight=4)
def harbours(text: str) -> Iterator[str]:
    yield from text.split()


@step(max_in_flight=4)
async def degrees(harbour: str) -> int:
    await asyncio.sleep(0.001)  # a weather service
    return sum(harbour.encode()) % 30 - 5


@step(executor="thread", max_in_flight=4)
def high_water(harbour: str) -> str:
    time.sleep(0.001)  # a table of tides, with a library that blocks
    return f"{len(harbour) * 7 % 24:02}:{sum(harbour.encode()) % 60:02}"


@step
def title(harbour: str) -> str:
    return harbour.title()


@step
async def published(card: Card) -> str:
    await asyncio.sleep(0)
    return f"{card.title}: {card.degrees} degrees, high water at {card.high_water}"


@pipeline
def cards(text: str) -> Stream[Card]:
    found = harbours(text)
    return zip_streams(found.map(title), found.map(degrees), found.map(high_water)).starmap(Card)


posts = cards | published

HARBOURS = "aberdeen brest cork dublin emden falmouth galway"

RUNS: dict[str, tuple[Any, ...]] = {
    "seven harbours": (posts, HARBOURS),
    "their cards": (cards, HARBOURS),
    "one harbour": (posts, "helsinki"),
}

if __name__ == "__main__":
    print(*posts.iter(HARBOURS), sep="\n")
