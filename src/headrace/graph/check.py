"""What is wrong with a recorded pipeline, found before it runs.

Each check takes the drafts and raises a `BuildError` that says where, what, got and fix.
"""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from headrace.errors import HintError, WiringError
from headrace.graph.callee import read
from headrace.graph.dag import RESOURCES
from headrace.graph.draft import Draft, Given
from headrace.graph.hints import describe, fits, holds, item_of, iterates, tuple_length
from headrace.graph.values import shown

__all__ = ["check"]

Drafts = Mapping[str, Draft]


def check(drafts: Drafts, outputs: Iterable[str] = ()) -> None:
    """Every check there is, in the order of the nodes. The drafts are in an order in which they can run.

    Raises: BuildError: something is wrong.
    """
    for draft in drafts.values():
        for given in draft.inputs:
            _check_hint(draft, given, drafts)
            if given.source is not None and drafts[given.source].kind == "item_resource":
                _check_item_resource(draft, given, drafts[given.source])
        _check_failures(draft)
        _check_cost(draft)
    if any(len(draft.inputs) > 1 for draft in drafts.values()):
        _check_joins(drafts)
    for output in outputs:
        _check_output(drafts[output])


def _check_hint(draft: Draft, given: Given, drafts: Drafts) -> None:
    if given.source is None:
        if not holds(given.constant, given.wanted):
            raise _misfit(draft, given, shown(given.constant))
        return
    if given.delivery == "unpacked":
        _check_unpacked(draft, given, drafts)
    elif not fits(given.hint, item_of(given.wanted) if given.delivery == "stream" else given.wanted):
        raise _misfit(draft, given, f"{_given(given)} from {drafts[given.source]}")


def _check_unpacked(draft: Draft, given: Given, drafts: Drafts) -> None:
    wanted = typing.get_args(given.wanted)
    if tuple_length(given.hint) is None:
        item = item_of(given.hint)
        right = iterates(given.hint) and all(fits(item, part) for part in wanted)
    else:
        parts = typing.get_args(given.hint)
        right = given.wanted is Any or (len(parts) == len(wanted) and all(map(fits, parts, wanted)))
    if not right:
        raise _misfit(draft, given, f"{describe(given.hint)} from {drafts[given.source or '']}")


def _given(given: Given) -> str:
    return f"a stream of {describe(given.hint)}" if given.delivery == "stream" else describe(given.hint)


def _misfit(draft: Draft, given: Given, got: str) -> HintError:
    wanted = describe(given.wanted)
    if given.delivery == "unpacked":
        what, fix = (
            f"is called with each item spread over its parameters, {wanted}",
            "give it items of that shape",
        )
    elif given.delivery == "item":
        what, fix = f"takes one {wanted} at a time as '{given.parameter}'", f"give it items of type {wanted}"
    elif given.delivery == "stream":
        what, fix = (
            f"takes {wanted} as '{given.parameter}'",
            f"give it a stream of {describe(item_of(given.wanted))}",
        )
    else:
        what, fix = f"takes {wanted} as '{given.parameter}'", f"give it {wanted}"
    return HintError(f"{draft}: {what}, got {got}; {fix}, or change the hint (called at {draft.called})")


def _check_cost(draft: Draft) -> None:
    """What a limit counts is given the item of a call."""
    item = next((given.hint for given in draft.inputs if given.delivery in ("item", "unpacked")), Any)
    limit = draft.options.limit
    if limit is None or limit.cost is None:
        return
    cost = read(limit.cost)
    wanted = next((parameter.hint for parameter in cost.parameters.values()), Any)
    if not fits(item, wanted):
        raise HintError(
            f"{draft}: the cost of its limit, '{cost.name}' ({cost.where}), takes {describe(wanted)}, got items of "
            f"type {describe(item)}; give the limit one that takes {describe(item)}, or change the hint (called at "
            f"{draft.called})"
        )


def _check_item_resource(draft: Draft, given: Given, resource: Draft) -> None:
    """What is entered for a call has to have one, and can only be entered in its way."""
    if draft.kind == "resource":
        raise WiringError(
            f"{draft}: lasts for the whole run, got '{given.parameter}' from {resource}, which lasts for one call; "
            f"give both the same scope (called at {draft.called})"
        )
    if draft.function is None:
        raise WiringError(
            f"{draft}: needs data that is there before a step is called, got {resource}, which is entered for each "
            f"call; give it to a step, or leave out scope='item' (called at {draft.called})"
        )
    if resource.options.executor == "async" and draft.options.executor != "async":
        raise WiringError(
            f"{draft}: is not async, so it cannot enter '{given.parameter}' for each call, got {resource}, which is "
            f"entered with 'async with'; make the step async, or leave out scope='item' (called at {draft.called})"
        )


def _check_output(draft: Draft) -> None:
    """The result of a run is used after it, when its resources are left."""
    if draft.kind in RESOURCES:
        raise WiringError(
            f"{draft}: is left when the run ends, so it cannot be the result; return what a step makes of it (called "
            f"at {draft.called})"
        )


def _check_failures(draft: Draft) -> None:
    if draft.options.max_failures is not None and draft.options.on_error == "raise":
        raise WiringError(
            f"{draft}: max_failures={draft.options.max_failures} counts failures that do not stop the run, got "
            f"on_error='raise'; add on_error='skip', or .catch() on the stream (called at {draft.called})"
        )


def _check_joins(drafts: Drafts) -> None:
    """Reject a node that reads one stream both lazily and through a collected list.

    It cannot start before the list is complete, and the list cannot be completed while the lazy branch holds
    the producer back. The same holds for a zip, which reads its streams at one pace, if one of them waits for
    the list. A merge waits for a list only if all of its streams do.
    """
    readers = Counter(given.source for draft in drafts.values() for given in draft.inputs if given.delivery != "value")
    pulled: dict[str, frozenset[str]] = {}  # the streams with several readers that are pulled when this one is
    gathered: dict[str, dict[str, str]] = {}  # stream -> the collect, on the way to this node, that wants all of it
    for draft in drafts.values():
        branches = [given.source for given in draft.inputs if given.source and given.delivery != "value"]
        awaited = [given.source for given in draft.inputs if given.source and given.delivery == "value"]
        own = [draft.id] if readers[draft.id] > 1 else []
        pulled[draft.id] = frozenset(own).union(*(pulled[source] for source in branches))
        gathered[draft.id] = {stream: id for one in (*branches, *awaited) for stream, id in gathered[one].items()}
        if draft.kind == "merge":
            for stream in [each for each in gathered[draft.id] if not all(each in gathered[one] for one in branches)]:
                del gathered[draft.id][stream]
        if draft.kind == "collect":
            gathered[draft.id] |= dict.fromkeys(pulled[branches[0]], draft.id)
        for source in (*awaited, *branches) if draft.kind == "zip" else awaited:
            for branch in branches:
                for stream in sorted(pulled[branch] & gathered[source].keys()) if branch != source else ():
                    raise _uneven_join(draft, drafts[stream], drafts[gathered[source][stream]], drafts[branch])


def _uneven_join(join: Draft, stream: Draft, collect: Draft, branch: Draft) -> WiringError:
    return WiringError(
        f"{join}: must read {stream} in one way, got it both through {collect} and item by item through "
        f"{branch}, which can never finish (the list is complete only when the stream has ended, and the "
        "other branch holds the stream back); collect both, or stream both; to read the data twice, use "
        f"stream(...) on the collected list, or a step that gives that list (called at {join.called})"
    )
