"""Batches that wait only so long, and a night that takes no time.

A meter sends readings when it likes. They are uploaded four at a time, but none of them waits for more than five
seconds: `batched(4, timeout=5)` gives what there is five seconds after the first reading came, however few. The second
run replays a night with `ScriptedClock`, whose time is moved to the next thing that happens as soon as nothing else is
left to do: the pauses are exact, and are not waited for.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from headrace import Stream, SyncRunner, pipeline, step
from headrace.testing import ScriptedClock


class Reading(NamedTuple):
    pause: float  # seconds since the reading before
    watts: int


class Upload(NamedTuple):
    readings: int
    watts: int


@step(max_in_flight=8)
async def readings(sent: list[Reading]) -> AsyncIterator[Reading]:
    for reading in sent:
        await asyncio.sleep(reading.pause)
        yield reading


@step
async def uploaded(batch: tuple[Reading, ...]) -> Upload:
    await asyncio.sleep(0.001)  # the server
    return Upload(len(batch), sum(reading.watts for reading in batch))


@pipeline
def uploads(sent: list[Reading]) -> Stream[Upload]:
    return readings(sent).batched(4, timeout=5).map(uploaded)


@step
def replayed(sent: list[Reading]) -> tuple[list[Upload], int]:
    clock = ScriptedClock()
    run = SyncRunner(clock=clock).execute(uploads, sent)
    return run.result, round(clock.now())


BURST = [Reading(0, watts) for watts in (230, 231, 229, 240, 238, 236)]
NIGHT = [
    Reading(1, 230),
    Reading(1, 231),
    Reading(3600, 90),
    Reading(4.9, 91),
    Reading(5, 92),
    *BURST,
    Reading(7200, 80),
]

RUNS: dict[str, tuple[Any, ...]] = {"a burst": (uploads, BURST), "a night": (replayed, NIGHT)}

if __name__ == "__main__":
    for upload in uploads.iter(BURST):
        print(upload)
    done, seconds = replayed.run(NIGHT)
    print(*done, f"{seconds} seconds", sep="\n")
