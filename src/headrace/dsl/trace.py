"""Recording: what a pipeline body does with its handles becomes drafts of nodes.

Lives here: the trace of one body, and how a call becomes a node. Must not live here: handles (handle.py), which
argument goes where (binding.py), checks that a compiled pipeline needs too (graph/check.py), or the syntax (step.py,
stream.py, pipeline.py).
"""

from __future__ import annotations

import collections.abc as abc
import contextvars
import copy
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from headrace.dsl.binding import ITEM, bound, spread_hint
from headrace.dsl.handle import Handle, Value, called_at, has_handle
from headrace.dsl.settings import Settings, changes_for, settled
from headrace.dsl.stand_in import key_of, stand_in
from headrace.engine.failure import Failure
from headrace.errors import HandleError, HintError, WiringError
from headrace.graph.callee import BUILT_IN, Callee
from headrace.graph.dag import RESOURCES, Kind
from headrace.graph.draft import Draft, Given, Recording, Returns
from headrace.graph.factory import Factory, read_factory
from headrace.graph.hints import (
    bind_variables,
    describe,
    is_union,
    item_of,
    iterates,
    substitute,
    takes_stream,
    tuple_of,
)
from headrace.graph.options import Options
from headrace.graph.stages import PER_ITEM
from headrace.graph.values import shown

__all__ = ["Trace", "current_trace", "spread_inputs", "tracing"]

SYNC: set[Any] = {abc.Iterator, abc.Iterable}
ASYNC: set[Any] = {abc.AsyncIterator, abc.AsyncIterable}
_current: contextvars.ContextVar[Trace | None] = contextvars.ContextVar("headrace trace", default=None)


def current_trace() -> Trace | None:
    """The trace of the pipeline body that is running, if one is."""
    return _current.get()


