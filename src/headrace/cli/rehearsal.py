"""Whether a pipeline locks up, found out by running its graph with stand-ins: none of the user's functions is called.

What a run waits for depends on how many items each step takes and gives, on the bounds, and on nothing else. So the
real engine runs the real graph with functions that only take and give: a step that is called per item gives one item
for each, a batch has its size. Then each filter and flat_map is tried once more, leaving out or giving many in a row.

What that cannot know: a function that reads several streams is taken to read them in turn, and a generator that reads a
stream to give one item for each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from headrace.drivers.runner import run
from headrace.errors import DeadlockError
from headrace.graph.compile import assembled
from headrace.graph.dag import RESOURCES, Dag, Edge, Node, Program

__all__ = ["Lock", "locks"]

MOST = 50_000  # items that a source gives in a rehearsal
Kind = Literal["none", "many"]  # no item for so many in a row, or so many for one
Whim = tuple[Kind, int]
KINDS: Mapping[str, tuple[Kind, ...]] = {"filter": ("none",), "flat_map": ("none", "many")}
SAYS = {"none": "leaves out {} in a row", "many": "gives {} for one"}
Vary = Callable[[list[Any]], Iterator[Any]]


class Lock(NamedTuple):
    """A way in which a pipeline locks up: where, what waits for what, and what helps."""

    where: str
    what: str
    fix: str


def locks(program: Program) -> Iterator[Lock]:
    """Every way in which the pipeline was seen to lock up, and what it runs per item."""
    stage = _Rehearsal(program)
    error = stage.locked({})
    if error is not None:
        yield Lock(_place(error), f"locks up: {_waits(error)}", stage.fix(error))
    else:
        yield from stage.whims()
    for inner in program.inner.values():
        yield from locks(inner)


class _Rehearsal:
    """One pipeline, to be run with stand-ins, with other bounds, and with steps that give none or many."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.dag = program.dag
        batches = {node.id for node in self.dag.nodes if node.kind == "batch"}
        sizes = [value for (id, _), value in program.constants.items() if id in batches]
        bounds = [node.max_in_flight for node in self.dag.nodes]
        self.count = min(MOST, 20 + 2 * math.ceil(sum(sizes) + sum(bounds)))  # more than all of it can hold
        self.batched = _batched(self.dag)

    def locked(self, whims: Mapping[str, Whim], bounds: Mapping[str, int] | None = None) -> DeadlockError | None:
        """What is said if that run locks up."""
        nodes = [self._node(node, bounds or {}) for node in self.dag.nodes]
        program = msgspec.structs.replace(
            self.program,
            dag=assembled(self.dag.name, self.dag.returns, self.dag.outputs, nodes),
            functions={node.id: self._function(node, whims.get(node.id)) for node in nodes},
            constants={key: self._constant(*key, value) for key, value in self.program.constants.items()},
            inner={},
            limits={},
            retries={},
        )
        try:
            run(program, {node.id: self._items() for node in nodes if node.kind == "parameter"})
        except DeadlockError as error:
            return error
        except Exception:  # streams of different length, or what the stand-ins cannot do
            return None
        return None

    def whims(self) -> Iterator[Lock]:
        """What locks up when a step gives no item for many, or many for one."""
        for node in self.dag.nodes:
            if node.kind in KINDS and node.id not in self.batched:
                found = [whim for kind in KINDS[node.kind] if (whim := self._least_whim(node, kind)) is not None]
                if found:
                    yield self._lock(node, found)

    def _least_whim(self, node: Node, kind: Kind) -> Whim | None:
        """The least that has to happen for the run to lock up."""

        def locked(number: int) -> bool:
            return self.locked({node.id: (kind, number)}) is not None

        most = self.count // 2
        return (kind, _least(most, locked)) if locked(most) else None

    def _lock(self, node: Node, whims: list[Whim]) -> Lock:
        error = self.locked({node.id: whims[0]})
        does = " or ".join(SAYS[kind].format(number) for kind, number in whims)
        larger = ", ".join(f"{name} a max_in_flight that is larger than any such number" for name in _full(error))
        fix = f"zip first, and then use {node}" + (f"; or give {larger}" if larger else "")
        return Lock(node.where, f"locks up when it {does}: {_waits(error)}", fix)

    def fix(self, error: DeadlockError) -> str:
        """Which bounds are enough, if any are."""
        full = [node.id for node in self.dag.nodes if any(f"'{node.id}'" in name for name in _full(error))]
        apart = "read the branches at the same pace"
        if not full or self.locked({}, dict.fromkeys(full, self.count)) is not None:
            return apart
        least = _least(self.count, lambda bound: self.locked({}, dict.fromkeys(full, bound)) is None)
        return f"max_in_flight={least} on {' and '.join(str(self.dag.node(id)) for id in full)}; or {apart}"

    # -- stand-ins -------------------------------------------------------------------------------------------

    def _items(self) -> list[int]:
        return list(range(self.count))

    def _node(self, node: Node, bounds: Mapping[str, int]) -> Node:
        """The node without what takes time; where it runs does not change what it waits for."""
        return msgspec.structs.replace(
            node,
            kind="value" if node.kind in RESOURCES else node.kind,
            inputs=tuple(entry for entry in node.inputs if node.kind != "batch" or entry.parameter != "timeout"),
            max_in_flight=bounds.get(node.id, node.max_in_flight),
            executor="inline",
            concurrency=1,
            ordered=True,
            on_error="catch" if node.on_error == "catch" else "raise",
            max_failures=None,
            inner=None,
            idempotent=False,
            timeout=None,
            checkpoint=False,
            limit=None,
            retry=None,
        )

    def _constant(self, id: str, place: int, value: Any) -> Any:
        node = self.dag.node(id)
        if node.kind == "iterate":
            return self._items()
        timed = any(entry.parameter == "timeout" for entry in node.inputs)
        return 1 if node.kind == "batch" and timed and place == 1 else value

    def _function(self, node: Node, whim: Whim | None) -> Callable[..., Any]:
        varied = _varied(whim)
        match node.kind:
            case "source":
                return lambda *_, **__: iter(self._items())
            case "collect":
                return list
            case "filter":
                return lambda *_, **__: bool(list(varied([True])))
            case "flat_map" if node.id in self.batched:
                return lambda *args, **named: iter(_item(node, args, named))
            case "flat_map":
                return lambda *args, **named: varied([_item(node, args, named)])
            case "map":
                return lambda *args, **named: _item(node, args, named)
            case "transform":
                return _read
            case _:
                return self._value

    def _value(self, *args: Any, **named: Any) -> list[int]:
        """What a step gives that is called once, when its streams have ended: something to iterate over."""
        for _ in _read(*args, **named):
            pass
        return self._items()


