"""A slow head of the line: `max_in_flight` larger than `concurrency`.

A book is put together from its parts, in order, two being typeset at a time. The first part is the table of
contents, which is ready last: it needs the number of pages of every chapter. With `concurrency=2` alone there
would be room for one chapter beside it, and everything would stop; with `max_in_flight=12` eleven chapters that
are done can wait for it, while never more than two calls are running.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from headrace import pipeline, step


@dataclass
class Desk:
    """Where the typesetters leave the page counts."""

    chapters: list[str]
    pages: dict[str, int] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    at_work: int = 0
    most_at_work: int = 0


@step
def desk(chapters: list[str]) -> Desk:
    return Desk(chapters)


@step
def parts(chapters: list[str]) -> Iterator[str]:
    yield "Contents"
    yield from chapters


@step(max_in_flight=12, concurrency=2)
async def typeset(part: str, desk: Desk) -> str:
    desk.at_work += 1
    desk.most_at_work = max(desk.at_work, desk.most_at_work)
    try:
        if part == "Contents":
            await desk.complete.wait()
            return ", ".join(f"{chapter} {desk.pages[chapter]}" for chapter in desk.chapters)
        await asyncio.sleep(0)
        desk.pages[part] = 5 + len(part)
        if len(desk.pages) == len(desk.chapters):
            desk.complete.set()
        return f"{part}, {desk.pages[part]} pages"
    finally:
        desk.at_work -= 1


@step
def colophon(desk: Desk, parts: list[str]) -> str:
    return f"{len(parts)} parts, typeset by {desk.most_at_work}"


@pipeline
def book(chapters: list[str]) -> tuple[list[str], str]:
    table = desk(chapters)
    done = parts(chapters).map(typeset, table).collect()
    return done, colophon(table, done)


CHAPTERS = ["Water", "Wheels", "Gears", "Millstones", "Grain", "Dust", "Floods", "Frost", "Millers", "Law", "Ruins"]

RUNS: dict[str, tuple[Any, ...]] = {"eleven chapters": (book, CHAPTERS), "one chapter": (book, CHAPTERS[:1])}

if __name__ == "__main__":
    print(*asyncio.run(book.arun(CHAPTERS)), sep="\n")
