"""Wiring by name: no body at all.

The cards of `weather_cards.py` once more. Each parameter of a step is named after the step or the parameter that it
takes, and its hint says how: `harbour: str` is one of `harbours`, so those steps are called per item; `Card` takes one
title, one number of degrees and one time of each harbour, so the three streams are zipped. What comes of it is the same
graph as that of the body that is written there, node by node.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from headrace import pipeline, step


@dataclass(frozen=True)
class Card:
    title: str
    degrees: int
    high_water: str


class Params(NamedTuple):
    text: str


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


cards = pipeline("cards", steps=[harbours, title, degrees, high_water, Card], params=Params)

HARBOURS = "aberdeen brest cork dublin emden falmouth galway"

RUNS: dict[str, tuple[Any, ...]] = {
    "seven harbours": (cards, HARBOURS),
    "params in one": (cards, Params("helsinki")),
}

if __name__ == "__main__":
    for card in cards.iter(HARBOURS):
        print(f"{card.title}: {card.degrees} degrees, high water at {card.high_water}")
