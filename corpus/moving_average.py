"""A diamond: a stream beside something that is computed from it, joined again item by item.

Daily prices next to their moving average, and the days that stray from it. `zip_streams` takes one item from
each of its streams. It is strict: were `smoothed` to give fewer items than `prices`, the run would end with
an error that names both, and not with silently shifted pairs.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from headrace import Stream, pipeline, step, stream, zip_streams


@step
def smoothed(prices: Iterator[int], days: int) -> Iterator[float]:
    window: deque[int] = deque(maxlen=days)
    for price in prices:
        window.append(price)
        yield sum(window) / len(window)


@step
def deviation(price: int, average: float) -> float:
    return round(price - average, 2)


@pipeline
def deviations(prices: list[int], days: int) -> Stream[float]:
    daily = stream(prices)
    return zip_streams(daily, smoothed(daily, days)).starmap(deviation)


PRICES = [100, 102, 101, 99, 110, 108, 104]

RUNS: dict[str, tuple[Any, ...]] = {
    "three days": (deviations, PRICES, 3),
    "one day": (deviations, PRICES, 1),
}

if __name__ == "__main__":
    for price, off in zip(PRICES, deviations.run(PRICES, 3), strict=True):
        print(f"{price:5}{off:+8.2f}")
