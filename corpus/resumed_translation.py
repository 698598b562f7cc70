"""A run that fails in the middle, and goes on the next day.

Translating a paragraph costs money, and the service stops in the middle of the book: the quota of the day is used up.
Each paragraph that was translated is kept in a file, so that the same run, the next day, pays only for the rest. A
refrain that comes twice is paid for twice, but each time only once. `two_days` says what was paid for, day by day.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headrace import Stream, SyncRunner, pipeline, step


class QuotaUsedUp(Exception):
    """No more for today."""


class Service:
    """Translates so many paragraphs a day, and keeps a bill."""

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self.bill: list[str] = []

    def translate(self, paragraph: str) -> str:
        if len(self.bill) == self.quota:
            raise QuotaUsedUp(paragraph)
        self.bill.append(paragraph)
        return paragraph.swapcase()


@step
def paragraphs(book: str) -> Iterator[str]:
    yield from book.split("\n")


@step(checkpoint=True, unkeyed="service")  # another day's service gives the same results
def translated(paragraph: str, service: Service) -> str:
    return service.translate(paragraph)


@step
def numbered(paragraphs: Iterator[str]) -> Iterator[str]:
    for number, paragraph in enumerate(paragraphs, 1):
        yield f"{number}. {paragraph}"


@pipeline
def translation(book: str, service: Service) -> Stream[str]:
    return numbered(paragraphs(book).map(translated, service))


@step
def two_days(book: str, quota: int) -> list[str]:
    said: list[str] = []
    with TemporaryDirectory() as folder:
        runner = SyncRunner(checkpoint=Path(folder) / "translation.db")
        for day in (1, 2):
            service = Service(quota)
            try:
                result = runner.execute(translation, book, service).result
                said += [f"day {day}: {len(result)} paragraphs, ending in '{result[-1]}'"]
            except QuotaUsedUp as error:
                said += [f"day {day}: used up at '{error}'"]
            said += [f"day {day}: paid for '{paragraph}'" for paragraph in service.bill]
    return said


BOOK = "Row, row, row your boat\nMerrily, merrily\nGently down the stream\nMerrily, merrily\nLife is but a dream"

RUNS: dict[str, tuple[Any, ...]] = {
    "in one day": (translation, BOOK, Service(1000)),
    "in two days": (two_days, BOOK, 3),
}

if __name__ == "__main__":
    print(*two_days.run(BOOK, 3), sep="\n")
