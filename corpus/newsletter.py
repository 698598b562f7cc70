"""An async generator between plain steps: one connection for a whole stream.

Mails to the readers of a newsletter go through one connection, which is logged in once and closed at the end.
`sent` gets the readers as an `AsyncIterator` and gives receipts; that its source is a plain generator and its
consumer a plain function makes no difference to it. It runs in a task of its own, and reads the next reader
when the receipt for the last one was taken.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

from headrace import step


class Reader(NamedTuple):
    name: str
    address: str


class Receipt(NamedTuple):
    number: int
    address: str
    accepted: bool


class Connection:
    """What stands for a mail server: it refuses what is no address, and tells how much it has sent."""

    async def __aenter__(self) -> "Connection":
        self.sent = 0
        await asyncio.sleep(0.001)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.001)

    async def send(self, address: str, text: str) -> bool:
        await asyncio.sleep(0)
        self.sent += "@" in address
        return "@" in address


@step
def readers(text: str) -> Iterator[Reader]:
    for line in text.splitlines():
        yield Reader(*line.split())


@step
async def sent(readers: AsyncIterator[Reader], subject: str = "News") -> AsyncIterator[Receipt]:
    async with Connection() as connection:
        async for name, address in readers:
            accepted = await connection.send(address, f"{subject}\n\nDear {name}, ...")
            yield Receipt(connection.sent, address, accepted)


@step
def summary(receipts: Iterator[Receipt]) -> str:
    sent, refused = 0, []
    for number, address, accepted in receipts:
        sent = number
        if not accepted:
            refused.append(address)
    return f"{sent} sent, refused: {', '.join(refused) or 'none'}"


mailing = readers | sent | summary

READERS = "Ada ada@example.org\nBea bea.example.org\nCem cem@example.org\nDor dor@example.org"

RUNS: dict[str, tuple[Any, ...]] = {
    "four readers": (mailing, READERS),
    "their receipts": (readers | sent, READERS),
    "nobody": (mailing, ""),
    "a reader without an address": (mailing, READERS + "\nEli"),
}

if __name__ == "__main__":
    print(mailing.run(READERS))
