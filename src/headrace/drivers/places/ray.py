"""Runs pipelines on a Ray cluster: each section of a DAG in an actor of its own.

Ray places the actors, starts them, carries the calls between them and notices when one dies. What they say to each
other, and when, is that of any run in several places (far.py, place.py, and engine/links.py, where the bound is kept).

An actor has one thread for the code of its section, and others that answer calls: requests for items, which wait there
until there is something to answer, and what whoever runs the pipeline asks. Actors need no CPU by themselves, so there
may be more of them than cores; `options` of the runner say otherwise for single steps. They belong to the program that
started them, and end with it, however it ends.

Not used are streaming generators (their bound is off by one or two, and they have one reader), Ray Data (which has no
bound for each edge), and restarts of actors that hold the state of a stream.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

import ray  # pyright: ignore[reportMissingImports]  # an extra, which the checks do not install
from ray.exceptions import GetTimeoutError, RayActorError  # pyright: ignore[reportMissingImports]

from headrace.drivers.places.far import FarRun
from headrace.drivers.places.messages import Crew, Reply
from headrace.drivers.places.parcels import Parcels
from headrace.drivers.places.place import Place
from headrace.drivers.places.ray_workers import RayProcess, calling, crews, needed, reason
from headrace.engine.events import Observer
from headrace.engine.observers import Observers
from headrace.engine.stopwatch import Detail
from headrace.errors import OptionError, WorkerError
from headrace.graph.dag import Dag, Program
from headrace.graph.sections import Link, Section, sections

if TYPE_CHECKING:
    from headrace.engine.checkpoint import Checkpoints

__all__ = ["Cluster"]

PATIENCE = 10.0  # seconds that an actor has to stop when its run ends, before it is killed
SPARE = 8  # calls to an actor at once, beside open requests

Options = Mapping[str, Mapping[str, Any]]


class Kind(NamedTuple):
    """What an actor must have in common with another section to run that, too."""

    place: str | None
    has_workers: bool
    calls: int  # at once


def _kind(part: Section) -> Kind:
    calls = 1 << (SPARE + len(part.feeds)).bit_length()  # so that an actor fits other sections, too
    return Kind(part.place, any(calling(part)), calls)


class Actor:
    """What is made an actor: a place."""

    def __init__(self) -> None:
        self.place: Place = Place(Parcels, RayProcess)

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the place."""
        return getattr(self.place, method)(*arguments)

    def pull(self, request: bytes) -> bytes:
        """The answer to a request: one argument and one result, which cost Ray least as bytes."""
        run, acknowledged, received, link = request.decode().split(" ", 3)
        return _packed(*self.place.pull(int(run), _link(link), int(acknowledged), int(received)))

    def acknowledge(self, run: int, link: str, count: int) -> None:
        """The consumer of the link has so many items."""
        self.place.acknowledge(run, _link(link), count)

    def close(self, run: int, link: str, why: bytes) -> None:
        """Nobody reads the link any more."""
        self.place.close(run, _link(link), why)


def _key(link: Link) -> str:
    return f"{link.reader} {int(link.failures)} {link.source}"


def _link(key: str) -> Link:
    reader, failures, source = key.split(" ", 2)
    return Link(source, failures == "1", int(reader))


HEAD = Struct("<q?q")  # number of the first item, whether the answer is valid, bytes of the end


def _packed(first: int, items: bytes | None, ended: bytes | None, valid: bool) -> bytes:
    """An answer."""
    ended = ended or b""
    return b"".join([HEAD.pack(first, valid, len(ended)), ended, items or b""])


def _unpacked(answer: bytes) -> Reply:
    first, valid, size = HEAD.unpack_from(answer)
    items = HEAD.size + size
    return first, memoryview(answer)[items:], answer[HEAD.size : items], valid


class FarActor:
    """An actor, seen from another process. `step` is what it runs, for messages."""

    def __init__(self, handle: Any, step: str) -> None:
        self.handle = handle
        self.step = step
        self.crew: Crew | None = None
        self._pull: Any = handle.pull  # to make it takes as long as a fifth of a call

    def __reduce__(self) -> Any:
        return FarActor, (self.handle, self.step)

    def call(self, method: str, *arguments: Any) -> Callable[[float | None], Any]:
        """Begin a call of that method of the place; gives what waits for its result."""
        result = self.handle.call.remote(method, *arguments)
        return lambda seconds: self._got(result, seconds)

    def pull(self, run: int, link: Link, acknowledged: int, received: int) -> Callable[[], Reply]:
        """Begin a request; gives what waits for its answer."""
        answer = self._pull.remote(f"{run} {acknowledged} {received} {_key(link)}".encode())
        return lambda: _unpacked(self._got(answer, None))

    def acknowledge(self, run: int, link: Link, count: int) -> None:
        """The consumer of the link has so many items."""
        self.handle.acknowledge.remote(run, _key(link), count)

    def close(self, run: int, link: Link, why: bytes) -> None:
        """Nobody reads the link any more."""
        self.handle.close.remote(run, _key(link), why)

    def kill(self) -> None:
        """End it at once."""
        ray.kill(self.handle, no_restart=True)

    def _got(self, result: Any, seconds: float | None) -> Any:
        try:
            return ray.get(result, timeout=seconds)
        except GetTimeoutError as error:
            raise TimeoutError(f"{self.step}: its actor did not answer within {seconds} seconds") from error
        except RayActorError as error:
            failure = WorkerError(
                f"{self.step}: must run to its end, got an actor that died ({reason(error)}); look into the logs of "
                "Ray, and at the memory of its node; with a checkpoint a new run goes on where this one was, and "
                "replay=True begins it"
            )
            failure.__dict__["headrace_key"] = f"lost {self.step}"  # whoever notices it first
            raise failure from None


