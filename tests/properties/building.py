"""Generated pipelines in the language of headrace."""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from headrace import Limit, Pipeline, Retry, Stream, merge, pipeline, step, stream, zip_streams
from tests.properties.cases import BUILT_IN, PER_ITEM, VALUES, Case
from tests.properties.meter import Meter
from tests.properties.scripts import END, ITEM_FUNCTIONS, failing, script_of

__all__ = ["SHARED", "built"]

SHARED = Limit(concurrency=2)
COUNT = -1  # the pipeline's parameter, among the handles
Handles = dict[int, Any]


def built(case: Case, meter: Meter, seconds: float = 0, **kept: Any) -> Pipeline[Any, Any]:
    """The pipeline of `case`, whose steps report to `meter`. Async code waits so many `seconds`, and so do retries.

    `kept` are options of the steps that are called per item.
    """
    return _Building(case, meter, seconds, kept).pipeline()


class _Building:
    def __init__(self, case: Case, meter: Meter, seconds: float, kept: dict[str, Any]) -> None:
        self.case = case
        self.meter = meter
        self.pause = functools.partial(_pause, seconds)
        self.retry = Retry(on=Hiccup, attempts=None, timeout=None, wait_initial=seconds or 1e-6, wait_jitter=0)
        self.kept = kept
        self.caught: Handles = {}  # what each step failed at

    def pipeline(self) -> Pipeline[Any, Any]:
        case = self.case

        def generated(count: int) -> Any:
            handles: Handles = {COUNT: count}
            self.put_in(self.top_level(), handles)
            if case.returned is not None:
                return handles[case.returned]
            values = [handles[index] for index, op in enumerate(case.ops) if op.kind in VALUES]
            return tuple(values + [handles[index].collect() for index in case.unread])

        return pipeline(generated)

    # -- sub-pipelines -----------------------------------------------------------------------------------------

    def top_level(self) -> list[int]:
        return [index for index in range(len(self.case.ops)) if not self.outer(index)]

    def outer(self, index: int) -> int | None:
        """The nested step whose sub-pipeline this one is in too: its only reader."""
        readers = self.case.readers[index]
        if self.case.ops[index].nested and len(readers) == 1 and self.case.ops[readers[0][0]].nested:
            return readers[0][0]
        return None

    def members(self, index: int) -> list[int]:
        """All the steps in the sub-pipeline of a nested step, itself included."""
        inside = [other for other in range(index) if self.outer(other) == index]
        return [*(member for other in inside for member in self.members(other)), index]

    def put_in(self, indices: Sequence[int], handles: Handles) -> None:
        for index in indices:
            if self.case.ops[index].nested:
                handles[index] = self.nested(index, handles)
            else:
                handles[index] = self.put(index, handles)

    def nested(self, index: int, handles: Handles) -> Any:
        """A sub-pipeline that is called here, with one parameter for each handle that its steps need."""
        inside = [other for other in range(index) if self.outer(other) == index]
        members = self.members(index)
        needed = {source for member in members for source in self.sources(member)} - set(members)
        outside = sorted(needed)

        def sub(*arguments: Any) -> Any:
            own = dict(zip(outside, arguments, strict=True))
            self.put_in(inside, own)
            return self.put(index, own)

        sub.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    f"p{position}",
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    annotation=Stream[Any] if isinstance(handles[source], Stream) else Any,
                )
                for position, source in enumerate(outside)
            ]
        )
        return pipeline(f"sub{index}")(sub)(*(handles[source] for source in outside))

    def sources(self, index: int) -> list[int]:
        op = self.case.ops[index]
        return [*op.inputs, *([COUNT] if op.kind == "source" else [] if op.value is None else [op.value])]

    # -- one step ----------------------------------------------------------------------------------------------

    def put(self, index: int, handles: Handles) -> Any:
        op = self.case.ops[index]
        inputs = [handles[source] for source in op.inputs]
        values = [handles[source] for source in self.sources(index)[len(inputs) :]]
        if op.kind == "failures":
            return self.caught[op.inputs[0]]
        if op.kind in BUILT_IN:
            return _put_built_in(op.kind, inputs, values)
        if op.kind in PER_ITEM:
            function = self.async_call(index) if op.mode == "async" else self.call(index)
            if op.kind == "flat_map" and not op.listed:
                function = self.async_generator_call(index) if op.mode == "async" else self.generator_call(index)
            made = getattr(inputs[0], op.kind)(self.step(index, function), *values)
            if op.on_error == "catch":
                made, self.caught[index] = made.catch()
            return made
        forms = (self.async_value, self.value) if op.kind in VALUES else (self.async_stream, self.stream)
        form = forms[0] if op.mode == "async" else forms[1]
        return self.step(index, form(index, len(inputs)))(*inputs, *values)

    def step(self, index: int, function: Callable[..., Any]) -> Any:
        op = self.case.ops[index]
        options: dict[str, Any] = {"max_in_flight": op.bound, "max_failures": op.limit}
        if op.on_error == "skip":
            options["on_error"] = "skip"
        if op.overlaps:
            options |= {"ordered": op.ordered, "concurrency": op.concurrency}
        if op.mode == "thread":
            options["executor"] = "thread"
        if op.hiccups:
            function = _hiccuping(function, op.hiccups, in_task=op.mode == "async")
            options["retry"] = self.retry
        if op.limited:
            options["limit"] = SHARED
        if op.kind in PER_ITEM:
            options |= self.kept
        return step(self.case.name(index), fn=function, **options)

    # -- functions of one item ---------------------------------------------------------------------------------

    def of_item(self, index: int) -> Callable[..., Any]:
        op = self.case.ops[index]
        return failing(ITEM_FUNCTIONS[op.kind], self.case.name(index), op.fails, late=op.fails_late)

    def call(self, index: int) -> Callable[..., Any]:
        function, meter, is_filter = self.of_item(index), self.meter, self.case.ops[index].kind == "filter"

        def called(item: Any, *values: Any) -> Any:
            meter.begun(index)
            try:
                meter.taken(index, 0)
                meter.asked(index)
                result = function(item, *values)
                if is_filter and not result:
                    meter.gives_none(index)
                else:
                    meter.gives(index)
                return result
            finally:
                meter.over(index)

        return called

    def async_call(self, index: int) -> Callable[..., Any]:
        function, meter, op, pause = self.of_item(index), self.meter, self.case.ops[index], self.pause

        async def called(item: Any, *values: Any) -> Any:
            meter.begun(index)
            try:
                meter.taken(index, 0)
                meter.asked(index)
                await pause(op.pauses and hash(str(item)) % (op.pauses + 1))
                result = function(item, *values)
                if op.kind == "filter" and not result:
                    meter.gives_none(index)
                else:
                    meter.gives(index)
                return result
            finally:
                meter.over(index)

        return called

    def generator_call(self, index: int) -> Callable[..., Any]:
        function, meter = self.of_item(index), self.meter

        def called(item: Any, *values: Any) -> Iterator[Any]:
            meter.begun(index)
            try:
                meter.taken(index, 0)
                meter.asked(index)
                for inner in function(item, *values):
                    meter.gives(index)
                    yield inner
                    meter.asked(index)
                meter.gives_none(index)
            finally:
                meter.over(index)

        return called

    def async_generator_call(self, index: int) -> Callable[..., Any]:
        function, meter, op, pause = self.of_item(index), self.meter, self.case.ops[index], self.pause

        async def called(item: Any, *values: Any) -> AsyncIterator[Any]:
            meter.begun(index)
            try:
                meter.taken(index, 0)
                meter.asked(index)
                await pause(op.pauses)
                for inner in function(item, *values):
                    meter.gives(index)
                    yield inner
                    meter.asked(index)
                meter.gives_none(index)
            finally:
                meter.over(index)

        return called

    # -- functions of whole streams ----------------------------------------------------------------------------

    def script(self, index: int, values: Sequence[Any]) -> Any:
        op = self.case.ops[index]
        return script_of(op, self.case.name(index), values)

    def stream(self, index: int, reads: int) -> Callable[..., Any]:
        meter = self.meter

        def generator(*arguments: Any) -> Iterator[Any]:
            meter.begun(index)
            try:
                meter.asked(index)
                script, reply = self.script(index, arguments[reads:]), None
                while (action := _next_action(script, reply)) is not END:
                    if isinstance(action, tuple):
                        meter.gives(index)
                        yield action[0]
                        meter.asked(index)
                        reply = None
                    elif (reply := next(arguments[action], END)) is not END:
                        meter.taken(index, action)
            finally:
                meter.over(index)

        return _hinted(generator, reads, Iterator[Any])

    def async_stream(self, index: int, reads: int) -> Callable[..., Any]:
        meter, pause, pauses = self.meter, self.pause, self.case.ops[index].pauses

        async def generator(*arguments: Any) -> AsyncIterator[Any]:
            meter.begun(index)
            try:
                meter.asked(index)
                script, reply = self.script(index, arguments[reads:]), None
                while (action := _next_action(script, reply)) is not END:
                    if isinstance(action, tuple):
                        await pause(pauses)
                        meter.gives(index)
                        yield action[0]
                        meter.asked(index)
                        reply = None
                    elif (reply := await anext(arguments[action], END)) is not END:
                        meter.taken(index, action)
            finally:
                meter.over(index)

        return _hinted(generator, reads, AsyncIterator[Any])

    def value(self, index: int, reads: int) -> Callable[..., Any]:
        meter = self.meter

        def value(*arguments: Any) -> Any:
            meter.begun(index)
            try:
                script, reply = self.script(index, arguments[reads:]), None
                while True:
                    try:
                        action = script.send(reply)
                    except StopIteration as end:
                        return end.value
                    if (reply := next(arguments[action], END)) is not END:
                        meter.taken(index, action)
            finally:
                meter.over(index)

        return _hinted(value, reads, Iterator[Any])

    def async_value(self, index: int, reads: int) -> Callable[..., Any]:
        meter, pause, pauses = self.meter, self.pause, self.case.ops[index].pauses

        async def value(*arguments: Any) -> Any:
            meter.begun(index)
            try:
                await pause(pauses)
                script, reply = self.script(index, arguments[reads:]), None
                while True:
                    try:
                        action = script.send(reply)
                    except StopIteration as end:
                        return end.value
                    if (reply := await anext(arguments[action], END)) is not END:
                        meter.taken(index, action)
            finally:
                meter.over(index)

        return _hinted(value, reads, AsyncIterator[Any])


