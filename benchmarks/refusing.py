"""10,000 calls of an API that refuses one request in twenty, as `python -m benchmarks.run --case "refused calls"` does.

A server on this machine answers each twentieth request with status 429 and `Retry-After: 1`. All calls must come to
their results, in order, at the rate that their limit says, as the server sees it; and memory must not grow with their
number.
"""

from __future__ import annotations

import asyncio
import threading
from array import array
from collections.abc import Iterator
from typing import NamedTuple, Self

from benchmarks.case import Case, Contender
from headrace import Limit, Retry, pipeline, resource, step

__all__ = ["CASES"]

RATE = 1000  # calls a second
AT_ONCE = 50
LATENCY = 0.01  # seconds
OFF = 0.02  # what the rate may be off by


# -- the server --------------------------------------------------------------------------------------------


class Server:
    """Answers in a thread of its own, and notes when requests came and how many were open at once."""

    def __init__(self) -> None:
        self.came = array("d")  # in seconds
        self.open = self.most_open = self.refused = self.port = 0
        self.ready = threading.Event()
        self.thread = threading.Thread(target=asyncio.run, args=(self.serve(),), daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        self.ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.end.set)
        self.thread.join()

    async def serve(self) -> None:
        self.loop, self.end = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self.connected, "127.0.0.1") as server:
            self.port = server.sockets[0].getsockname()[1]
            self.ready.set()
            await self.end.wait()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self.answer(request.split()[1]))
        except (asyncio.IncompleteReadError, ConnectionError):  # the client has closed it
            writer.close()

    async def answer(self, path: bytes) -> bytes:
        self.came.append(self.loop.time())
        refused = len(self.came) % 20 == 0
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(LATENCY)
        self.open -= 1
        if refused:
            self.refused += 1
            return b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path)


# -- the client --------------------------------------------------------------------------------------------


class Refused(Exception):
    """Not now. Its argument says when to come again, as the server did."""


class Client:
    """As many connections as there are requests at once, each of which is used again and again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _, writer in self.idle:
            writer.close()
            await writer.wait_closed()

    async def get(self, path: str) -> str:
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.split(": ") for line in lines if line)
        body = await reader.readexactly(int(headers["Content-Length"]))
        self.idle.append((reader, writer))
        if " 429 " in status:
            raise Refused(headers["Retry-After"])
        return body.decode()


# -- the calls ---------------------------------------------------------------------------------------------

api = Limit(rate=f"{RATE}/s", concurrency=AT_ONCE)


def after(error: Exception) -> str:
    return str(error.args[0])


@step
def paths(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"/{number}"


@step(limit=api, retry=Retry(on=Refused, retry_after=after), max_in_flight=3 * RATE)  # goes on while one waits twice
async def get(path: str, client: Client) -> str:
    return await client.get(path)


@step
def wrong(bodies: Iterator[str]) -> int:
    return sum(body != f"/{number}" for number, body in enumerate(bodies))


@pipeline
def wrong_bodies(count: int, port: int) -> int:
    return wrong(paths(count).map(get, resource(Client, port)))


class Came(NamedTuple):
    """What came of one run: `rate` is how many requests came a second until only refused ones were left."""

    wrong: int
    requests: int
    refused: int
    at_once: int
    rate: float


def called(count: int) -> Came:
    with Server() as server:
        wrong = wrong_bodies.run(count, server.port)
    came = server.came
    rate = (count - 1) / (came[count - 1] - came[0]) if count > 1 else RATE
    return Came(wrong, len(came), server.refused, server.most_open, rate)


def all_came_at_the_rate(count: int, came: Came) -> bool:
    right = came.wrong == 0 and came.requests == count + came.refused and came.at_once <= AT_ONCE
    assert right, came
    assert abs(came.rate / RATE - 1) <= OFF, f"not {RATE} calls a second, but {came.rate:.1f}"
    return True


REFUSED = Case(
    "refused calls",
    Contender("headrace, 4,000 calls", called, items=4_000),
    (Contender("headrace", called, target=1.05),),
    items=10_000,
    right=all_came_at_the_rate,
    repeats=1,
    compares="memory",
)

CASES = (REFUSED,)
