"""A crawl with httpx: the links of a site that lead nowhere.

Each level of the site is a run of its own, eight requests under way at once, and the crawl that starts these
runs is an async generator that owns what they need: the site, here served on this machine, and the client.
Both are closed when it ends. What comes after it is plain code.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from headrace import Stream, pipeline, step, stream


@dataclass(frozen=True)
class Page:
    path: str
    status: int
    links: list[str]


@step(max_in_flight=8)
async def fetch(path: str, client: httpx.AsyncClient) -> Page:
    answer = await client.get(path)
    return Page(path, answer.status_code, re.findall('href="([^"]+)"', answer.text))


@pipeline
def level(paths: list[str], client: httpx.AsyncClient) -> Stream[Page]:
    return stream(paths).map(fetch, client)


@step
async def crawl(site: dict[str, str]) -> AsyncIterator[Page]:
    seen, paths = {"/"}, ["/"]
    async with served(site) as address, httpx.AsyncClient(base_url=address, trust_env=False) as client:
        while paths:
            found = dict.fromkeys(paths)
            paths = []
            for page in await level.arun(list(found), client):
                yield page
                paths += [link for link in page.links if link not in seen]
                seen.update(page.links)


@asynccontextmanager
async def served(site: dict[str, str]) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        body = site.get(request.split()[1].decode())
        status = "404 Not Found" if body is None else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n{body or ''}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


@step
def dead(pages: Iterator[Page]) -> list[str]:
    inbound: Counter[str] = Counter()
    missing = []
    for page in pages:
        inbound.update(page.links)
        if page.status == 404:
            missing.append(page.path)
    return [f"{path}: linked to {inbound[path]} times" for path in missing]


dead_links = crawl | dead

CHAPTERS = [f"/chapters/{number}" for number in range(1, 21)]
SITE = {"/": "".join(f'<a href="{path}">' for path in CHAPTERS)}
SITE |= {path: f'<a href="/"> <a href="/notes/{number % 3}">' for number, path in enumerate(CHAPTERS)}
SITE |= {"/notes/0": "", "/notes/1": '<a href="/notes/3">'}
NO_SITE = httpx.AsyncClient(base_url="http://site", transport=httpx.MockTransport(lambda _: httpx.Response(404)))

RUNS: dict[str, tuple[Any, ...]] = {
    "a book": (dead_links, SITE),
    "its pages": (crawl, SITE),
    "an empty site": (dead_links, {}),
    "one level, without a site": (level, CHAPTERS, NO_SITE),
}

if __name__ == "__main__":
    print(*asyncio.run(dead_links.arun(SITE)), sep="\n")
