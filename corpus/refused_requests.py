"""Calls that are refused are made again, when the server says: `retry=`, and a pause for all.

An exchange has daily rates. It answers no more than 1,000 requests a second, five at once, and now and then it
refuses one and says how long to wait. `Retry` makes that call again after this time, and as nobody else is welcome
either until then, what reads the answer also pauses the limit. The refused call keeps its place: the rates come in
the order of the days. A day that was never traded on is no matter of waiting; it fails at once, and is skipped.
"""

from datetime import date, timedelta
from typing import Any

from headrace import Limit, Retry, Stream, pipeline, resource, step, stream


class Response(Exception):
    """An answer that is no rate."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers


class Exchange:
    """Refuses to answer for the tenth of a month when it is first asked, and knows of no Sundays."""

    def __init__(self) -> None:
        self.asked: set[date] = set()

    async def rate(self, day: date) -> float:
        if day.weekday() == 6:
            raise Response(404, {})
        if day.day == 10 and day not in self.asked:
            self.asked.add(day)
            raise Response(429, {"Retry-After": "0.02"})
        return 1 + day.toordinal() * 7919 % 1000 / 10_000


api = Limit(rate="1000/s", concurrency=5, name="exchange")


def refused(error: Exception) -> bool:
    return isinstance(error, Response) and error.status == 429


def wait(error: Exception) -> float | None:
    if not isinstance(error, Response) or "Retry-After" not in error.headers:
        return None  # as long as Retry says
    seconds = float(error.headers["Retry-After"])
    api.pause(seconds)  # for everyone who has this limit
    return seconds


@step(limit=api, retry=Retry(on=refused, retry_after=wait), on_error="skip", max_in_flight=8)
async def traded(day: date, exchange: Exchange) -> tuple[date, float]:
    return day, await exchange.rate(day)


@step
def line(day: date, rate: float) -> str:
    return f"{day:%a %d %b} {rate:.4f}"


@pipeline
def rates(days: list[date]) -> Stream[str]:
    return stream(days).map(traded, resource(Exchange)).starmap(line)


DAYS = [date(2025, 2, 1) + timedelta(days=number) for number in range(45)]

RUNS: dict[str, tuple[Any, ...]] = {"rates": (rates, DAYS)}

if __name__ == "__main__":
    for text in rates.iter(DAYS):
        print(text)
