"""Dead letters: what failed goes to a file, and the file goes into a later run.

`delivered` sends orders to a warehouse. What the warehouse does not take is no reason to stop: `.catch()` splits the
failures off as a stream of their own, which is written to a file, one JSON object a line, while the deliveries go on.
Both branches belong to one step and one bound: an order that is under way counts for both, and a failure that is not
written yet holds the next order back. `redelivered` reads the file when the warehouse is open again, and what fails
once more goes to a file of its own.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headrace import Failure, Stream, pipeline, step, stream

Order = dict[str, Any]


class Closed(Exception):
    """The warehouse is closed."""


@step(max_in_flight=4)
async def deliver(order: Order, opened: list[str]) -> str:
    if order["warehouse"] not in opened:
        raise Closed(order["warehouse"])
    return f"{order['item']} from {order['warehouse']}"


@step
def as_line(failure: Failure[Order]) -> str:
    letter = failure.as_dict()
    del letter["time"]  # so that this example gives the same each time
    return json.dumps(letter)


@step
def written(lines: Iterator[str], path: Path) -> int:
    count = 0
    with path.open("w") as file:
        for line in lines:
            file.write(line + "\n")
            count += 1
    return count


@step
def letters(path: Path) -> Iterator[Order]:
    with path.open() as file:
        for line in file:
            yield json.loads(line)["item"]


@pipeline
def delivered(orders: list[Order], opened: list[str], dead_letters: Path) -> tuple[list[str], int]:
    parcels, failed = stream(orders).map(deliver, opened).catch()
    return parcels.collect(), written(failed.map(as_line), dead_letters)


@pipeline
def redelivered(dead_letters: Path, opened: list[str], still_dead: Path) -> Stream[str]:
    parcels, failed = letters(dead_letters).map(deliver, opened).catch()
    written(failed.map(as_line), still_dead)
    return parcels


@step
def two_days(orders: list[Order]) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        first, second = Path(folder, "first.jsonl"), Path(folder, "second.jsonl")
        parcels, failed = delivered.run(orders, ["north"], first)
        later = redelivered.run(first, ["north", "south"], second)
        return {
            "delivered": parcels,
            "failed": failed,
            "dead letters": first.read_text().splitlines(),
            "delivered later": later,
            "still dead": second.read_text().splitlines(),
        }


def order(number: int) -> Order:
    return {"item": f"chair {number}", "warehouse": ("north", "south", "nowhere")[number % 3 if number < 7 else 0]}


RUNS: dict[str, tuple[Any, ...]] = {
    "two days": (two_days, [order(number) for number in range(10)]),
    "one day": (delivered, [order(number) for number in range(10)], ["north"], Path(os.devnull)),
    "no orders": (two_days, []),
}

if __name__ == "__main__":
    for what, found in two_days.run([order(number) for number in range(10)]).items():
        print(f"{what}:", *(found if isinstance(found, list) else [found]), sep="\n  ")
