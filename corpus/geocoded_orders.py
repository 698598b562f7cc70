"""Enrichment over an API: thirty requests under way, and a plain parser behind them.

Each order is looked up in a service that needs its time, so `max_in_flight=30` calls wait for it at once, and
no thread is needed for that. The parser is an ordinary function that gets one answer after the other, in the
order of the orders. `arun` runs it all in the event loop of a larger program; `run` does the same without one.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from headrace import step


class Order(NamedTuple):
    number: int
    postcode: str


class Place(NamedTuple):
    order: int
    town: str
    kilometres: int


@step
def orders(text: str) -> Iterator[Order]:
    for line in text.splitlines():
        number, postcode = line.split()
        yield Order(int(number), postcode)


@step(max_in_flight=30)
async def located(order: Order) -> str:
    await asyncio.sleep(0.001)  # the service
    town = {"1": "Aldham", "2": "Birch", "3": "Colne"}.get(order.postcode[0])
    return json.dumps({"order": order.number, "town": town, "km": int(order.postcode) % 90})


@step
def parsed(answer: str) -> Place:
    fields = json.loads(answer)
    return Place(fields["order"], fields["town"] or "unknown", fields["km"])


@step
def by_town(places: Iterator[Place]) -> dict[str, int]:
    furthest: dict[str, int] = {}
    for place in places:
        furthest[place.town] = max(place.kilometres, furthest.get(place.town, 0))
    return furthest


places = orders | located | parsed
furthest = places | by_town

ORDERS = "\n".join(f"{number} {number * 7919 % 4 + 1}{number * 31 % 1000:03}" for number in range(100, 150))

RUNS: dict[str, tuple[Any, ...]] = {
    "fifty orders": (furthest, ORDERS),
    "fewer than thirty": (places, "1 1004\n2 9071\n3 3333"),
    "a broken line": (places, ORDERS + "\n150"),
}

if __name__ == "__main__":
    for town, kilometres in asyncio.run(furthest.arun(ORDERS)).items():
        print(f"{town:10}{kilometres:4} km")
