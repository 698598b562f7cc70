"""Slow calls at the same time: `executor="thread"`.

Each mirror of a site is asked how far behind it is. A call blocks for as long as the mirror takes, so four
are under way at once: that is all that `max_in_flight=4` and `executor="thread"` change. Results come in the
order of the mirrors, and a slow one holds up those behind it; `ordered=False` gives each as soon as it is
there, for consumers that do not care.
"""

import time
from dataclasses import dataclass
from typing import Any

from headrace import Stream, pipeline, step, stream


@dataclass(frozen=True, order=True)
class Answer:
    hours_behind: int
    mirror: str


@step(executor="thread", max_in_flight=4)
def ask(mirror: str) -> Answer:
    time.sleep(len(mirror) / 1000)
    return Answer(hours_behind=len(mirror) * 5 % 7, mirror=mirror)


@step
def freshest(answers: list[Answer]) -> list[Answer]:
    return sorted(answers)


@pipeline
def in_order(mirrors: list[str]) -> Stream[Answer]:
    return stream(mirrors).map(ask)


@pipeline
def as_they_come(mirrors: list[str]) -> list[Answer]:
    answers = stream(mirrors).map(ask.options(ordered=False))
    return freshest(answers.collect())


MIRRORS = ["amsterdam", "bern", "castrop-rauxel", "delhi", "eindhoven", "faro", "graz", "helsinki"]

RUNS: dict[str, tuple[Any, ...]] = {
    "in order": (in_order, MIRRORS),
    "as they come": (as_they_come, MIRRORS),
}

if __name__ == "__main__":
    for answer in as_they_come.run(MIRRORS):
        print(f"{answer.mirror:16}{answer.hours_behind} hours behind")
