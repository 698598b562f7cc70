"""Generated pipelines to which something happens: nothing is lost, given twice or out of order, and nothing is left."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from headrace.graph.limit import Permit
from tests.properties.building import SHARED
from tests.properties.cases import Case, cases
from tests.properties.faults import FAULT_WAYS, Fault, Faulty, Stopped, faults
from tests.properties.meter import Meter
from tests.properties.scripts import seen
from tests.properties.test_generated import Expected, compiled, examples
from tests.properties.test_scripted import Drawn, put_in
from tests.properties.ways import Came, came_of


@given(cases(most=7, waits=True), faults, st.none() | st.integers(0, 999))
@examples(0.25)
def test_whatever_happens_nothing_is_lost_and_nothing_is_left(case: Case, fault: Fault, seed: int | None) -> None:
    """With a `seed`, calls that overlap are over in an order by it."""
    if fault.items is not None:
        case = replace(case, returns_stream=True)
    expected = Expected(case, None if case.returned is None else fault.items)
    for name, (way, reads, seconds) in FAULT_WAYS.items():
        faulty = Faulty(fault)
        meter = Meter(case, faulty.at_moment)
        pipeline = compiled(case, meter, seconds)
        if pipeline is None or (case.returned is None if reads else fault.items is not None):
            continue
        if seed is not None:
            put_in(Drawn(seed), pipeline)
        came = came_of(partial(faulty.came, way), meter, pipeline, case.count)
        check(expected, f"{name}, {fault}", came, faulty)
        assert nothing_is_limited(), name


def check(expected: Expected, what: str, came: Came, faulty: Faulty) -> None:
    """Raises: AssertionError: it is something that must not come of it."""
    case = expected.case
    if isinstance(came.value, Stopped):
        event(f"stopped: {faulty.fault.kind}")
        assert faulty.happened or came.value.error is TimeoutError, what
        assert may_come_first(expected, came.value.items), f"{what}: {came.value}"
    elif not ((case.merges or case.shuffled) and any(each.failure for each in expected.known)):
        event(expected.check(what, came))
        if came.failure is None and faulty.fault.items is None:
            assert not faulty.happened or faulty.may_be_late or case.stops_early, f"{what}: went on"


def may_come_first(expected: Expected, items: list[Any]) -> bool:
    """Whether these are the first items that the pipeline gives."""
    case, returned = expected.case, expected.case.returned
    if returned is None or not items:
        return not items
    known = expected.known[returned].items
    if returned not in case.shuffled:
        return bool(seen(items) == seen(known[: len(items)]))
    return any(each.failure for each in expected.known) or Counter(map(repr, seen(items))) <= Counter(map(repr, known))


def nothing_is_limited() -> bool:
    """Whether no call holds the shared limit."""
    gate, now = SHARED.gate(None), time.monotonic()
    begun = [permit for permit in (Permit(), Permit()) if gate.admit(now, permit, since=now, cost=1) is None]
    for permit in begun:
        gate.leave(now, permit)
    return len(begun) == 2
