"""Merging: several sources become one stream.

Requests from the logs of three web servers, counted as one. `merge` gives what there is: it does not wait for one
server while another has a line, keeps the order within each, and lets those that have one take turns. So a long log
does not hold up the short ones, and the first alarm is there before any of the logs has been read to its end.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from headrace import Stream, merge, pipeline, step

SERVER_LOGS = {
    "ada": "/ 200\n/docs 200\n/search 500\n/docs 200\n/search 500\n",
    "bea": "/ 200\n/blog 404\n",
    "cem": "/search 503\n/ 200\n/docs 304\n",
}


class Request(NamedTuple):
    server: str
    page: str
    status: int


@step
def requests(logs: dict[str, str], server: str) -> Iterator[Request]:
    for line in logs[server].splitlines():
        page, status = line.split()
        yield Request(server, page, int(status))


@step
def by_page(requests: Iterator[Request]) -> list[tuple[str, int]]:
    return Counter(request.page for request in requests).most_common()


def failed(request: Request) -> bool:
    return request.status >= 500


@pipeline
def alarms(logs: dict[str, str]) -> Stream[Request]:
    return merge(*(requests(logs, server) for server in SERVER_LOGS)).filter(failed)


@pipeline
def traffic(logs: dict[str, str]) -> tuple[list[tuple[str, int]], list[Request]]:
    ada, bea, cem = (requests(logs, server) for server in SERVER_LOGS)
    everything = merge(ada, bea, cem)  # read by two: counted, and looked through for what is missing
    missing = merge(everything.filter(lambda request: request.status == 404), cem.filter(failed))
    return by_page(everything), missing.collect()


RUNS: dict[str, tuple[Any, ...]] = {
    "alarms": (alarms, SERVER_LOGS),
    "traffic": (traffic, SERVER_LOGS),
    "nothing happens": (alarms, dict.fromkeys(SERVER_LOGS, "")),
}

if __name__ == "__main__":
    for alarm in alarms.iter(SERVER_LOGS):
        print(alarm.server, alarm.page, alarm.status)
    print(traffic.run(SERVER_LOGS))