@contextmanager
def tracing(trace: Trace) -> Iterator[None]:
    """Within it, calls of steps are recorded in `trace`."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


class Trace:
    """The nodes that one pipeline body records, sub-pipelines included."""

    def __init__(self, name: str, make_stream: Callable[[Trace, str, Any], Handle]) -> None:
        self.name = name
        self.make_stream = make_stream
        self.drafts: dict[str, Draft] = {}
        self.path: str = name
        self.uses: dict[str, int] = {}
        self.place: str | None = None  # where the call stands, if not in the code that is running
        self.replaceable: dict[Any, str] = {}  # every function that was recorded, by its key
        self.replacements: Mapping[Any, Callable[..., Any]] = {}
        self.settable: list[str] = []  # the ids of every step that was recorded
        self.settings: Settings = {}

    def beside(self) -> Trace:
        """A trace for a body whose nodes come into this one in another form."""
        other = copy.copy(self)
        other.drafts, other.uses = {}, {}
        return other

    def here(self) -> str:
        """File name and line of the call that is being recorded."""
        return self.place or called_at()

    def recording(self, outputs: tuple[str, ...], returns: Returns) -> Recording:
        """What has been recorded, as the compiler takes it."""
        return Recording(self.name, tuple(self.drafts.values()), outputs, returns)

    def unique(self, name: str) -> str:
        """A path for one more node or sub-pipeline of that name: `crawl/fetch`, then `crawl/fetch#2`."""
        path = f"{self.path}/{name}"
        self.uses[path] = count = self.uses.get(path, 0) + 1
        return path if count == 1 else f"{path}#{count}"

    @contextmanager
    def at(self, place: str | None) -> Iterator[None]:
        """Within it, calls stand at `place`; None: in the code that is running."""
        outer, self.place = self.place, place
        try:
            yield
        finally:
            self.place = outer

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Within it, nodes get the path of a sub-pipeline."""
        outer, self.path = self.path, self.unique(name)
        try:
            yield
        finally:
            self.path = outer

    @contextmanager
    def replacing(self, replacements: Mapping[Any, Callable[..., Any]]) -> Iterator[None]:
        """Within it, other functions stand in for some, unless a pipeline around this one has replaced them too."""
        outer, self.replacements = self.replacements, {**replacements, **self.replacements}
        try:
            yield
        finally:
            self.replacements = outer

    def _chosen(
        self, callee: Callee, function: Callable[..., Any], options: Options, *, per_item: bool
    ) -> tuple[Callee, Callable[..., Any], Options]:
        """The step as it is recorded: itself, or what stands in for it."""
        fake = self._replacement(callee, function)
        return (callee, function, options) if fake is None else stand_in(fake, callee, options, per_item=per_item)

    def _replacement(self, callee: Callee, function: Callable[..., Any]) -> Callable[..., Any] | None:
        """What stands in for that function, if something does."""
        key = key_of(function)
        self.replaceable[key] = f"'{callee.name}' ({callee.where})"
        return self.replacements.get(key)

    def add(self, draft: Draft) -> Handle:
        """Record a node; gives its handle."""
        self._check_name(draft)
        self.drafts[draft.id] = draft
        make = self.make_stream if draft.gives == "stream" else Value
        return make(self, draft.id, draft.result)

    def _check_name(self, draft: Draft) -> None:
        """Two steps of one name would be told apart only by the order of their calls."""
        twin = self.drafts.get(f"{self.path}/{draft.name}")
        if twin is None or draft.name == "lambda" or BUILT_IN in (twin.where, draft.where):
            return
        if not RESOURCES.isdisjoint((twin.kind, draft.kind)):  # is named by whoever wrote the function
            return
        if twin.where != draft.where:
            raise WiringError(
                f"{draft}: needs a name of its own in pipeline '{self.path}', got that of {twin}; rename "
                "one of them, "
                f'with step("name", fn=...) or .options(name=...) (called at {self.here()})'
            )

    def parameter(self, name: str, hint: Any, where: str) -> Value:
        """Record a parameter of the pipeline."""
        id = f"{self.path}({name})"
        where = self.here() if where == BUILT_IN else where
        self.drafts[id] = Draft(id, name, "parameter", "value", hint, where=where, called=where)
        return Value(self, id, hint)

    def built_in(
        self,
        kind: Kind,
        gives: Literal["value", "stream"],
        result: Any,
        inputs: tuple[Given, ...],
        name: str = "",
        function: Callable[..., Any] | None = None,
    ) -> Handle:
        """Record a node that is none of the user's steps."""
        name = name or kind
        return self.add(
            Draft(self.unique(name), name, kind, gives, result, function, called=self.here(), inputs=inputs)
        )

    def call(
        self,
        callee: Callee,
        function: Callable[..., Any],
        options: Options,
        arguments: Any,
        keywords: Mapping[str, Any],
    ) -> Handle:
        """Record one call of a step with handles and constants."""
        callee, function, options = self._chosen(callee, function, options, per_item=False)
        bindings: dict[Any, Any] = {}
        inputs = self._inputs(callee, arguments, keywords, bindings)
        whole = any(given.delivery == "stream" for given in inputs)
        kind: Kind = ("transform" if whole else "source") if callee.streams else "value"
        return self._add_step(kind, callee, function, options, inputs, substitute(callee.result, bindings))

    def per_item(
        self,
        kind: Kind,
        stream: Handle,
        callee: Callee,
        function: Callable[..., Any],
        options: Options,
        arguments: tuple[Any, ...] = (ITEM,),
        keywords: Mapping[str, Any] | None = None,
    ) -> Handle:
        """Record calls of a step for each item of a stream, which goes where ITEM stands."""
        callee, function, options = self._chosen(callee, function, options, per_item=True)
        bindings: dict[Any, Any] = {}
        inputs = self._inputs(callee, arguments, keywords or {}, bindings, stream)
        return self._add_step(
            kind, callee, function, options, inputs, self._item_result(kind, stream, callee, bindings)
        )

    def spread(self, stream: Handle, callee: Callee, function: Callable[..., Any], options: Options) -> Handle:
        """Record calls of a step with each item of a stream spread over its parameters."""
        callee, function, options = self._chosen(callee, function, options, per_item=True)
        self._check_own(stream)
        self._check_one_result("starmap", callee, "give a list, and flatten it with .flat_map(iter)")
        for parameter in callee.parameters.values():
            if parameter.required and not parameter.positional and not parameter.variadic:
                raise WiringError(
                    f"{callee}: missing an argument for '{parameter.name}', which .starmap cannot give "
                    "because it takes a keyword only; make it positional, or give it a default (called at "
                    f"{self.here()})"
                )
        wanted = spread_hint(callee, stream._hint)
        bindings: dict[Any, Any] = {}
        bind_variables(wanted, stream._hint, bindings)
        given = Given("*", "unpacked", stream._id, hint=stream._hint, wanted=substitute(wanted, bindings))
        return self._add_step("map", callee, function, options, (given,), substitute(callee.result, bindings))

    def spread_over(
        self,
        kind: Kind,
        stream: Handle,
        names: Sequence[str],
        callee: Callee,
        function: Callable[..., Any],
        options: Options,
        keywords: Mapping[str, Any],
    ) -> Handle:
        """Record calls of a step with each item of a stream, a tuple, spread over the parameters `names`."""
        callee, function, options = self._chosen(callee, function, options, per_item=True)
        self._check_own(stream)
        bindings: dict[Any, Any] = {}
        parts = dict(zip(names, typing.get_args(stream._hint), strict=True))
        given = self._inputs(callee, (), {**dict.fromkeys(names, ITEM), **keywords}, bindings, stream, parts)
        wanted = tuple_of(tuple(substitute(callee.parameters[name].hint, bindings) for name in names))
        inputs = spread_inputs(callee, function, stream, names, wanted, given)
        return self._add_step(
            kind, callee, function, options, inputs, self._item_result(kind, stream, callee, bindings)
        )

    def resource(
        self, kind: Kind, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> Handle:
        """Record a resource that `function` makes."""
        factory = read_factory(function)
        fake = self._replacement(factory, function)
        if fake is not None:
            factory, function = read_factory(fake, factory.name), fake
        bindings: dict[Any, Any] = {}
        inputs = self._inputs(factory, arguments, keywords, bindings)
        options = Options(executor="async" if factory.is_async else "inline")
        return self._add_step(kind, factory, function, options, inputs, substitute(factory.result, bindings))

    def _item_result(self, kind: Kind, stream: Handle, callee: Callee, bindings: dict[Any, Any]) -> Any:
        if kind != "flat_map":
            self._check_one_result(kind, callee, "use .flat_map")
        if kind == "filter":
            return stream._hint
        result = substitute(callee.result, bindings)
        if kind == "flat_map" and not callee.streams:
            if not iterates(result):
                raise HintError(
                    f"{callee}: flat_map needs something that can be iterated for each item, got "
                    f"{describe(result)}; use .map, or give a list or an iterator (called at {self.here()})"
                )
            return item_of(result)
        return result

    def _check_one_result(self, method: str, callee: Callee, fix: str) -> None:
        if callee.streams:
            raise WiringError(
                f"{callee}: .{method} needs one result for each item, got a generator; {fix} (called at {self.here()})"
            )

    def _add_step(
        self,
        kind: Kind,
        callee: Callee,
        function: Callable[..., Any],
        options: Options,
        inputs: tuple[Given, ...],
        result: Any,
    ) -> Handle:
        id = self.unique(callee.name)
        if kind not in RESOURCES:
            options = self._set(id, callee, function, options)
        self._check_mode(kind, callee, options)
        self._check_colour(callee, inputs)
        reads = any(given.delivery == "stream" for given in inputs)
        self._check_overlap(kind, callee, options, reads)
        self._check_failures(kind, callee, options)
        if options.checkpoint:
            self._check_checkpoint(kind, callee, options, inputs)
        self._check_limit(kind, callee, options, reads)
        self._check_retry(kind, callee, options, reads)
        if options.timeout is not None and (kind not in ("map", "filter", "value") or (kind == "value" and reads)):
            raise WiringError(
                f"{callee}: timeout={options.timeout} works for map and filter, and for one call that reads no stream, "
                f"got {_use(kind)}; put what takes long into a step that is called per item (called at {self.here()})"
            )
        gives: Literal["value", "stream"] = "value" if kind == "value" or kind in RESOURCES else "stream"
        draft = Draft(
            id,
            callee.name,
            kind,
            gives,
            result,
            function,
            callee.where,
            self.here(),
            inputs,
            options,
        )
        return self.add(draft)

    def _set(self, id: str, callee: Callee, function: Callable[..., Any], options: Options) -> Options:
        """The options of a step in this pipeline: its own, changed as `settings` say."""
        self.settable.append(id)
        changes = changes_for(id, self.settings)
        return settled(callee, function, options, changes, str(callee)) if changes else options

    def _check_mode(self, kind: Kind, callee: Callee, options: Options) -> None:
        """What a step says about how streams reach it must be so."""
        per_item = kind in PER_ITEM
        if options.mode == "all" and per_item:
            raise WiringError(
                f"{callee}: mode='all' asks for a stream in one call, got .{kind}, which calls it for each item; call "
                f"it with the stream or its .collect(), or leave mode out (called at {self.here()})"
            )
        if options.mode == "each" and not per_item:
            method = "flat_map" if callee.streams else "map"
            raise WiringError(
                f"{callee}: mode='each' asks for a call for each item of a stream, got one call; use "
                f".{method}({callee.name}), or leave mode out (called at {self.here()})"
            )

    def _check_overlap(self, kind: Kind, callee: Callee, options: Options, reads: bool) -> None:
        """Options for calls that overlap are refused where they would do nothing."""
        flat_or_reads = kind == "flat_map" or (kind == "value" and reads)
        if options.executor == "thread" and flat_or_reads:
            raise WiringError(
                f"{callee}: executor='thread' works for map, filter and generator steps, got {_use(kind)}; "
                f"{_overlap_fix(kind)} (called at {self.here()})"
            )
        if options.executor == "process" and (flat_or_reads or kind not in ("map", "filter", "value")):
            fix = _overlap_fix(kind) if flat_or_reads else "use executor='thread'"
            raise WiringError(
                f"{callee}: executor='process' works for map and filter, and for one call that reads no stream, got "
                f"{_use(kind)}; {fix} (called at {self.here()})"
            )
        if kind in ("map", "filter", "value") or (options.ordered and options.concurrency is None):
            return  # a step that is mapped in one place may be called once in another
        option = "ordered=False" if not options.ordered else f"concurrency={options.concurrency}"
        raise WiringError(
            f"{callee}: {option} works for map and filter, whose calls overlap, got {_use(kind)}; "
            f"{_overlap_fix(kind)} (called at {self.here()})"
        )

    def catch(self, stream: Handle) -> Handle:
        """Record that the failures of the step that made `stream` become items; gives their stream."""
        draft = self.drafts[stream._id]
        self._check_catch(draft)
        options = msgspec.structs.replace(draft.options, on_error="catch")
        self.drafts[draft.id] = msgspec.structs.replace(draft, options=options)
        item = next(given.hint for given in draft.inputs if given.delivery in ("item", "unpacked", "trigger"))
        hint = typing.cast("Any", Failure)[item]
        failures = Given("items", "failures", draft.id, hint=hint, wanted=hint)
        return self.add(
            Draft(
                f"{draft.id}/failures",
                "failures",
                "failures",
                "stream",
                hint,
                called=self.here(),
                inputs=(failures,),
            )
        )

    def _check_catch(self, draft: Draft) -> None:
        if draft.kind not in PER_ITEM:
            what, fix = "is not called per item", "call it right behind the .map, .filter or .flat_map of the step"
        elif draft.id.rpartition("/")[0] != self.path:
            what = f"is a step in a pipeline of its own, '{draft.id.rpartition('/')[0]}'"
            fix = "call it right behind the .map, .filter or .flat_map of the step, in that pipeline"
        elif draft.options.on_error == "catch":
            what, fix = "has its failures caught already", "use the streams that the first .catch() gave"
        elif draft.options.on_error == "skip":
            what, fix = "has on_error='skip', which leaves nothing to catch", "leave on_error out"
        else:
            return
        raise WiringError(f"{draft}: {what}, got .catch() on its stream; {fix} (called at {self.here()})")

    def _check_failures(self, kind: Kind, callee: Callee, options: Options) -> None:
        """Options for failures are refused where there is no item that could be left out."""
        if options.max_failures is not None and kind not in ("map", "filter", "flat_map"):
            raise WiringError(
                f"{callee}: max_failures={options.max_failures} works for map, filter and flat_map, got "
                f"{'one call' if kind == 'value' else 'a generator'}, which can fail only once; leave the option out "
                f"(called at {self.here()})"
            )
        if options.on_error == "skip" and kind == "value":
            raise WiringError(
                f"{callee}: on_error='skip' works for steps that give a stream, got a call that gives one value, which "
                f"others need; leave the option out (called at {self.here()})"
            )

    def _check_checkpoint(self, kind: Kind, callee: Callee, options: Options, inputs: tuple[Given, ...]) -> None:
        """Results are kept by what a call is given, which must be there as a whole when it is made."""
        if kind == "source":
            use, fix = "a generator that begins a stream", "leave it out, or give it items with .flat_map"
        elif any(given.delivery == "stream" for given in inputs):
            use, fix = "a step that reads a whole stream", "leave it out, or give the step items or .collect()"
        elif any(given.delivery == "item" and given.parameter in options.unkeyed for given in inputs):
            use, fix = f"the item unkeyed, as {shown(options.unkeyed)}", "leave its parameter out of unkeyed"
        else:
            return
        raise WiringError(
            f"{callee}: checkpoint=True keeps results by the item or the values that a call is given, got {use}; {fix} "
            f"(called at {self.here()})"
        )

    def _check_limit(self, kind: Kind, callee: Callee, options: Options, reads: bool) -> None:
        """A limit is refused where there are no calls that it could let begin, or no end of a call."""
        if options.limit is None:
            return
        if kind not in ("map", "filter", "value") or (kind == "value" and reads):
            raise WiringError(
                f"{callee}: limit works for map and filter, and for one call that reads no stream, got {_use(kind)}; "
                f"{_call_fix(kind, 'is limited')} (called at {self.here()})"
            )
        if kind == "value" and options.limit.cost is not None:
            raise WiringError(
                f"{callee}: limit has cost=, which is given the item of each call, got one call; use .map, or a limit "
                f"without cost (called at {self.here()})"
            )

    def _check_retry(self, kind: Kind, callee: Callee, options: Options, reads: bool) -> None:
        """A retry is refused where a call has taken or given something before it fails, which cannot be undone."""
        if options.retry is None or (kind in ("map", "filter", "value") and not (kind == "value" and reads)):
            return
        raise WiringError(
            f"{callee}: retry works for map and filter, and for one call that reads no stream, got {_use(kind)}; "
            f"{_call_fix(kind, 'may fail')} (called at {self.here()})"
        )

    def _check_colour(self, callee: Callee, inputs: tuple[Given, ...]) -> None:
        """A stream is read with `for` in a plain function, and with `async for` in an async one."""
        for given in inputs:
            kinds = _lazy_kinds(given.wanted) if given.delivery == "stream" else set()
            if kinds and kinds <= (SYNC if callee.is_async else ASYNC):
                item = describe(item_of(given.wanted))
                if callee.is_async:
                    what, fix = "is async, so it reads streams with 'async for'", f"hint it as AsyncIterator[{item}]"
                else:
                    what, fix = "is not async, so it reads streams with 'for'", f"hint it as Iterator[{item}]"
                raise HintError(
                    f"{callee}: {what}, got '{given.parameter}' hinted as {describe(given.wanted)}; "
                    f"{fix} (called at {self.here()})"
                )

    # -- arguments -------------------------------------------------------------------------------------------

    def _inputs(
        self,
        callee: Callee,
        arguments: tuple[Any, ...],
        keywords: Mapping[str, Any],
        bindings: dict[Any, Any],
        stream: Handle | None = None,
        parts: Mapping[str, Any] = MappingProxyType({}),
    ) -> tuple[Given, ...]:
        """The inputs of a call: each argument with the parameter that it goes to, `parts` of the item as well."""
        found = []
        for name, hint, keyword, argument in bound(callee, arguments, keywords, self.here()):
            given = self._given(callee, name, hint, argument, stream)
            if argument is ITEM and name in parts:
                given = msgspec.structs.replace(given, hint=parts[name])
            bind_variables(item_of(hint) if given.delivery == "stream" else hint, given.hint, bindings)
            found.append(msgspec.structs.replace(given, keyword=keyword))
        return tuple(msgspec.structs.replace(given, wanted=substitute(given.wanted, bindings)) for given in found)

    def _given(self, callee: Callee, name: str, hint: Any, argument: Any, stream: Handle | None) -> Given:
        if argument is ITEM and stream is not None:
            self._check_own(stream)
            return Given(name, "item", stream._id, hint=stream._hint, wanted=hint)
        if isinstance(argument, Handle):
            self._check_own(argument)
            if isinstance(argument, Value):
                return Given(name, "value", argument._id, hint=argument._hint, wanted=hint)
            if isinstance(callee, Factory):
                raise HandleError(
                    f"{callee}: is made of values, got {argument._what()} as '{name}'; add .collect() (called at "
                    f"{self.here()})"
                )
            if stream is not None:
                raise self._not_an_extra(callee, name, argument)
            if not takes_stream(hint, argument._hint):
                raise self._not_lazy(callee, name, hint, argument)
            return Given(name, "stream", argument._id, hint=argument._hint, wanted=hint)
        _check_constant(callee, name, argument, self.here())
        return Given(name, constant=argument, hint=Any, wanted=hint)

    def _check_own(self, handle: Handle) -> None:
        if handle._trace is not self:
            raise HandleError(
                f"pipeline '{self.name}' ({called_at()}): uses {handle._what()}, which belongs to pipeline "
                f"'{handle._trace.name}'; pass it as an argument"
            )

    def _not_lazy(self, callee: Callee, name: str, hint: Any, stream: Handle) -> HintError:
        wants_all = hint is not str and iterates(hint) and hint is not bytes
        method = "flat_map" if callee.streams else "map"
        fix = "add .collect()" if wants_all else f"to call it for each item, use .{method}({callee.name}, ...)"
        return HintError(
            f"{callee}: takes {describe(hint)} as '{name}', got {stream._what()}, a stream of "
            f"{describe(stream._hint)}; {fix} (called at {self.here()})"
        )

    def _not_an_extra(self, callee: Callee, name: str, stream: Handle) -> HandleError:
        return HandleError(
            f"{callee}: is called for each item with one value as '{name}', got {stream._what()}; add "
            ".collect() to give all of it to every call, or use zip_streams to give one item to each "
            f"(called at {self.here()})"
        )


def spread_inputs(
    step: object, function: Any, stream: Handle, names: Sequence[str], wanted: Any, inputs: Sequence[Given]
) -> tuple[Given, ...]:
    """The inputs of a step that gets each item of a stream of tuples spread over its parameters `names`.

    That is done by position if they are the first ones, and by name otherwise.
    """
    item = Given("*", "unpacked", stream._id, hint=stream._hint, wanted=wanted)
    extras = [given for given in inputs if given.parameter not in names]
    if [given.parameter for given in inputs if not given.keyword][: len(names)] == list(names):
        return (item, *extras)
    try:
        inspect.signature(function).bind_partial(**dict.fromkeys([given.parameter for given in inputs]))
    except (TypeError, ValueError):
        raise WiringError(
            f"{step}: takes {', '.join(names)} per item among other parameters, so they must have names; "
            "wrap it in a function whose parameters can be given by name"
        ) from None
    by_name = msgspec.structs.replace(item, parameter=", ".join(names), keyword=True)
    return (by_name, *(msgspec.structs.replace(given, keyword=True) for given in extras))


def _lazy_kinds(hint: Any) -> set[Any]:
    """The kinds of stream that a parameter of that hint takes."""
    parts = typing.get_args(hint) if is_union(hint) else (hint,)
    return {typing.get_origin(part) or part for part in parts if takes_stream(part, Any)}


def _check_constant(callee: Callee, name: str, argument: object, place: str) -> None:
    """A handle inside a list or dict would never be replaced by its data."""
    if has_handle(argument):
        kind = type(argument).__name__
        raise HandleError(
            f"{callee}: takes data as '{name}', got a {kind} with handles in it; "
            f"give each its own parameter, or build the {kind} in a step (called at {place})"
        )


def _use(kind: Kind) -> str:
    return {"value": "one call that reads a stream", "flat_map": "flat_map"}.get(kind, "a generator")


def _call_fix(kind: Kind, what: str) -> str:
    return _overlap_fix(kind) if kind == "flat_map" else f"put what {what} into a step that is called per item"


def _overlap_fix(kind: Kind) -> str:
    if kind != "flat_map":
        return "leave the option out"
    return "let a map step give lists, and flatten them with .flat_map(iter)"
