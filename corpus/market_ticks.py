"""An async producer with two consumers, one plain and one async.

Prices come from a feed, an async generator that may be three ticks ahead. One consumer makes candles of them,
in a plain generator; the other looks up who traded, in an async step with two requests under way. Both see
every tick. The feed is asked for the next one when both have room, so the slower one sets the pace.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

from headrace import pipeline, step


class Tick(NamedTuple):
    second: int
    cents: int


class Candle(NamedTuple):
    minute: int
    low: int
    high: int
    last: int


@step(max_in_flight=3)
async def ticks(count: int) -> AsyncIterator[Tick]:
    for number in range(count):
        await asyncio.sleep(0)  # the feed
        yield Tick(number * 20, 500 + number * 37 % 53)


@step
def candles(ticks: Iterator[Tick]) -> Iterator[Candle]:
    candle: Candle | None = None
    for second, cents in ticks:
        minute = second // 60
        if candle is None or candle.minute != minute:
            if candle is not None:
                yield candle
            candle = Candle(minute, cents, cents, cents)
        candle = Candle(minute, min(candle.low, cents), max(candle.high, cents), cents)
    if candle is not None:
        yield candle


@step(max_in_flight=2)
async def trader(tick: Tick) -> str:
    await asyncio.sleep(0.001)  # the register of trades
    return ("Ada", "Bea", "Cem")[tick.cents % 3]


@step
def ranking(traders: Iterator[str]) -> list[tuple[str, int]]:
    trades: dict[str, int] = {}
    for name in traders:
        trades[name] = trades.get(name, 0) + 1
    return sorted(trades.items(), key=lambda item: -item[1])


@pipeline
def session(count: int) -> tuple[list[Candle], list[tuple[str, int]]]:
    feed = ticks(count)
    return candles(feed).collect(), ranking(feed.map(trader))


RUNS: dict[str, tuple[Any, ...]] = {"twelve ticks": (session, 12), "one tick": (session, 1), "none": (session, 0)}

if __name__ == "__main__":
    candles_seen, traders_seen = asyncio.run(session.arun(12))
    print(*candles_seen, sep="\n")
    print(traders_seen)
