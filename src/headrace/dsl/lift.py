"""Lifting: a sub-pipeline that runs for each item of a stream becomes nodes of the pipeline around it.

Lives here: how what a body recorded for one item is turned into nodes for a stream of items. Must not live here: the
syntax (stream.py, pipeline.py), how an inner run is run (the drivers).

The rules:

1. A step that gives a value is called per item. If it takes several such values, these are zipped: there is one of each
   for every item. If it takes none, it is called per item all the same.
2. A generator step flattens, in order, and so do the per-item steps behind it.
3. Where an inner stream is read as a whole (collected, batched, zipped, given to a step that takes an iterator), that
   item's own stream is meant. The part of the body that belongs to it becomes one node with a DAG of its own, which is
   run per item.
4. A resource is that of the run around, and shared by all items, unless it is made of something that depends on the
   item: then what takes it is run per item together with it.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from headrace.dsl.binding import spread_hint
from headrace.dsl.handle import Handle, Value
from headrace.dsl.pipeline import Pipeline, checked_arguments, outputs_of
from headrace.dsl.stream import Stream, zipped
from headrace.dsl.trace import Trace, spread_inputs, tracing
from headrace.errors import HandleError, HintError, WiringError
from headrace.graph.compile import compile_recording
from headrace.graph.dag import RESOURCES, Kind
from headrace.graph.draft import Draft, Given, Recording
from headrace.graph.hints import describe, item_of, iterates, tuple_length, tuple_of
from headrace.graph.options import Options
from headrace.graph.stages import may_pause

__all__ = ["Part", "lift", "lift_here", "lift_over", "lift_spread", "parts_of"]

FLAT = frozenset({"map", "flat_map", "filter"})
BEGINS = frozenset({"source", "iterate"})


def lift(
    trace: Trace,
    kind: Kind,
    part: Pipeline[Any, Any],
    items: Stream[Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Stream[Any]:
    """What `part(item, *args, **kwargs)` gives for each of `items`, as `.map` or `.flat_map` has it.

    Raises: BuildError: the arguments do not fit, or the pipeline gives nothing that fits `kind`.
    """
    if kind not in ("map", "flat_map"):
        raise WiringError(
            f"{part._where}: .{kind} takes a step or a function, got a pipeline; use .map, and then .{kind} with "
            f"what it gives (called at {trace.here()})"
        )
    for stream in (each for each in (*args, *kwargs.values()) if isinstance(each, Stream)):
        raise HandleError(
            f"{part._where}: runs for each item with one value for each other parameter, got {stream._what()}; add "
            ".collect() to give all of it to every run, or use zip_streams and .starmap (called at "
            f"{trace.here()})"
        )
    item = Value(trace, items._id, items._hint)  # has the type of one item
    arguments = checked_arguments(part._where, part.callee, trace, (item, *args), kwargs)
    return lift_over(trace, kind, part, {name: items if each is item else each for name, each in arguments.items()})


def lift_spread(trace: Trace, part: Pipeline[Any, Any], items: Stream[Any]) -> Stream[Any]:
    """What `part(*item)` gives for each of `items`."""
    hints = typing.get_args(spread_hint(part.callee, items._hint))
    known = typing.get_args(items._hint) if tuple_length(items._hint) == len(hints) else hints
    names = [each.name for each in part.callee.parameters.values()]
    given = parts_of(
        trace,
        items,
        [
            Part(trace.unique(name), itemgetter(place), name, hint)
            for place, (name, hint) in enumerate(zip(names, known, strict=False))
        ],
    )
    values = [Value(trace, stream._id, stream._hint) for stream in given]
    arguments = checked_arguments(part._where, part.callee, trace, values, {})
    return lift_over(trace, "map", part, {**arguments, **dict(zip(names, given, strict=False))})


def lift_over(trace: Trace, kind: Kind, part: Pipeline[Any, Any], arguments: Mapping[str, Any]) -> Stream[Any]:
    """The same, where every stream among `arguments` gives one item for each call."""
    with trace.inside(part.name):
        return lift_here(trace, kind, part, arguments)


def lift_here(trace: Trace, kind: Kind, part: Pipeline[Any, Any], arguments: Mapping[str, Any]) -> Stream[Any]:
    """The same, in the path in which the trace is already."""
    body = trace.beside()
    given: dict[str, Any] = {}
    items: dict[str, Stream[Any]] = {}
    values: dict[str, Value] = {}
    for name, argument in arguments.items():
        given[name] = argument
        if isinstance(argument, Handle):
            given[name] = parameter = body.parameter(name, argument._hint, part.callee.where)
            if isinstance(argument, Stream):
                items[parameter._id] = argument
            elif isinstance(argument, Value):
                values[parameter._id] = argument
    with tracing(body):
        handles, returns = outputs_of(part._where, part.callee, part._record(body, given))
    trace.uses |= body.uses
    lifted = _Lift(trace, body.drafts, items, values, [handle._id for handle in handles])
    result = lifted.result()
    if kind == "map":
        if returns == "stream":
            raise WiringError(
                f"{part._where}: .map needs one result for each item, got a stream; use .flat_map, or let it "
                f"collect (called at {trace.here()})"
            )
        return result
    return result if returns == "stream" else _flattened(trace, part, result)


def _flattened(trace: Trace, part: Pipeline[Any, Any], result: Stream[Any]) -> Stream[Any]:
    """What is in the values that a pipeline gives."""
    if not iterates(result._hint):
        raise HintError(
            f"{part._where}: flat_map needs something that can be iterated for each item, got "
            f"{describe(result._hint)}; use .map (called at {trace.here()})"
        )
    given = Given("items", "item", result._id, hint=result._hint, wanted=result._hint)
    hint = item_of(result._hint)
    id = trace.unique("items")
    return _streamed(trace, Draft(id, "items", "flat_map", "stream", hint, iter, called=trace.here(), inputs=(given,)))


class Part(NamedTuple):
    """One part of each item of a stream: the id of its node, what gets it out, its name and type."""

    id: str
    get: Any
    name: str
    hint: Any


def parts_of(trace: Trace, items: Stream[Any], parts: Iterable[Part]) -> list[Stream[Any]]:
    """A stream of each part, by a generated node."""
    given = Given("item", "item", items._id, hint=items._hint, wanted=items._hint)
    return [
        _streamed(trace, Draft(id, name, "map", "stream", hint, get, called=trace.here(), inputs=(given,)))
        for id, get, name, hint in parts
    ]


class _Lift:
    """Puts the drafts of one body into `trace`, once for each item.

    Args:
        drafts: What the body recorded, in its order.
        items: By the ids of parameters: the streams that give them an item each time. All are equally long.
        values: By the ids of the other parameters: values that are the same for every item.
        outputs: The ids of what the body returns.
    """

    def __init__(
        self,
        trace: Trace,
        drafts: Mapping[str, Draft],
        items: Mapping[str, Stream[Any]],
        values: Mapping[str, Value],
        outputs: Iterable[str],
    ) -> None:
        self.trace = trace
        self.drafts = drafts
        self.items: dict[str, Stream[Any]] = dict(items)  # what there is one of for every item
        self.flat: dict[str, Stream[Any]] = {}  # inner streams, one behind the other
        self.values: dict[str, Value] = dict(values)
        self.outputs = tuple(outputs)
        self.placed = {*items, *values}
        self.each = next(iter(items.values()))
        self.groups = _Groups(drafts, self.values.keys(), self.outputs).of
        for id, draft in drafts.items():
            if draft.kind != "item_resource":  # it is placed where a step takes it
                self._place(id)

    def result(self) -> Stream[Any]:
        """A stream of what the body returns: of values, of tuples of them, or of all that its streams give."""
        if len(self.outputs) == 1:
            [id] = self.outputs
            return self.flat[id] if id in self.flat else self._item(id)
        if self.outputs:
            return zipped(self.trace, [self._item(id) for id in self.outputs])  # type: ignore[no-any-return]
        nothing = Draft(self.trace.unique("nothing"), "nothing", "map", "stream", type(None), _nothing)
        return self._added(msgspec.structs.replace(nothing, called=self.trace.here()), (self._trigger(),))

    def _item(self, id: str) -> Stream[Any]:
        """The stream of a value; one that does not depend on the item is repeated."""
        if id not in self.items:
            value = self.values[id]
            given = Given("value", "value", value._id, hint=value._hint, wanted=value._hint)
            draft = Draft(
                self.trace.unique("value"), "value", "map", "stream", value._hint, _same, called=self.trace.here()
            )
            self.items[id] = self._added(draft, (self._trigger(), given))
        return self.items[id]

    # -- placing -----------------------------------------------------------------------------------------------

    def _place(self, id: str) -> None:
        draft = self.drafts[id]
        if id in self.placed:
            return
        group = self.groups.get(id, [id])
        self.placed.update(group)
        whole = self._with_recipes(group) if id in self.groups else group
        for member in whole:
            for given in self.drafts[member].inputs:
                if given.source is not None and given.source not in whole:
                    self._place(given.source)
        if id in self.groups:
            self._place_group(whole, self._exits(group))
        elif draft.kind in RESOURCES:
            shared = msgspec.structs.replace(draft, inputs=tuple(map(self._of_run, draft.inputs)))
            self.values[id] = typing.cast("Value", self.trace.add(shared))
        elif draft.kind == "value":
            self.items[id] = self._called(draft, "map")
        elif draft.kind in BEGINS:
            self.flat[id] = self._called(draft, "flat_map")
        else:
            stream = self.flat[draft.inputs[0].source or ""]
            first = msgspec.structs.replace(draft.inputs[0], source=stream._id)
            self.flat[id] = self._added(draft, (first, *map(self._of_run, draft.inputs[1:])))

    def _called(self, draft: Draft, kind: Any) -> Stream[Any]:
        """The node of a function that the body calls once."""
        function = iter if draft.kind == "iterate" else draft.function
        lifted = [given for given in draft.inputs if given.source in self.items]
        inputs = [given if given in lifted else self._of_run(given) for given in draft.inputs]
        changed = msgspec.structs.replace(draft, kind=kind, gives="stream", function=function)
        return self._added(changed, self._per_item(draft, inputs, lifted))

    def _per_item(self, draft: Draft, inputs: list[Given], lifted: list[Given]) -> tuple[Given, ...]:
        """The inputs of a node that is called per item: `lifted` are those that come with the item."""
        if not lifted:
            return (self._trigger(), *inputs)
        streams = [self.items[given.source or ""] for given in lifted]
        if len(lifted) == 1:
            item = msgspec.structs.replace(lifted[0], delivery="item", source=streams[0]._id)
            return tuple(item if given is lifted[0] else given for given in inputs)
        pairs: Stream[Any] = zipped(self.trace, streams)
        wanted = tuple_of(tuple(given.wanted for given in lifted))
        names = [given.parameter for given in lifted]
        return spread_inputs(draft, draft.function, pairs, names, wanted, inputs)

    def _trigger(self) -> Given:
        return Given("*", "trigger", self.each._id, hint=self.each._hint)

    def _of_run(self, given: Given) -> Given:
        """An input that is the same for every item."""
        if given.source is None:
            return given
        return msgspec.structs.replace(given, source=self.values[given.source]._id)

    def _added(self, draft: Draft, inputs: tuple[Given, ...]) -> Stream[Any]:
        return _streamed(self.trace, msgspec.structs.replace(draft, inputs=inputs))

    # -- what is run per item ----------------------------------------------------------------------------------

    def _with_recipes(self, group: list[str]) -> list[str]:
        """The group, with the resources that its steps enter for each call: in the inner run there are such calls."""
        found, stack = set(group), list(group)
        while stack:
            for given in self.drafts[stack.pop()].inputs:
                source = given.source
                if source is not None and source not in found and self.drafts[source].kind == "item_resource":
                    found.add(source)
                    stack.append(source)
        return [id for id in self.drafts if id in found]

    def _place_group(self, group: list[str], exits: list[str]) -> None:
        """One node that runs the drafts of `group` for each item."""
        parameters = self._parameters(group)
        name = self.trace.path
        ids = {source: f"{name}({draft.name})" for source, draft in parameters.items()}
        inner = [msgspec.structs.replace(draft, id=ids[source]) for source, draft in parameters.items()]
        inner += [_renamed(self.drafts[member], ids) for member in group]
        streams = len(exits) == 1 and self.drafts[exits[0]].gives == "stream"
        returns: Any = "stream" if streams else ("nothing", "value", "tuple")[min(len(exits), 2)]
        program = compile_recording(Recording(name, tuple(inner), tuple(exits), returns))
        hints = tuple(self.drafts[id].result for id in exits)
        made = self._run_per_item(program, list(parameters.items()), hints[0] if len(hints) == 1 else tuple_of(hints))
        if streams:
            self.flat[exits[0]] = made
        elif len(exits) == 1:
            self.items[exits[0]] = made
        else:
            parts = [Part(id, itemgetter(place), self.drafts[id].name, hints[place]) for place, id in enumerate(exits)]
            self.items.update(zip(exits, parts_of(self.trace, made, parts), strict=True))

    def _run_per_item(self, program: Any, sources: list[tuple[str, Draft]], hint: Any) -> Stream[Any]:
        waits = any(node.executor != "inline" or may_pause(node) for node in program.dag.nodes)
        draft = Draft(
            self.trace.unique("inner"),
            "inner",
            "flat_map" if program.dag.returns == "stream" else "map",
            "stream",
            hint,
            called=self.trace.here(),
            options=Options(executor="async" if waits else "inline"),
            inner=program,
        )
        given = [
            Given(draft.name, "value", source, hint=draft.result, wanted=draft.result) for source, draft in sources
        ]
        lifted = [each for each in given if each.source in self.items]
        others = [self._of_run(each) for each in given if each.source not in self.items]
        return self._added(draft, self._per_item(draft, [*lifted, *others], lifted))

    def _parameters(self, group: list[str]) -> dict[str, Draft]:
        """What the group takes from outside, as parameters of its own: first what comes with the item."""
        sources = [given.source for member in group for given in self.drafts[member].inputs]
        outside = [source for source in dict.fromkeys(sources) if source is not None and source not in group]
        outside.sort(key=lambda source: source not in self.items)
        found: dict[str, Draft] = {}
        names: set[str] = set()
        for source in outside:
            draft, number = self.drafts[source], 1
            name = draft.name
            while name in names:
                name = f"{draft.name}_{(number := number + 1)}"
            names.add(name)
            found[source] = Draft("", name, "parameter", "value", draft.result, where=draft.where, called=draft.called)
        return found

    def _exits(self, group: list[str]) -> list[str]:
        """What others need of the group."""
        used = {given.source for id, draft in self.drafts.items() if id not in group for given in draft.inputs}
        return [id for id in group if id in used or id in self.outputs]


class _Groups:
    """Which drafts belong to one inner run: with each draft, those that are read and run together with it."""

    def __init__(self, drafts: Mapping[str, Draft], values: Iterable[str], outputs: tuple[str, ...]) -> None:
        self.drafts = drafts
        self.values = frozenset(values) | _shared(drafts, values)
        self.own = {id for id, draft in drafts.items() if draft.kind in RESOURCES} - self.values
        self.below: dict[str, list[str]] = {id: [] for id in drafts}
        for draft in drafts.values():
            for given in draft.inputs:
                if given.source is not None:
                    self.below[given.source].append(draft.id)
        joined = self._joined()
        self.of: dict[str, list[str]] = {}
        for id in drafts:
            if id not in self.of and any(map(self._needs_its_own_stream, joined.get(id, ()))):
                group = self._closed(set(joined[id]), joined, outputs)
                ordered = [member for member in drafts if member in group]
                self.of.update(dict.fromkeys(ordered, ordered))

    def _joined(self) -> dict[str, set[str]]:
        """With each draft that gives or reads a stream, or an item's own resource, all that are joined by these."""
        joined: dict[str, set[str]] = {}
        for draft in self.drafts.values():
            sources = [
                given.source
                for given in draft.inputs
                if given.source and (given.delivery != "value" or given.source in self.own)
            ]
            if draft.gives == "stream" or sources or draft.id in self.own:
                together = {draft.id}.union(*(joined[source] for source in sources))
                joined.update(dict.fromkeys(together, together))
        return joined

    def _needs_its_own_stream(self, id: str) -> bool:
        draft = self.drafts[id]
        if draft.kind in BEGINS or draft.kind in RESOURCES:
            return id in self.own
        extras = {given.source for given in draft.inputs[1:] if given.source is not None}
        return draft.kind not in FLAT or not extras <= self.values

    def _closed(self, group: set[str], joined: Mapping[str, set[str]], outputs: tuple[str, ...]) -> set[str]:
        """The group with all that lies between its members, and, if it gives the output stream, all behind it."""
        while True:
            after, before = self._reached(group, self._after), self._reached(group, self._before)
            streams = any(id in group and self.drafts[id].gives == "stream" for id in outputs)
            more = after if streams else after & before
            larger = group.union(more, *(joined.get(id, ()) for id in more), *(self.of.get(id, ()) for id in more))
            if larger == group:
                return group
            group = larger

    def _reached(self, group: set[str], following: Any) -> set[str]:
        found: set[str] = set()
        stack = list(group)
        while stack:
            for id in following(stack.pop()):
                if id not in found:
                    found.add(id)
                    stack.append(id)
        return found

    def _after(self, id: str) -> list[str]:
        return self.below[id]

    def _before(self, id: str) -> list[str]:
        sources = [given.source for given in self.drafts[id].inputs if given.source is not None]
        return [source for source in sources if self.drafts[source].kind != "parameter"]


def _shared(drafts: Mapping[str, Draft], values: Iterable[str]) -> frozenset[str]:
    """The resources that are made of nothing but `values`."""
    known = set(values)
    for id, draft in drafts.items():
        if draft.kind in RESOURCES and all(given.source is None or given.source in known for given in draft.inputs):
            known.add(id)
    return frozenset(known)


def _renamed(draft: Draft, ids: Mapping[str, str]) -> Draft:
    """The draft with other sources."""
    inputs = tuple(
        given if given.source is None else msgspec.structs.replace(given, source=ids.get(given.source, given.source))
        for given in draft.inputs
    )
    return msgspec.structs.replace(draft, inputs=inputs)


def _streamed(trace: Trace, draft: Draft) -> Stream[Any]:
    handle: Handle = trace.add(draft)
    assert isinstance(handle, Stream)
    return handle


def _same(value: Any) -> Any:
    return value


def _nothing() -> None:
    pass
