"""A stream on disk, to be read twice: `collect(into)` with a class of your own.

A shop is told of each payment in a message, and a message that is not answered in time is sent again. They are in a
file of JSON lines, of any length. `unique` is a generator that remembers which ids it has seen, so each payment counts
once. What it lets through is needed twice: for the total, and then for the share of each payment in it. A list would
hold all of it in memory. `collect(JsonLines)` writes it to a file, and gives what reads that file, from its beginning
each time.
"""

import json
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from headrace import Stream, pipeline, step, stream

Message = dict[str, Any]


class JsonLines(Iterable[Message]):
    """Messages in a file that is gone when nobody uses it any more."""

    def __init__(self, messages: Iterator[Message]) -> None:
        self.file = TemporaryFile()  # noqa: SIM115  # it lives as long as its messages may be read
        weakref.finalize(self, self.file.close)
        for message in messages:
            self.file.write(json.dumps(message).encode() + b"\n")

    def __iter__(self) -> Iterator[Message]:
        place = 0
        while True:
            self.file.seek(place)  # another reader may have been here
            line = self.file.readline()
            if not line:
                return
            place += len(line)
            yield json.loads(line)


@step
def messages(file: Path) -> Iterator[Message]:
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


@step
def unique(messages: Iterator[Message]) -> Iterator[Message]:
    seen: set[str] = set()
    for message in messages:
        if message["id"] not in seen:
            seen.add(message["id"])
            yield message


def cents(message: Message) -> int:
    amount: int = message["cents"]
    return -amount if message["kind"] == "refund" else amount


@step
def share(message: Message, total: int) -> str:
    return f"{message['id']}: {message['customer']}, {cents(message) / total:.1%}"


@pipeline
def shares(file: Path) -> Stream[str]:
    kept = unique(messages(file)).collect(JsonLines)
    total = stream(kept).map(cents).collect(sum)
    return stream(kept).map(share, total)


PAYMENTS = Path(__file__).parent / "data" / "payments.jsonl"

RUNS: dict[str, tuple[Any, ...]] = {"twelve messages": (shares, PAYMENTS)}

if __name__ == "__main__":
    print(*shares.iter(PAYMENTS), sep="\n")