class Cluster:
    """Ray, as one runner uses it: with the actors that are kept for its next run.

    `options` are those of Ray's actors, by the ids or names of steps; steps with the same ones share actors.
    """

    def __init__(self, address: str | None, runtime_env: Mapping[str, Any] | None, options: Options) -> None:
        self.address = address
        self.runtime_env: dict[str, Any] | None = dict(runtime_env) if runtime_env else None
        self.options: dict[str, dict[str, Any]] = {step: dict(each) for step, each in options.items()}
        self.keeps: bool = False
        self.began: bool = False
        self.idle: dict[Kind, list[FarActor]] = {}

    def connect(self) -> None:
        """Connect to Ray, or start it, unless this program has done so."""
        if not ray.is_initialized():
            local = {"include_dashboard": False} if self.address == "local" else {}
            with _own_ending():
                ray.init(address=self.address, runtime_env=self.runtime_env, log_to_driver=True, **local)
            self.began = True

    def close(self) -> None:
        """End the actors that are kept, and Ray if it was started here."""
        for actors in self.idle.values():
            for actor in actors:
                actor.kill()
        self.idle.clear()
        if self.began:
            self.began = False
            ray.shutdown()

    # -- runs --------------------------------------------------------------------------------------------------

    @contextmanager
    def run(
        self,
        program: Program,
        arguments: Mapping[str, Any],
        observers: Sequence[Observer],
        checkpoints: Checkpoints | None = None,
        detail: Detail = Detail.SECONDS,
        context: Iterable[ContextVar[Any]] = (),
    ) -> Iterator[FarRun]:
        """A run, with the actors that it needs."""
        places = self._places(program.dag)
        parts = sections(program.dag, places)
        self.connect()
        self._check_resources()
        workers = crews(parts, self.options, self._left(parts))
        actors = [self._actor(part) for part in parts]
        for part, actor in zip(parts, actors, strict=True):
            actor.crew = workers.get(part.number)
        heard = Observers(observers)
        run = FarRun(program, arguments, parts, actors, Parcels(), detail, PATIENCE, heard, checkpoints, context)
        try:
            yield run
        finally:
            self._give_back(run, actors)

    def _places(self, dag: Dag) -> dict[str, str]:
        """Where nodes run for which there are options, by id: a text that is the same for the same options."""
        unknown = set(self.options)
        places = {}
        for node in dag.nodes:
            for name in (node.id, node.name):
                if name in self.options:
                    unknown.discard(name)
                    places[node.id] = name
                    break
        if unknown:
            raise OptionError(
                f"RayRunner: options must be for steps of pipeline '{dag.name}', got {', '.join(sorted(unknown))}; the "
                f"steps are {', '.join(node.id for node in dag.nodes if node.function)}"
            )
        return places

    def _check_resources(self) -> None:
        """Ray waits for ever for what the cluster does not have."""
        there = ray.cluster_resources()
        for step, options in self.options.items():
            for name, amount in needed(options).items():
                if amount > there.get(name, 0.0):
                    raise WorkerError(
                        f"step '{step}': needs {amount:g} {name}, got a cluster that has {there.get(name, 0.0):g}; "
                        "start a node with it, or correct the options"
                    )

    def _left(self, parts: Sequence[Section]) -> dict[str, float]:
        """What actors leave of the cluster to workers: those of these sections, and those that are kept."""
        left = Counter(ray.cluster_resources())
        kept = (kind for kind, actors in self.idle.items() for _ in actors)
        for kind in (*map(_kind, parts), *kept):
            left.subtract(needed(self._options_of(kind)))
        return dict(left)

    def _options_of(self, kind: Kind) -> dict[str, Any]:
        """Those of an actor. If it has workers, they have what the runner was given for its step."""
        options = self.options.get(kind.place or "", {})
        if kind.has_workers:
            options = {name: value for name, value in options.items() if name == "runtime_env"}
        return {"num_cpus": 0, **options}

    def _actor(self, part: Section) -> FarActor:
        step, kind = _title(part), _kind(part)
        waiting = self.idle.get(kind)
        if waiting:
            actor = waiting.pop()
            actor.step = step
            return actor
        options = self._options_of(kind)
        if self.runtime_env and not self.began:
            options.setdefault("runtime_env", self.runtime_env)
        made: Any = ray.remote(Actor)
        handle = made.options(max_concurrency=kind.calls, max_restarts=0, max_task_retries=0, **options).remote()
        return FarActor(handle, step)

    def _give_back(self, run: FarRun, actors: Sequence[FarActor]) -> None:
        whole = len(run.finals) == len(actors)  # and nobody was killed or lost
        for part, actor in zip(run.parts, actors, strict=True):
            if self.keeps and whole:
                self.idle.setdefault(_kind(part), []).append(actor)
            else:
                actor.kill()


@contextmanager
def _own_ending() -> Iterator[None]:
    """Ray has SIGTERM end the program its own way. What the program has set up for that stays, if it has."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if callable(before) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _title(part: Section) -> str:
    """What a message calls a section: its last step."""
    nodes = [node for node in part.dag.nodes if node.id in part.own]
    functions = [node for node in nodes if node.function]
    return str((functions or nodes)[-1])
