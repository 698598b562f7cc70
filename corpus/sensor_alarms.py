"""Fan-out: several consumers of one stream.

One pass over a sensor's readings gives its range, its mean and the alarms. Using a stream twice is all it
takes. Every consumer gets every item, the readings are made once, and none of the consumers runs ahead: the
source is asked for the next reading when all three have taken this one, so the memory needed does not grow
with the stream.
"""

from collections.abc import Iterator
from typing import Any

from headrace import pipeline, step


@step
def readings(text: str) -> Iterator[float]:
    for number in text.split():
        yield float(number)


@step
def extremes(readings: Iterator[float]) -> tuple[float, float]:
    lowest, highest = float("inf"), float("-inf")
    for reading in readings:
        lowest, highest = min(lowest, reading), max(highest, reading)
    return lowest, highest


@step
def mean(readings: Iterator[float]) -> float:
    count, total = 0, 0.0
    for reading in readings:
        count, total = count + 1, total + reading
    return round(total / count, 3)


@step
def alarms(readings: Iterator[float], limit: float) -> list[str]:
    return [f"reading {at}: {reading}" for at, reading in enumerate(readings, 1) if reading > limit]


@pipeline
def survey(text: str, limit: float) -> tuple[tuple[float, float], float, list[str]]:
    measured = readings(text)
    return extremes(measured), mean(measured), alarms(measured, limit)


READINGS = "20.5 20.75 21.0 24.5 22.25 20.0 25.5"

RUNS: dict[str, tuple[Any, ...]] = {"one hour": (survey, READINGS, 24.0)}

if __name__ == "__main__":
    (lowest, highest), average, warnings = survey.run(READINGS, 24.0)
    print(f"between {lowest} and {highest}, {average} on average")
    print(*warnings, sep="\n")
