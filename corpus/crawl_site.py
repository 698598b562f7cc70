"""A crawl over HTTP: the pages of a site, found by following links.

The standard library's folder is served on this machine, by a server that takes 5 ms to answer, and is
crawled twice: with one request in flight, and with thirty. A crawl is a loop (pages give links, and links
give pages), which a pipeline is not; so each level of the site is one run over the pages that the level
before it linked to. A step may start a run, and so the whole crawl is a source like any other.
"""

import re
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urljoin

from headrace import Pipeline, Stream, pipeline, step, stream

LIBRARY = Path(sysconfig.get_paths()["stdlib"])
LINK = re.compile(r'href="((?!__pycache__|dist-packages|site-packages)[^"]+(?:/|\.py))"')

Get = Callable[[str], tuple[int, bytes]]  # from a path to the status and the body


@dataclass(frozen=True)
class Page:
    path: str
    status: int
    size: int
    links: tuple[str, ...]


@step(executor="thread")
def fetch(path: str, get: Get) -> Page:
    status, body = get(path)
    if not path.endswith("/"):
        return Page(path, status, len(body), ())
    links = LINK.findall(body.decode())
    return Page(path, status, 0, tuple(urljoin(path, link) for link in links))  # a listing has no size of its own


def level_of(in_flight: int) -> Pipeline[[list[str], Get], Stream[Page]]:
    """A pipeline that fetches pages, with so many requests in flight."""

    @pipeline
    def level(paths: list[str], get: Get) -> Stream[Page]:
        return stream(paths).map(fetch.options(max_in_flight=in_flight), get)

    return level


@step
def crawl(folder: Path, in_flight: int, limit: int) -> Iterator[Page]:
    level = level_of(in_flight)
    seen, frontier = {"/"}, ["/"]
    with served(folder) as get:
        while frontier:
            pages = level.run(frontier, get)
            yield from pages
            links = dict.fromkeys(link for page in pages for link in page.links if link not in seen)
            frontier = list(links)[: limit - len(seen)]
            seen.update(frontier)


class Site(ThreadingHTTPServer):
    request_queue_size = 64


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(0.005)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[Get]:
    """The folder as a site on this machine, and how to get its pages."""
    with Site(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as site:
        Thread(target=site.serve_forever, args=(0.01,)).start()
        try:
            yield partial(get_from, site.server_port)
        finally:
            site.shutdown()


def get_from(port: int, path: str) -> tuple[int, bytes]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def summary(in_flight: int, pages: Iterable[Page], seconds: float) -> str:
    pages = list(pages)
    broken = sum(page.status != 200 for page in pages)
    size = sum(page.size for page in pages)
    return f"{in_flight:9}{len(pages):9,}{broken:9}{size:15,}{seconds:10.2f}"


SMALL = Path(__file__).parent / "data" / "library"
LISTING = (200, b'<a href="a.py">a.py</a> <a href="more/">more/</a> <a href="__pycache__/">__pycache__/</a>')
SITE = {"/": LISTING, "/a.py": (200, b"import b\n"), "/more/": LISTING, "/more/a.py": (404, b"")}

RUNS: dict[str, tuple[Any, ...]] = {
    "one level, two in flight": (level_of(2), list(SITE), SITE.__getitem__),
    "a small site, one in flight": (crawl, SMALL, 1, 100),
    "a small site, thirty in flight": (crawl, SMALL, 30, 100),
    "only four pages": (crawl, SMALL, 30, 4),
}

if __name__ == "__main__":
    print("in flight    pages   broken          bytes   seconds")
    for in_flight in (1, 30):
        start = time.perf_counter()
        pages = crawl.run(LIBRARY, in_flight, 1000)
        print(summary(in_flight, pages, time.perf_counter() - start))
