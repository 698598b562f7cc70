"""Turns what the language recorded into the frozen program that runners read.

The passes: order the nodes, check them, freeze them with their levels, cut them into stages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headrace.errors import WiringError
from headrace.graph.check import check
from headrace.graph.dag import SCHEMA_VERSION, Constant, Dag, Edge, Node, NodeLimit, NodeRetry, Program, Stage
from headrace.graph.draft import Draft, Given, Recording, Returns
from headrace.graph.hints import describe
from headrace.graph.limit import Limit
from headrace.graph.order import CycleError, cycle_of, in_order
from headrace.graph.retry import Retry
from headrace.graph.stages import cut
from headrace.graph.values import shown

__all__ = ["assembled", "compile_recording"]


def compile_recording(recording: Recording) -> Program:
    """The program of a recorded pipeline.

    Raises: BuildError: the pipeline is wrong.
    """
    drafts = _with_resources_placed(_ordered(_with_drains(_by_id(recording), recording.outputs)))
    check(drafts, recording.outputs)
    return Program(
        dag=assembled(recording.name, recording.returns, recording.outputs, _frozen(drafts)),
        functions={draft.id: draft.function for draft in drafts.values() if draft.function is not None},
        constants={
            (draft.id, index): given.constant
            for draft in drafts.values()
            for index, given in enumerate(draft.inputs)
            if given.source is None
        },
        inner={draft.id: draft.inner for draft in drafts.values() if draft.inner is not None},
        results={draft.id: draft.result for draft in drafts.values() if draft.options.checkpoint},
        codes={draft.id: draft.options.code for draft in drafts.values() if draft.options.checkpoint},
        limits={draft.id: draft.options.limit for draft in drafts.values() if draft.options.limit is not None},
        retries={draft.id: draft.options.retry for draft in drafts.values() if draft.options.retry is not None},
    )


def assembled(name: str, returns: Returns, outputs: tuple[str, ...], nodes: Sequence[Node]) -> Dag:
    """The DAG of these nodes, which are in an order in which they can run, cut into stages."""
    stages = cut(nodes, outputs if returns == "stream" else ())
    return Dag(
        version=SCHEMA_VERSION,
        name=name,
        returns=returns,
        outputs=outputs,
        nodes=_with_stages(nodes, stages),
        stages=stages,
    )


def _by_id(recording: Recording) -> dict[str, Draft]:
    drafts: dict[str, Draft] = {}
    for draft in recording.drafts:
        if draft.id in drafts:
            raise WiringError(
                f"{draft}: needs an id of its own, got '{draft.id}', which is {drafts[draft.id]} in pipeline "
                f"'{recording.name}'; give one of them another name"
            )
        drafts[draft.id] = draft
    for draft in drafts.values():
        for given in draft.inputs:
            if given.source is not None and given.source not in drafts:
                raise WiringError(
                    f"{draft}: '{given.parameter}' must come from a node of pipeline '{recording.name}', got "
                    f"'{given.source}'; the nodes are {', '.join(drafts)}"
                )
    for output in recording.outputs:
        if output not in drafts:
            raise WiringError(
                f"pipeline '{recording.name}': its result must come from one of its nodes, got '{output}'; "
                f"the nodes are {', '.join(map(str, drafts.values()))}"
            )
    return drafts


def _with_drains(drafts: dict[str, Draft], outputs: tuple[str, ...]) -> dict[str, Draft]:
    """The drafts, and for every stream that nobody reads a node that drains it."""
    drafts = _without_unread_failures(drafts, outputs)
    others = ("value", "failures")
    read = {given.source for draft in drafts.values() for given in draft.inputs if given.delivery not in others}
    unread = [d for d in drafts.values() if d.gives == "stream" and d.id not in read and d.id not in outputs]
    return drafts | {f"{draft.id}/drain": _drain(draft) for draft in unread}


def _without_unread_failures(drafts: dict[str, Draft], outputs: tuple[str, ...]) -> dict[str, Draft]:
    """The drafts; where nobody reads the failures of a step, they are skipped, and so logged and reported."""
    read = {given.source for draft in drafts.values() for given in draft.inputs}
    unread = {id for id, draft in drafts.items() if draft.kind == "failures" and id not in read and id not in outputs}
    skipping = {drafts[id].inputs[0].source for id in unread}
    return {id: _skipping(draft) if id in skipping else draft for id, draft in drafts.items() if id not in unread}


def _skipping(draft: Draft) -> Draft:
    return msgspec.structs.replace(draft, options=msgspec.structs.replace(draft.options, on_error="skip"))


def _drain(draft: Draft) -> Draft:
    given = Given("items", "stream", draft.id)
    return Draft(f"{draft.id}/drain", "drain", "drain", "value", type(None), called=draft.called, inputs=(given,))


def _ordered(drafts: dict[str, Draft]) -> dict[str, Draft]:
    """The drafts in the order in which they were recorded, as far as each comes after what it depends on."""
    try:
        ids = in_order({id: [given.source for given in one.inputs if given.source] for id, one in drafts.items()})
    except CycleError as error:
        cycle = cycle_of(error)
        shown_cycle = " -> ".join(f"'{id}'" for id in cycle)
        raise WiringError(
            f"{drafts[cycle[0]]}: must not wait for its own result, got the cycle {shown_cycle}; "
            "leave one of these inputs out"
        ) from None
    return {id: drafts[id] for id in ids}


def _with_resources_placed(drafts: dict[str, Draft]) -> dict[str, Draft]:
    """The drafts, with resources entered where they are used: in a task, if an async step or resource takes them."""
    placed = dict(drafts)
    for draft in drafts.values():
        if draft.kind == "item_resource":
            parts = [placed[given.source] for given in draft.inputs if given.source]
            if any(part.kind == "item_resource" and part.options.executor == "async" for part in parts):
                placed[draft.id] = _in_task(draft)
    for draft in reversed(placed.values()):
        for given in draft.inputs if placed[draft.id].options.executor == "async" else ():
            if given.source and placed[given.source].kind == "resource":
                placed[given.source] = _in_task(placed[given.source])
    return placed


def _in_task(draft: Draft) -> Draft:
    return msgspec.structs.replace(draft, options=msgspec.structs.replace(draft.options, executor="async"))


def _frozen(drafts: Mapping[str, Draft]) -> list[Node]:
    levels: dict[str, int] = {}
    for draft in drafts.values():
        levels[draft.id] = max((levels[given.source] + 1 for given in draft.inputs if given.source), default=0)
    limits = _limits(drafts)
    return [_node(draft, levels[draft.id], limits) for draft in drafts.values()]


def _limits(drafts: Mapping[str, Draft]) -> dict[Limit, NodeLimit]:
    """What the DAG says of the limits: each has a name of its own."""
    found: dict[Limit, NodeLimit] = {}
    uses: Counter[str] = Counter()
    for draft in drafts.values():
        limit = draft.options.limit
        if limit is not None and limit not in found:
            uses[limit.name] += 1
            found[limit] = NodeLimit(
                name=limit.name if uses[limit.name] == 1 else f"{limit.name}#{uses[limit.name]}",
                concurrency=limit.concurrency,
                units=limit.units,
                seconds=limit.seconds,
                cost=_function_name(limit.cost),
                burst=limit.burst,
            )
    return found


def _retry(retry: Any) -> NodeRetry | None:
    """What the DAG says of when a call is made again."""
    if not isinstance(retry, Retry):
        return None if retry is None else NodeRetry(custom=shown(retry))
    return NodeRetry(
        on=retry.names,
        attempts=retry.attempts,
        timeout=retry.timeout,
        wait_initial=retry.wait_initial,
        wait_max=retry.wait_max,
        wait_jitter=retry.wait_jitter,
        wait_exp_base=retry.wait_exp_base,
        retry_after=_function_name(retry.retry_after),
    )


def _node(draft: Draft, level: int, limits: Mapping[Limit, NodeLimit]) -> Node:
    return Node(
        id=draft.id,
        name=draft.name,
        kind=draft.kind,
        gives=draft.gives,
        type=describe(draft.result),
        function=_function_name(draft.function),
        where=draft.called if draft.where == "built-in" else draft.where,
        inputs=tuple(map(_input, draft.inputs)),
        max_in_flight=draft.options.max_in_flight,
        concurrency=draft.options.calls_at_once if draft.kind in ("map", "filter") else 1,
        ordered=draft.options.ordered,
        executor=draft.options.executor,
        on_error=draft.options.on_error,
        max_failures=draft.options.max_failures,
        level=level,
        stage=None,
        inner=None if draft.inner is None else draft.inner.dag,
        idempotent=draft.options.idempotent,
        timeout=draft.options.timeout,
        checkpoint=draft.options.checkpoint,
        version=draft.options.version,
        unkeyed=draft.options.unkeyed,
        limit=None if draft.options.limit is None else limits[draft.options.limit],
        retry=_retry(draft.options.retry),
    )


def _input(given: Given) -> Edge | Constant:
    wanted = describe(given.wanted)
    if given.source is None:
        value = shown(given.constant)
        return Constant(parameter=given.parameter, value=value, keyword=given.keyword, type=wanted)
    return Edge(
        parameter=given.parameter,
        source=given.source,
        delivery=given.delivery,
        keyword=given.keyword,
        type=wanted,
    )


def _function_name(function: Any) -> str | None:
    if function is None:
        return None
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{module}:{name}" if module else name


def _with_stages(nodes: Sequence[Node], stages: tuple[Stage, ...]) -> tuple[Node, ...]:
    number = {id: index for index, stage in enumerate(stages) for id in stage.nodes}
    return tuple(msgspec.structs.replace(node, stage=number.get(node.id)) for node in nodes)
