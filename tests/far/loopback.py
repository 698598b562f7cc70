"""Places in threads of this process: all that a run in several places does, but for what carries it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Any

from headrace.drivers.places.far import FarRun
from headrace.drivers.places.place import Place
from headrace.dsl.checkpoint import as_checkpoint, opened
from headrace.engine.observers import Observers
from headrace.engine.stopwatch import Detail
from headrace.errors import WorkerError
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


class Mortal(Near):
    """A place that dies when its own code says so: from then on nobody gets an answer."""

    def __init__(self, codec: Any, step: str) -> None:
        super().__init__(codec)
        self.dead: Future[None] = Future()
        self.error = WorkerError(f"{step}: must run to its end, got a place that died")

    def die(self) -> None:
        self.dead.set_result(None)

    def call(self, method: str, *arguments: Any) -> Callable[[float | None], Any]:
        result = self.threads.submit(getattr(self.place, method), *arguments)
        return lambda _: self._got(result)

    def pull(self, *arguments: Any) -> Callable[[], Any]:
        return partial(self._got, self.threads.submit(self.place.pull, *arguments))

    def kill(self) -> None:
        self.place.halt()
        self.place.stop(None)

    def _got(self, result: Future[Any]) -> Any:
        wait([self.dead, result], return_when=FIRST_COMPLETED)
        if self.dead.done():
            raise self.error
        return result.result()


@contextmanager
def far_attempt(
    pipeline: Any,
    *arguments: Any,
    counting: bool = False,
    checkpoint: Any = None,
    observers: Any = (),
    place: Callable[[Any, str], Any] = lambda codec, step: Near(codec),
    **keywords: Any,
) -> Iterator[FarRun]:
    program, given = pipeline.program, pipeline.bind(*arguments, **keywords)
    parts = sections(program.dag, {})
    codec, before = AsItIs(), set(threading.enumerate())
    places = [place(codec, part.own[-1] if part.own else "") for part in parts]
    detail = Detail.SECONDS if counting else Detail.NOTHING
    try:
        with opened(as_checkpoint(checkpoint), program) as checkpoints:
            heard, context = Observers(observers), contextvars.copy_context()
            yield FarRun(program, given, parts, places, codec, detail, None, heard, checkpoints, context)
    finally:
        for each in places:
            each.threads.shutdown()
        for thread in set(threading.enumerate()) - before:  # runs around this one have links of their own
            if thread.name.startswith("headrace link") and thread.is_alive():
                thread.join()  # its producer is over


def far_run(pipeline: Any, *arguments: Any, counting: bool = False, **keywords: Any) -> tuple[Any, Any]:
    with far_attempt(pipeline, *arguments, counting=counting, **keywords) as run:
        return run.observed() if counting else (run.result(), None)


def far(pipeline: Any, *arguments: Any, **keywords: Any) -> Any:
    return far_run(pipeline, *arguments, **keywords)[0]


def counted(options: dict[str, Any], pipeline: Any, *arguments: Any, **keywords: Any) -> Any:
    return far(pipeline, *arguments, counting=True, **options, **keywords)


FAR = Runner("far", far, counted)
