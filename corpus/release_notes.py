"""A paged API as a source: an async generator, and plain steps behind it.

Every project is asked for its releases page by page; the next page is asked for only when the releases of the
one before it have been taken. So `newest` ends the whole run by ending itself: the pages behind the last one
that it needs are never asked for. The steps behind the source are ordinary functions and generators.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any, NamedTuple

from headrace import Stream, pipeline, step, stream


class Release(NamedTuple):
    project: str
    version: str
    note: str


class Reply(NamedTuple):
    releases: list[Release]
    next_page: int | None


async def get(project: str, page: int) -> Reply:
    await asyncio.sleep(0.001)  # the service
    releases = [Release(project, f"{page}.{minor}", "fixes" if minor else "changes") for minor in (2, 1, 0)]
    return Reply(releases, page - 1 if page > 1 else None)


@step
async def replies(project: str, newest_page: int) -> AsyncIterator[Reply]:
    page: int | None = newest_page
    while page is not None:
        reply = await get(project, page)
        yield reply
        page = reply.next_page


def releases(reply: Reply) -> list[Release]:
    return reply.releases


def is_major(release: Release) -> bool:
    return release.version.endswith(".0")


@step
def newest(releases: Iterator[Release], count: int) -> Iterator[str]:
    for release in islice(releases, count):
        yield f"{release.project} {release.version}: {release.note}"


@pipeline
def notes(projects: list[str], pages: int, count: int) -> Stream[str]:
    found = stream(projects).flat_map(replies, pages).flat_map(releases)
    return newest(found.filter(is_major), count)


RUNS: dict[str, tuple[Any, ...]] = {
    "everything": (notes, ["millrace", "sluice"], 3, 100),
    "the first two": (notes, ["millrace", "sluice"], 1_000_000, 2),
    "the pages of one project": (replies, "sluice", 4),
}

if __name__ == "__main__":

    async def main() -> None:
        async with notes.aiter(["millrace", "sluice"], 1_000_000, 3) as lines:
            async for line in lines:
                print(line)

    asyncio.run(main())
