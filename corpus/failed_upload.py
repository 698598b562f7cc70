"""An async call fails, and the run stops.

Three uploads are under way at once. When one fails, those that are still under way are cancelled and awaited, so
that each can tell the server that it gives up; the generator that reads the folder is closed; and then the caller
gets the exception, with a note that says which step and which item. `attempt` shows in which order that happens.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from headrace import Stream, pipeline, step


class Refused(Exception):
    """The server does not take a file."""


@step
def files(folder: list[str], log: list[str]) -> Iterator[str]:
    try:
        yield from folder
    finally:
        log.append("the folder is closed")


@step(max_in_flight=3)
async def upload(file: str, log: list[str]) -> str:
    try:
        if file.endswith(".mov"):
            await asyncio.Event().wait()  # a film takes forever
        await asyncio.sleep(0)
        if file.endswith(".exe"):
            raise Refused(file)
        return file.upper()
    except asyncio.CancelledError:
        log.append(f"{file} is given up")
        raise


@step
def stored(files: Iterator[str], log: list[str]) -> Iterator[str]:
    for file in files:
        log.append(f"{file} is stored")
        yield file


@pipeline
def uploads(folder: list[str], log: list[str]) -> Stream[str]:
    return stored(files(folder, log).map(upload, log), log)


@step
def attempt(folder: list[str]) -> list[str]:
    log: list[str] = []
    try:
        uploads.run(folder, log)
    except Refused as error:
        log += [f"refused: {error}", *error.__notes__]
    return log


FOLDER = ["notes.txt", "game.exe", "harbour.mov", "holiday.mov", "letter.txt"]

RUNS: dict[str, tuple[Any, ...]] = {
    "refused": (uploads, FOLDER, []),
    "what happened": (attempt, FOLDER),
    "all taken": (uploads, ["notes.txt", "letter.txt", "list.csv", "plan.pdf"], []),
}

if __name__ == "__main__":
    print(*attempt.run(FOLDER), sep="\n")
