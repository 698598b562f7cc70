"""Several reports from one pass: `collect(into)` with what Python has already.

Each line of a web server's log is parsed once, and every report reads what was parsed: how requests ended, which pages
failed, who asked how often, and how long the slowest took. A report is one line: pick something of each request, and
collect it in a `Counter`, a `set`, with `heapq`, or with whatever else takes an iterator. The requests themselves are
held nowhere.
"""

import heapq
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from headrace import pipeline, step

LINE = re.compile(r'(\S+) \S+ \S+ \[.+?\] "\S+ (\S+) \S+" (\d+) (\d+) (\d+)')


class Request(NamedTuple):
    visitor: str
    page: str
    status: int
    size: int
    milliseconds: int


@step
def lines(file: Path) -> Iterator[str]:
    with open(file, encoding="utf-8") as log:
        yield from log


@step
def request(line: str) -> Request:
    found = LINE.match(line)
    assert found, line
    visitor, page, *numbers = found.groups()
    return Request(visitor, page, *map(int, numbers))


def failed(request: Request) -> bool:
    return request.status >= 400


@pipeline
def report(file: Path) -> tuple[Counter[int], set[str], Counter[str], list[int]]:
    requests = lines(file).map(request)
    return (
        requests.map(lambda one: one.status).collect(Counter),
        requests.filter(failed).map(lambda one: one.page).collect(set),
        requests.map(lambda one: one.visitor).collect(Counter),
        requests.map(lambda one: one.milliseconds).collect(partial(heapq.nlargest, 3)),
    )


LOG = Path(__file__).parent / "data" / "access.log"

RUNS: dict[str, tuple[Any, ...]] = {"a quarter of an hour": (report, LOG)}

if __name__ == "__main__":
    statuses, failing, visitors, slowest = report.run(LOG)
    print(f"{sum(statuses.values())} requests, of which {statuses[200]} went well")
    print(f"failing pages: {', '.join(sorted(failing))}")
    print(f"most requests: {visitors.most_common(2)}")
    print(f"slowest: {slowest} ms")
