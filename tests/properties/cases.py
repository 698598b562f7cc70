"""Generated pipelines, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

from hypothesis import strategies as st

__all__ = ["BUILT_IN", "CALLER", "PER_ITEM", "VALUES", "Case", "Op", "cases"]

Mode = Literal["sync", "async", "thread"]
MODES: tuple[Mode, ...] = ("sync", "async", "thread")
CALLER = -1  # reads what the pipeline returns

PER_ITEM = ("map", "filter", "flat_map")
BUILT_IN = ("batch", "zip", "merge", "again", "collect", "failures")  # steps that have no function of the user's
ONE_STREAM = (*PER_ITEM, "offspring", "few", "never", "ahead", "last", "batch", "collect", "total", "first")
TWO_STREAMS = ("zip", "both", "behind", "chosen", "gap")  # and "merge"
FROM_VALUE = ("again", "span")
VALUES = ("collect", "total", "first", "gap", "size")
FAIR = ("map", "filter", "flat_map", "offspring", "merge", "again", "collect", "total", "size", "span")
EARLY = ("few", "never", "chosen", "first")  # may leave something unread


@dataclass(frozen=True)
class Op:
    """One step: what it reads (positions of earlier steps), and how it runs."""

    kind: str
    inputs: tuple[int, ...] = ()  # streams
    value: int | None = None  # a value that it is given too
    bound: int = 1
    mode: Mode = "sync"
    ordered: bool = True
    concurrency: int | None = None
    fails: int | None = None
    on_error: str = "raise"
    limit: float | None = None  # of failures that do not stop the run
    nested: bool = False  # in a sub-pipeline
    listed: bool = False  # a flat_map step that gives lists, and is no generator
    pauses: int = 0  # how often async code lets others go first
    hiccups: int = 0  # how many calls fail for each one that does not, and are made again
    limited: bool = False  # its calls share a limit with those of others

    def __repr__(self) -> str:
        options = [(field, getattr(self, field.name)) for field in fields(self)[1:]]
        changed = [f"{field.name}={value!r}" for field, value in options if value != field.default]
        return f"Op({', '.join([repr(self.kind), *changed])})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # what hypothesis prints

    @property
    def overlaps(self) -> bool:
        """Whether its calls may run at the same time."""
        several = self.mode == "thread" or (self.mode == "async" and (self.bound > 1 or self.waits))
        return self.kind in ("map", "filter") and several

    @property
    def waits(self) -> bool:
        """Whether a call of it may have to wait by itself."""
        return self.limited or self.hiccups > 0

    @property
    def fails_late(self) -> bool:
        """Whether it fails behind what it gives for an item."""
        return self.kind == "flat_map" and not self.listed

    @property
    def at_once(self) -> int:
        return self.concurrency or self.bound


@dataclass(frozen=True)
class Case:
    """A pipeline and its argument. Streams that no step reads are collected, or one returned and the others drained."""

    ops: tuple[Op, ...]
    count: int
    returns_stream: bool = False

    def name(self, index: int) -> str:
        return f"{self.ops[index].kind}{index}"

    @cached_property
    def readers(self) -> dict[int, list[tuple[int, int]]]:
        """By stream: who reads it, and as which of its inputs."""
        table = self._readers
        for index in self.left_out:
            table[self.ops[index].inputs[0]].remove((index, 0))
        return table

    @property
    def _readers(self) -> dict[int, list[tuple[int, int]]]:
        table: dict[int, list[tuple[int, int]]] = {index: [] for index in range(len(self.ops))}
        for index, op in enumerate(self.ops):
            for slot, source in enumerate(op.inputs):
                table[source].append((index, slot))
        return table

    @property
    def _unread(self) -> list[int]:
        readers = self._readers
        for index, op in enumerate(self.ops):
            if op.kind == "failures":  # who reads these does not read the results
                readers[op.inputs[0]].remove((index, 0))
        return [i for i, op in enumerate(self.ops) if op.kind not in VALUES and not readers[i]]

    @property
    def unread(self) -> list[int]:
        return [index for index in self._unread if index not in self.left_out]

    @property
    def returned(self) -> int | None:
        """The stream that the pipeline returns, if it does."""
        return self._unread[-1] if self.returns_stream and self._unread else None

    @cached_property
    def left_out(self) -> set[int]:
        """The failures that nobody reads, where what nobody reads is not collected: they are skipped."""
        unread = self._unread if self.returns_stream else []
        return {index for index in unread if self.ops[index].kind == "failures" and index != self.returned}

    @cached_property
    def shuffled(self) -> set[int]:
        """The steps whose items may come in any order."""
        return self.out_of_order(lambda index: not self.ops[index].ordered or not self.in_turns(index))

    def out_of_order(self, shuffles: Callable[[int], bool]) -> set[int]:
        """The steps that shuffle their items, and all that get something from them."""
        found: set[int] = set()
        for index, op in enumerate(self.ops):
            sources = [*op.inputs, *([] if op.value is None else [op.value])]
            if shuffles(index) or found & set(sources):
                found.add(index)
        return found

    def in_turns(self, index: int) -> bool:
        """Whether nothing that is merged there can have to wait, so that the inputs simply take turns."""
        return self.ops[index].kind != "merge" or all(map(self._never_waits, self.ops[index].inputs))

    def _never_waits(self, index: int) -> bool:
        op = self.ops[index]
        alone = op.mode == "sync" and not op.waits and op.value is None and len(self.readers[index]) == 1
        return alone and op.kind != "failures" and all(map(self._never_waits, op.inputs))

    @property
    def merges(self) -> bool:
        return any(op.kind == "merge" for op in self.ops)

    @property
    def stops_early(self) -> bool:
        return any(op.kind in EARLY or (op.on_error == "skip" and op.kind not in PER_ITEM) for op in self.ops)

    @property
    def inline(self) -> bool:
        return all(op.mode == "sync" for op in self.ops)


@st.composite
def cases(
    draw: st.DrawFn, *, modes: tuple[Mode, ...] = MODES, most: int = 9, streams: bool = False, waits: bool = False
) -> Case:
    """Pipelines of up to `most` steps behind the first source, in these modes; with `streams`, all return one if any.

    With `waits`, some steps fail now and then and are called again, and some share a limit. A pipeline with
    `ordered=False` or a merge has a single step that fails for good, since what else is reached before it fails is not
    fixed.
    """
    unordered = draw(st.sampled_from([False, False, True]))
    failures = draw(st.sampled_from([0, 0, 1, 1 if unordered else 3]))
    ops = [_moded(draw, Op("source"), modes)]
    for _ in range(draw(st.integers(1, most))):
        ops.append(_op(draw, Case(tuple(ops), 0), modes, unordered, waits))
    for _ in range(failures):
        index = draw(st.integers(0, len(ops) - 1))
        if ops[index].kind not in BUILT_IN and ops[index].on_error == "raise":
            ops[index] = _failing(draw, ops[index])
    return Case(tuple(ops), draw(st.integers(0, 10)), streams or draw(st.booleans()))


def _op(draw: st.DrawFn, case: Case, modes: tuple[Mode, ...], unordered: bool, waits: bool) -> Op:
    streams = [index for index, op in enumerate(case.ops) if op.kind not in VALUES]
    values = [index for index, op in enumerate(case.ops) if op.kind in VALUES]
    kinds = [*ONE_STREAM, *TWO_STREAMS, "source", *(["merge"] * 4 if unordered else [])]
    read = {op.inputs[0] for op in case.ops if op.kind == "failures"}
    caught = [index for index, op in enumerate(case.ops) if op.on_error == "catch" and index not in read]
    if caught and draw(st.booleans()):
        return Op("failures", (caught[-1],))
    kind = draw(st.sampled_from([*PER_ITEM, *kinds, *((*FROM_VALUE, *FROM_VALUE, "size") if values else ())]))
    if kind not in FAIR:
        shuffled = case.out_of_order(lambda index: not case.ops[index].ordered or case.ops[index].kind == "merge")
        streams = [index for index in streams if index not in shuffled]
    recent = st.one_of(st.just(streams[-1]), st.sampled_from(streams))
    number = 2 if kind in (*TWO_STREAMS, "merge") else 1 if kind in ONE_STREAM else 0
    inputs = tuple(draw(recent) for _ in range(number))
    extra = kind in FROM_VALUE or kind == "size" or (kind in PER_ITEM and values and draw(st.integers(0, 3)) == 0)
    if kind == "again":
        values = [index for index in values if case.ops[index].kind in ("collect", "first")]
        kind = "again" if values else "source"
    value = draw(st.sampled_from(values)) if extra and values else None
    op = _moded(draw, Op(kind, inputs, value, nested=draw(st.integers(0, 3)) == 0), modes)
    if waits and kind in ("map", "filter"):
        op = _changed(op, hiccups=draw(st.sampled_from([0, 0, 1, 2])), limited=draw(st.integers(0, 3)) == 0)
    if op.overlaps:
        ordered = not (unordered and draw(st.booleans()))
        op = _changed(op, ordered=ordered, concurrency=draw(st.none() | st.integers(1, op.bound)))
    if kind in PER_ITEM and op.ordered and draw(st.integers(0, 4)) == 0:
        limit = None if unordered else draw(st.sampled_from([None, None, 2, 0.5]))
        op = _changed(op, fails=draw(st.integers(0, 5)), on_error="catch", limit=limit, nested=False)
    return op


def _moded(draw: st.DrawFn, op: Op, modes: tuple[Mode, ...]) -> Op:
    """The step with a bound and a place to run that steps of its kind may have."""
    if op.kind in BUILT_IN:
        return op
    if op.kind in VALUES or op.kind == "flat_map":
        modes = tuple(mode for mode in modes if mode != "thread")
    mode = draw(st.sampled_from(["sync", *modes]))
    bound = 1 if op.kind in VALUES else draw(st.integers(1, 5))
    listed = op.kind == "flat_map" and draw(st.booleans())
    return _changed(op, mode=mode, bound=bound, listed=listed, pauses=draw(st.integers(0, 2)) if mode == "async" else 0)


def _failing(draw: st.DrawFn, op: Op) -> Op:
    """The step, which fails, and may go on without what it fails at."""
    op = _changed(op, fails=draw(st.integers(0, 5)))
    if op.kind in VALUES or draw(st.booleans()):
        return op
    limit = draw(st.sampled_from([None, None, 1, 2, 0.2, 0.5])) if op.kind in PER_ITEM else None
    return _changed(op, on_error="skip", limit=limit)


def _changed(op: Op, **changes: Any) -> Op:
    return Op(**{**vars(op), **changes})
