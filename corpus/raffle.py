"""A source without an end: `take` what is needed, and number it with `enumerate`.

Tickets are drawn until each prize has a winner. Nobody knows how many draws that takes, since a ticket that has won
goes back into the drum and is passed over when it comes up again. So `draws` never ends; `unwon` lets each ticket
through once, and `take` stops it all with the last prize: with that one in hand, no further ticket is drawn.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

from headrace import Stream, pipeline, step


@step
def draws(tickets: int, seed: int) -> Iterator[int]:
    random = Random(seed)
    while True:
        yield random.randint(1, tickets)


@step
def unwon(draws: Iterator[int]) -> Iterator[int]:
    won: set[int] = set()
    for ticket in draws:
        if ticket not in won:
            won.add(ticket)
            yield ticket


@pipeline
def winners(tickets: int, prizes: int, seed: int = 1) -> Stream[tuple[int, int]]:
    return unwon(draws(tickets, seed)).take(prizes).enumerate(1)


RUNS: dict[str, tuple[Any, ...]] = {
    "three prizes": (winners, 100, 3),
    "a prize for every ticket": (winners, 8, 8),
    "no prize": (winners, 100, 0),
}

if __name__ == "__main__":
    for place, ticket in winners.iter(100, 3):
        print(f"prize {place}: ticket {ticket}")
