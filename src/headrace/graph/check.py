"""What is wrong with a recorded pipeline, found before it runs.

Each check takes the drafts and raises a `BuildError` that says where, what, got and fix.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping

from headrace.errors import HintError, WiringError
from headrace.graph.draft import Draft, Given
from headrace.graph.hints import describe, fits, holds, item_of

__all__ = ["check"]

Drafts = Mapping[str, Draft]


def check(drafts: Drafts) -> None:
    """Every check there is, in the order of the nodes. The drafts are in an order in which they can run.

    Raises: BuildError: something is wrong.
    """
    for draft in drafts.values():
        for given in draft.inputs:
            _check_hint(draft, given, drafts)
    _check_joins(drafts)


def _check_hint(draft: Draft, given: Given, drafts: Drafts) -> None:
    if given.source is None:
        if not holds(given.constant, given.wanted):
            raise _misfit(draft, given, f"{given.constant!r}")
        return
    if given.delivery == "unpacked":
        _check_unpacked(draft, given, drafts)
    elif not fits(given.hint, item_of(given.wanted) if given.delivery == "stream" else given.wanted):
        raise _misfit(draft, given, f"{_given(given)} from {drafts[given.source]}")


def _check_unpacked(draft: Draft, given: Given, drafts: Drafts) -> None:
    parts, wanted = typing.get_args(given.hint), typing.get_args(given.wanted)
    if typing.get_origin(given.hint) is not tuple or Ellipsis in parts:
        return
    if len(parts) != len(wanted) or not all(map(fits, parts, wanted)):
        raise _misfit(draft, given, f"{describe(given.hint)} from {drafts[given.source or '']}")


def _given(given: Given) -> str:
    return f"a stream of {describe(given.hint)}" if given.delivery == "stream" else describe(given.hint)


def _misfit(draft: Draft, given: Given, got: str) -> HintError:
    wanted = describe(given.wanted)
    if given.delivery == "unpacked":
        what, fix = f"is called with each item spread over its parameters, {wanted}", "give it items of that shape"
    elif given.delivery == "item":
        what, fix = f"takes one {wanted} at a time as '{given.parameter}'", f"give it items of type {wanted}"
    elif given.delivery == "stream":
        what, fix = f"takes {wanted} as '{given.parameter}'", f"give it a stream of {describe(item_of(given.wanted))}"
    else:
        what, fix = f"takes {wanted} as '{given.parameter}'", f"give it {wanted}"
    return HintError(f"{draft}: {what}, got {got}; {fix}, or change the hint (called at {draft.called})")


def _check_joins(drafts: Drafts) -> None:
    """Reject a node that reads one stream both lazily and through a collected list.

    It cannot start before the list is complete, and the list cannot be completed while the lazy branch holds the
    producer back.
    """
    pulled: dict[str, frozenset[str]] = {}  # the streams that are pulled when this one is
    gathered: dict[str, dict[str, str]] = {}  # stream -> the collect, on the way to this node, that wants all of it
    for draft in drafts.values():
        lazy = [given.source for given in draft.inputs if given.source and given.delivery != "value"]
        pulled[draft.id] = frozenset([draft.id]).union(*(pulled[source] for source in lazy))
        gathered[draft.id] = {
            stream: collect for given in draft.inputs if given.source for stream, collect in gathered[given.source].items()
        }
        if draft.kind == "collect":
            gathered[draft.id] |= dict.fromkeys(pulled[lazy[0]], draft.id)
        for given in draft.inputs:
            if given.source and given.delivery == "value":
                for stream in sorted(pulled[draft.id] & gathered[given.source].keys()):
                    raise _uneven_join(draft, drafts[stream], drafts[gathered[given.source][stream]], drafts)


def _uneven_join(join: Draft, stream: Draft, collect: Draft, drafts: Drafts) -> WiringError:
    branch = next(drafts[given.source] for given in join.inputs if given.source and given.delivery != "value")
    return WiringError(
        f"{join}: reads {stream} both through {collect} and item by item through {branch}, which can never finish "
        f"(the list is complete only when the stream has ended, and the other branch holds the stream back); "
        f"collect both, or stream both; to read the data twice, use stream(...) on the collected list "
        f"(called at {join.called})"
    )