class Hiccup(Exception):
    """A call fails that will not fail again and again."""


def _hiccuping(function: Callable[..., Any], hiccups: int, *, in_task: bool) -> Callable[..., Any]:
    """`function`, which fails before it has begun, but for one call in each `hiccups + 1`."""
    calls = itertools.count(1)

    def hiccup() -> None:
        if next(calls) % (hiccups + 1):
            raise Hiccup

    def called(item: Any, *values: Any) -> Any:
        hiccup()
        return function(item, *values)

    async def called_in_task(item: Any, *values: Any) -> Any:
        hiccup()
        return await function(item, *values)

    return called_in_task if in_task else called


def _put_built_in(kind: str, inputs: Sequence[Any], values: Sequence[Any]) -> Any:
    if kind == "zip":
        return zip_streams(*inputs)
    if kind == "merge":
        return merge(*inputs)
    if kind == "batch":
        return inputs[0].batched(2)
    return stream(values[0]) if kind == "again" else inputs[0].collect()


def _next_action(script: Any, reply: Any) -> Any:
    try:
        return script.send(reply)
    except StopIteration:
        return END


async def _pause(seconds: float, times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(seconds)


def _hinted(function: Callable[..., Any], reads: int, hint: Any) -> Callable[..., Any]:
    """`function` of any arguments, with a signature as the function of a step has."""
    names = [f"items{slot}" for slot in range(reads)]
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            *(inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=hint) for name in names),
            inspect.Parameter("values", inspect.Parameter.VAR_POSITIONAL),
        ]
    )
    return function