def _varied(whim: Whim | None) -> Vary:
    """What gives one item for each, but for the first calls."""
    kind, number = whim or ("none", 0)
    first = iter(range(number if kind == "none" else 1))

    def varied(items: list[Any]) -> Iterator[Any]:
        times = 1 if next(first, None) is None else 0 if kind == "none" else number
        return iter(items * times)

    return varied


def _read(*args: Any, **named: Any) -> Iterator[Any]:
    """The items of all streams among the arguments, read in turn; gives those of the first."""
    streams = [argument for argument in (*args, *named.values()) if hasattr(argument, "__next__")]
    return (items[0] for items in zip(*streams, strict=False))


def _item(node: Node, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """The item of a call: what a step gives is taken to be like it."""
    positional = [entry for entry in node.inputs if not entry.keyword]
    for entry in node.inputs:
        if isinstance(entry, Edge) and entry.delivery == "item":
            return named[entry.parameter] if entry.keyword else args[positional.index(entry)]
    return args


def _batched(dag: Dag) -> frozenset[str]:
    """The flat_map nodes that flatten batches."""
    sources = {node.id: [edge.source for edge in node.stream_edges] for node in dag.nodes}
    batches: set[str] = set()
    for node in dag.nodes:
        through = node.kind == "map" and sources[node.id][0] in batches
        if node.kind == "batch" or through:
            batches.add(node.id)
    return frozenset(node.id for node in dag.nodes if node.kind == "flat_map" and sources[node.id][0] in batches)


def _least(most: int, holds: Callable[[int], bool]) -> int:
    """The least number for which it holds; it does for `most`, and for all above the least."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _waits(error: DeadlockError | None) -> str:
    return str(error).removeprefix("every stage waits for another: ").partition(". To get past this point: ")[0]


def _full(error: DeadlockError | None) -> list[str]:
    return re.findall(r"max_in_flight=\d+ on (step '[^']+' \([^)]*\))", str(error))


def _place(error: DeadlockError) -> str:
    return str(re.findall(r"\(([^()]+:\d+)\)", str(error))[0])
