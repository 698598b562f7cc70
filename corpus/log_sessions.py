"""Generators: each stage is an ordinary generator that sees the whole stream, lazily.

Visits in a web server's log. A generator keeps what it must remember between items in local variables; it
needs no class and no callback, and can be tested with a list. Nothing is held beyond the open visits, so the
same pipeline reads a log of any length, and `.iter()` gives the first visit before the last line is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headrace import step

IDLE = 30  # minutes without a request that end a visit


@dataclass(frozen=True)
class Request:
    minute: int
    visitor: str
    page: str


@dataclass(frozen=True)
class Visit:
    visitor: str
    pages: tuple[str, ...]


@step
def log_lines(text: str) -> Iterator[str]:
    yield from text.splitlines()


@step
def requests(lines: Iterator[str]) -> Iterator[Request]:
    for line in lines:
        if line and not line.startswith("#"):
            minute, visitor, page = line.split()
            yield Request(int(minute), visitor, page)


@step
def visits(requests: Iterator[Request]) -> Iterator[Visit]:
    open_visits: dict[str, list[Request]] = {}
    for request in requests:
        pages = open_visits.get(request.visitor, [])
        if pages and request.minute - pages[-1].minute > IDLE:
            yield visit(open_visits.pop(request.visitor))
        open_visits.setdefault(request.visitor, []).append(request)
    yield from map(visit, open_visits.values())


def visit(requests: list[Request]) -> Visit:
    return Visit(requests[0].visitor, tuple(request.page for request in requests))


read_visits = log_lines | requests | visits

LOG = """\
# minute visitor page
0 ann /
2 bob /docs
3 ann /docs
70 ann /
71 bob /blog
75 ann /blog
"""

RUNS: dict[str, tuple[Any, ...]] = {"a morning": (read_visits, LOG)}

if __name__ == "__main__":
    for each in read_visits.iter(LOG):
        print(each.visitor, " -> ".join(each.pages))
