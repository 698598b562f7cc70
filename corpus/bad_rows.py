"""Bad rows are skipped, but not too many of them.

A table of readings comes with rows that cannot be read. `reading` leaves them out: each kind of error is logged once,
and the report counts them all and keeps those that failed. A table with one bad row in fifty is still worth having; a
table with more bad rows than `max_failures` allows is the wrong table, and the run fails with the last error, as it
would have with the first. A source that breaks off gives what it gave: its file was cut short, and `rows` says so.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from headrace import Stream, SyncRunner, pipeline, step


class Reading(NamedTuple):
    sensor: str
    celsius: float


@step(on_error="skip")
def rows(text: str) -> Iterator[str]:
    for row in text.splitlines():
        if row == "\x00":
            raise EOFError("the file was cut short")
        yield row


@step(on_error="skip", max_failures=0.3)
def reading(row: str) -> Reading:
    sensor, celsius = row.split(";")
    return Reading(sensor, float(celsius))


@step(on_error="skip", max_failures=1)
def is_possible(reading: Reading) -> bool:
    if reading.celsius < -273.15:
        raise ArithmeticError(f"{reading.sensor} is colder than cold")
    return reading.celsius < 100


@pipeline
def readings(text: str) -> Stream[Reading]:
    return rows(text).map(reading).filter(is_possible)


GOOD = ["attic;21.5", "cellar;12", "oven;220", "porch;-3.5"]
BAD = ["cellar;?", "porch"]

RUNS: dict[str, tuple[Any, ...]] = {
    "two bad rows": (readings, "\n".join([*GOOD, BAD[0], *GOOD, BAD[1]])),
    "a broken sensor": (readings, "\n".join([*GOOD, "fridge;-400"])),
    "a sensor that is broken too often": (readings, "\n".join([*GOOD, "fridge;-400", "fridge;-500", "fridge;5"])),
    "mostly bad rows": (readings, "\n".join([*GOOD, *BAD, *BAD])),
    "cut short": (readings, "\n".join([*GOOD, "\x00", *GOOD])),
}

if __name__ == "__main__":
    run = SyncRunner().execute(readings, RUNS["two bad rows"][1])
    print(*run.result, sep="\n")
    print(run.report)
    for failure in run.report.node("readings/reading").failures:
        print(f"{failure.item!r}: {failure.exception}")
