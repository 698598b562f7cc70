"""Places in threads of this process: all that a run in several places does, but for what carries it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from headrace.drivers.far import FarRun
from headrace.drivers.place import Place
from headrace.dsl.checkpoint import as_checkpoint, opened
from headrace.engine.observers import Observers
from headrace.engine.stopwatch import Detail
from headrace.graph.sections import sections
from headrace.testing import Runner


class AsItIs:
    """A codec that leaves everything as it is."""

    def packed_items(self, items, step):
        return items, None

    def items(self, data, step):
        return data

    def packed_end(self, ended, step):
        return ended

    def end(self, data):
        return data

    def packed(self, value, what):
        return value

    def packed_report(self, report):
        return report

    def value(self, data):
        return data


class Near:
    """A place in this process, whose methods are called in threads."""

    crew = None

    def __init__(self, codec: Any) -> None:
        self.place = Place(lambda: codec)
        self.threads = ThreadPoolExecutor(4, "place")

    def call(self, method: str, *arguments: Any) -> Callable[[float | None], Any]:
        return self.threads.submit(getattr(self.place, method), *arguments).result

    def pull(self, *arguments: Any) -> Callable[[], Any]:
        return partial(self.place.pull, *arguments)

    def acknowledge(self, *arguments: Any) -> None:
        self.place.acknowledge(*arguments)

    def close(self, *arguments: Any) -> None:
        self.place.close(*arguments)

    def kill(self) -> None:
        raise AssertionError("it ends by itself")


def far_run(
    pipeline: Any,
    *arguments: Any,
    counting: bool = False,
    checkpoint: Any = None,
    observers: Any = (),
    **keywords: Any,
) -> tuple[Any, Any]:
    program, given = pipeline.program, pipeline.bind(*arguments, **keywords)
    parts = sections(program.dag, {})
    codec = AsItIs()
    places = [Near(codec) for _ in parts]
    detail = Detail.SECONDS if counting else Detail.NOTHING
    try:
        with opened(as_checkpoint(checkpoint), program) as checkpoints:
            heard, context = Observers(observers), contextvars.copy_context()
            run = FarRun(program, given, parts, places, codec, detail, None, heard, checkpoints, context)
            return run.observed() if counting else (run.result(), None)
    finally:
        for place in places:
            place.threads.shutdown()
        for thread in threading.enumerate():
            if thread.name.startswith("headrace link"):
                thread.join()  # its producer is over


def far(pipeline: Any, *arguments: Any, **keywords: Any) -> Any:
    return far_run(pipeline, *arguments, **keywords)[0]


def counted(options: dict[str, Any], pipeline: Any, *arguments: Any, **keywords: Any) -> Any:
    return far(pipeline, *arguments, counting=True, **options, **keywords)


FAR = Runner("far", far, counted)
