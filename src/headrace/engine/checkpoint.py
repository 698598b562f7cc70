"""Results that outlive a run: what is kept of the calls of a step, and what is read back in their place.

Lives here: by what a result is found again, what is kept and when it is looked for, and the store as the engine sees
it. Must not live here: how values are written (encoding.py), where to (the store).

The rules:

1. A result is kept when its call has given it, and before anybody is handed it. A failed call keeps nothing.
2. It is found again by the step's place in the pipeline, its version, all that the call is given, and by how many equal
   calls of the step had begun before it in this run: equal items do not share a result. Those numbers are given in the
   order in which items come, also where calls overlap.
3. A run uses what earlier runs kept, never what it kept itself: each of its calls has a key of its own.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from headrace.engine.encoding import Codec, Pickled, Unencodable, digest, identity
from headrace.engine.fuse import shut, spread
from headrace.engine.log import log
from headrace.engine.outcome import Failed, Value, capture
from headrace.engine.ports import Calling, Driver, Timer
from headrace.engine.store import CheckpointStore
from headrace.engine.version import version_of
from headrace.errors import CheckpointError
from headrace.graph.dag import Node, Program
from headrace.graph.values import shown

__all__ = ["Checkpoints", "Kept"]

MISSING: Any = object()
NOTES = ""  # what is kept under this name is not a step's: of each step, the version and arguments of its last run
FIX = "make it a dataclass, or ask for pickle: Checkpoint(..., pickle=True)"
LATEST = 0.1  # seconds until what calls gave is written that overlap
AT_A_TIME = 100  # results that are read back before an event loop gets its turn


class Note(msgspec.Struct, frozen=True):
    """What a step was when it last kept something: the name of its results, and its arguments by parameter."""

    results: str
    arguments: dict[str, bytes]


class Checkpoints:
    """What the steps of one run keep, and read back.

    `pickled` allows pickle for what cannot be written otherwise.
    """

    def __init__(self, store: CheckpointStore, *, pickled: bool) -> None:
        self.store = store
        self.pickled = pickled
        self.asking: _Asking = _Asking(store)
        self.steps: dict[str, _Step] = {}  # by the node's id
        self.outermost = True
        self.resources: Collection[str] = ()  # parameters of an inner run that are given the resources of another

    def inner(self, resources: Collection[str]) -> Checkpoints:
        """The same for inner runs, whose arguments are no sign of a change: they differ by item."""
        inner = copy.copy(self)
        inner.outermost = False
        inner.resources = resources
        return inner

    def of(self, node: Node, program: Program, arguments: Mapping[str, Any]) -> Kept:
        """The results of one node. `arguments` are those that each of its calls is given beside the item."""
        digests = {name: digest(name.encode(), self._argument(node, name, value)) for name, value in arguments.items()}
        with self.asking:
            step = self.steps.get(node.id)
            if step is None:
                fixed = digests if self.outermost and node.kind != "value" else {}
                step = self.steps[node.id] = self._begun(node, program, fixed)
        return Kept(self, node, step, b"".join(digests.values()))

    def get(self, step: str, key: bytes) -> bytes | None:
        """What an earlier run kept."""
        with self.asking:
            return self.store.get(step, key)

    def put(self, step: str, key: bytes, value: bytes) -> None:
        """Keep a result."""
        with self.asking:
            self.store.put(step, key, value)

    def flush(self) -> None:
        """Have everything written."""
        with self.asking:
            self.store.flush()

    def end(self, failure: BaseException | None) -> None:
        """The run is over, well or with that failure: everything is kept."""
        with self.asking:
            self.store.end(failure)

    def _argument(self, node: Node, name: str, value: Any) -> bytes:
        try:
            return identity(value, pickled=self.pickled)
        except Unencodable as error:
            raise CheckpointError(
                f"{node}: keeps results by its arguments, which must be data, got '{name}'={shown(value)} ({error}); "
                f"if results do not depend on it, add unkeyed={name!r}, or else {FIX}"
            ) from None

    def _begun(self, node: Node, program: Program, arguments: dict[str, bytes]) -> _Step:
        """A step that is called for the first time in this run."""
        hint = program.results[node.id]
        name = f"{node.id}@{version_of(node, program.codes[node.id], hint)}"
        self._note(node, Note(name, arguments))
        return _Step(name, self.store.count(name), Codec(hint, pickled=self.pickled))

    def _note(self, node: Node, note: Note) -> None:
        """Note what the step is now, and say what is not used any more because of that."""
        data = self.store.get(NOTES, node.id.encode())
        before = note if data is None else msgspec.msgpack.decode(data, type=Note)
        if before.results != note.results:
            count = self.store.count(before.results)
            log().warning("headrace: %s has changed since its last run: %d results are not used", node, count)
        else:
            for name in sorted(before.arguments.keys() | note.arguments.keys()):
                if before.arguments.get(name) != note.arguments.get(name):
                    log().warning(
                        "headrace: %s gets another '%s' than in its last run: new results are made", node, name
                    )
        if data is None or before != note:
            self.store.put(NOTES, node.id.encode(), msgspec.msgpack.encode(note))


class _Asking:
    """Within it, the store is asked, by one thread at a time. What it raises is no failure of a step: told apart."""

    def __init__(self, store: CheckpointStore) -> None:
        self.store = store
        self.lock: threading.Lock = threading.Lock()

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.lock.release()
        if isinstance(error, Exception) and not isinstance(error, CheckpointError):
            problem = f"the store failed, {type(error).__name__}: {error}; mend it"
            raise CheckpointError(f"checkpoint in {shown(self.store)}: {problem}") from error


class _Step:
    """One step in one run: the name of its results, how many there are, and the calls that have begun, by key."""

    __slots__ = ("begun", "codec", "earlier", "results")

    def __init__(self, results: str, earlier: int, codec: Codec) -> None:
        self.results: str = results
        self.earlier: int = earlier
        self.codec: Codec = codec
        self.begun: dict[bytes, int] = {}


class Kept:
    """The results of one node's calls."""

    __slots__ = ("by_item", "call", "checkpoints", "node", "step")

    def __init__(self, checkpoints: Checkpoints, node: Node, step: _Step, arguments: bytes) -> None:
        self.checkpoints: Checkpoints = checkpoints
        self.node: Node = node
        self.step: _Step = step
        items = [edge.parameter for edge in node.stream_edges if edge.delivery != "trigger"]
        self.by_item: bool = bool(items)
        self.call: bytes = digest(arguments, *(name.encode() for name in items))

    def key(self, item: Any) -> bytes:
        """What the result of the next call with that item is kept under. To be asked for once for each call.

        Raises: CheckpointError: the item is no data.
        """
        try:
            what = identity(item, pickled=self.checkpoints.pickled) if self.by_item else b""
        except Unencodable as error:
            raise CheckpointError(
                f"{self.node}: keeps results by its items, which must be data, got {shown(item)} ({error}); {FIX}"
            ) from None
        key = digest(self.call, what)
        begun = self.step.begun
        number = begun[key] = begun.get(key, 0) + 1
        return key if number == 1 else key + number.to_bytes(8, "big")

    def find(self, key: bytes) -> Any:
        """The result that was kept under that key, or MISSING.

        Raises: CheckpointError: it cannot be read, or may not.
        """
        data = self.checkpoints.get(self.step.results, key) if self.step.earlier else None
        if data is None:
            return MISSING
        try:
            codec = self.step.codec
            return codec.decode_all(data) if self.node.kind == "flat_map" else codec.decode(data)
        except Unencodable as error:
            fix = "allow it: Checkpoint(..., pickle=True)" if isinstance(error, Pickled) else "give the step a version"
            raise CheckpointError(f"{self.node}: a result that was kept cannot be read: {error}; {fix}") from None

    def keep(self, key: bytes, result: Any) -> Any:
        """Keep a result; gives it as it will be read back.

        Raises: CheckpointError: it would not come back equal.
        """
        data, result = self._written(bool(result) if self.node.kind == "filter" else result)
        self.checkpoints.put(self.step.results, key, data)
        return result

    def _written(self, result: Any) -> tuple[bytes, Any]:
        try:
            return self.step.codec.encode(result)
        except Unencodable as error:
            raise CheckpointError(
                f"{self.node}: keeps its results, which must come back equal as {self.node.type}, got {shown(result)} "
                f"({error}); hint the function's result as what it is, {FIX}"
            ) from None

    def pool(self, pool: Calling, driver: Driver) -> Calling:
        """`pool`, for those items only whose result was not kept."""
        return _Pool(pool, self, driver)

    # -- calls -------------------------------------------------------------------------------------------------

    def calling(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """`function` of one item, called only for items whose result was not kept."""
        if self.node.kind == "flat_map":
            return partial(self._many_in_task if self.node.executor == "async" else self._many, function)
        return partial(self._one_in_task if self.node.executor == "async" else self._one, function)

    def _one(self, function: Callable[[Any], Any], item: Any) -> Any:
        key = self.key(item)
        found = self.find(key)
        return self.keep(key, function(item)) if found is MISSING else found

    async def _one_in_task(self, function: Callable[[Any], Any], item: Any) -> Any:
        key = self.key(item)
        found = self.find(key)
        return self.keep(key, await function(item)) if found is MISSING else found

    def _many(self, function: Callable[[Any], Any], item: Any) -> Iterable[Any]:
        key = self.key(item)
        found: Iterable[Any] = self.find(key)
        return self._each(key, function(item)) if found is MISSING else found

    def _each(self, key: bytes, results: Iterable[Any]) -> Iterator[Any]:
        """The results of one call, which are kept when it has given the last one."""
        parts: list[bytes] = []
        for result in results:
            yield self._part(result, parts)
        self._keep_all(key, parts)

    async def _many_in_task(self, function: Callable[[Any], Any], item: Any) -> AsyncIterator[Any]:
        key = self.key(item)
        found = self.find(key)
        opened: list[Any] = []
        parts: list[bytes] = []
        try:
            if found is not MISSING:
                for result in found:
                    yield result
                return
            async for result in spread(function(item), opened):
                yield self._part(result, parts)
        finally:
            await shut(opened)
        self._keep_all(key, parts)

    def _part(self, result: Any, parts: list[bytes]) -> Any:
        data, result = self._written(result)
        parts.append(data)
        return result

    def _keep_all(self, key: bytes, parts: list[bytes]) -> None:
        self.checkpoints.put(self.step.results, key, self.step.codec.encode_all(parts))


class _Pool:
    """A pool that makes calls only for items whose result was not kept."""

    def __init__(self, pool: Calling, kept: Kept, driver: Driver) -> None:
        self.pool = pool
        self.kept = kept
        self.driver = driver
        self.read_back = 0
        self.timer: Timer | None = None

    def submit(self, call: Callable[[Any], Any], item: Any, done: Callable[[Value | Failed], None]) -> None:
        """Have `call(item)` run elsewhere, or give at once to `done` what it gave in an earlier run."""
        begun = capture(self.kept.key, item)
        found = capture(self.kept.find, begun.value) if isinstance(begun, Value) else begun
        if isinstance(begun, Value) and isinstance(found, Value) and found.value is MISSING:
            self.pool.submit(call, item, partial(self._ended, begun.value, done))
            return
        self.read_back += 1
        if self.read_back % AT_A_TIME == 0:
            self.driver.turn()
        done(found)

    def _ended(self, key: bytes, done: Callable[[Value | Failed], None], outcome: Value | Failed) -> None:
        if isinstance(outcome, Value):
            outcome = capture(self.kept.keep, key, outcome.value)
            if self.timer is None:  # it may be long until another call is over
                self.timer = self.driver.timer(self.driver.clock.now() + LATEST, self._flush)
        done(outcome)

    def _flush(self) -> None:
        self.timer = None
        try:
            self.kept.checkpoints.flush()
        except CheckpointError:  # the next result is told, or the end of the run
            pass
