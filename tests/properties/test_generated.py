"""Generated pipelines: whatever the shape, every runner gives what plain Python over lists gives, within the bounds.

`HEADRACE_EXAMPLES` is how many pipelines are generated in all; `nox -s properties` does 10,000.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from headrace import DeadlockError, WiringError
from headrace.engine.lines import Lines
from tests.properties.building import built
from tests.properties.cases import VALUES, Case, cases
from tests.properties.meter import Meter
from tests.properties.network import ending
from tests.properties.reference import comparable, evaluated, failure_of, note_of, results
from tests.properties.scripts import seen
from tests.properties.ways import BREAKING, WAYS, Came, came_of, execute

EXAMPLES = int(os.environ.get("HEADRACE_EXAMPLES", "300"))


def examples(share: float) -> settings:
    """Settings for that share of all examples."""
    count = max(1, round(EXAMPLES * share))
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True, scope="module")
def _threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


class Expected:
    """What may come of a pipeline, of which the caller takes all or so many `items`."""

    def __init__(self, case: Case, items: int | None = None) -> None:
        self.case = case
        self.known = evaluated(case)
        if items is not None and case.returned is not None and items > len(self.known[case.returned].items):
            items = None  # the caller comes to the end
        self.items = items
        self.lazy = ending(case, self.known, eager=False, items=items)
        self.eager = ending(case, self.known, eager=True, items=items)

    def check(self, way: str, came: Came) -> str:
        """What came of it, in a word. Raises: AssertionError: it is something else than what may come."""
        if isinstance(came.failure, DeadlockError):
            assert self.lazy.locked, f"{way}: locked up, but must not: {came.failure}"
            notes = getattr(came.failure, "__notes__", [])
            assert not any(" failed" in note for note in notes), f"{way}: no step is to blame"
            return "locked up"
        if came.failure is not None:
            failure = failure_of(came.failure)
            assert failure in self.eager.failures, f"{way}: {came.failure!r}"
            self._check_note(came.failure, failure)
            return "failed"
        assert self.eager.finished, f"{way}: finished, but cannot: {self.eager}"
        if self.items is None:
            assert not self.lazy.failures, f"{way}: finished, but must fail: {self.lazy}"
        assert self._right(came.value), f"{way}: {came.value}"
        return "went well"

    def check_report(self, meter: Meter, pipeline: Any, came: Came) -> None:
        """The report keeps to the bounds, to what user code saw, and, if nothing was cut short, to the lists."""
        nodes = {node.id: node for node in pipeline.dag.nodes}
        places = {self.case.name(index): index for index in range(len(self.case.ops))}
        for edge in came.report.edges:
            assert edge.highest_in_flight <= nodes[edge.source].max_in_flight, edge
            source, target = (places.get(id.rpartition("/")[2]) for id in (edge.source, edge.target))
            if came.failure is None and source is not None and target is not None:
                slot = int(edge.parameter.removeprefix("items")) if edge.parameter.startswith("items") else 0
                seen = meter.highest[source, target, slot]
                op = self.case.ops[source]
                if op.kind != "filter" and op.on_error == "raise":  # what is dropped is no item
                    assert edge.highest_in_flight >= min(seen, came.report.node(edge.source).items_out), edge
            if came.failure is None and source is not None and not self.case.stops_early:
                known = self.known[source]
                given = known.caught if edge.target.endswith("/failures") else known.items
                assert edge.taken == len(given), edge

    def _check_note(self, error: BaseException, failure: str | None) -> None:
        if failure in (names := [self.case.name(index) for index in range(len(self.case.ops))]):
            index = names.index(failure)
            notes = [note for note in error.__notes__ if " failed" in note]
            assert len(notes) == 1, notes
            assert re.search(note_of(self.case, self.known, index), notes[0]), notes

    def _right(self, value: Any) -> bool:
        """Whether a run gave what the lists give; items that come in any order are compared as a multiset."""
        case, returned = self.case, self.case.returned
        if returned is None:
            sources = [index for index, op in enumerate(case.ops) if op.kind in VALUES] + case.unread
            shown = tuple(comparable(case, source, each) for source, each in zip(sources, value, strict=True))
            return bool(shown == results(case, self.known))
        items = self.known[returned].items
        if returned not in case.shuffled:
            return bool(seen(value) == seen(items[: self.items]))
        count = len(items) if self.items is None else self.items
        return len(value) == count and Counter(map(repr, seen(value))) <= Counter(map(repr, items))


def compiled(case: Case, meter: Meter, seconds: float = 0, **kept: Any) -> Any:
    """The pipeline, or None if it is refused (a join that reads one stream in two ways), or may fail in two ways."""
    known = evaluated(case)
    for op in case.ops:
        if op.kind == "merge" and len({known[source].failure for source in op.inputs} - {None}) > 1:
            event("depends on which stream fails first")
            return None
    try:
        return built(case, meter, seconds, **kept)
    except WiringError as error:
        if "can never finish" not in str(error):
            raise
        event("refused when built")
        return None


@given(cases(waits=True))
@examples(0.5)
def test_every_runner_gives_what_plain_python_gives(case: Case) -> None:
    meter = Meter(case)
    pipeline = compiled(case, meter)
    if pipeline is None:
        return
    expected = Expected(case)
    if expected.lazy != expected.eager:
        event("depends on who goes first")
    for name, way in WAYS.items():
        came = came_of(way, meter, pipeline, case.count)
        event(expected.check(name, came))
        if came.report is not None:
            expected.check_report(meter, pipeline, came)


@given(cases(modes=("sync",)))
@examples(0.2)
def test_inline_pipelines_have_the_same_report_under_every_runner(case: Case) -> None:
    meter = Meter(case)
    pipeline = compiled(case, meter)
    if pipeline is None:
        return
    came = [came_of(way, meter, pipeline, case.count) for way in (WAYS["execute"], WAYS["aexecute"])]
    assert repr(came[0].failure) == repr(came[1].failure)
    assert came[0].counts == came[1].counts


@given(cases(most=6, streams=True, waits=True), st.integers(0, 6) | st.none())
@examples(0.2)
def test_leaving_early_leaves_nothing(case: Case, items: int | None) -> None:
    meter = Meter(case)
    pipeline = compiled(case, meter)
    if pipeline is None or case.returned is None:
        return
    expected = Expected(case, items)
    if (case.merges or case.shuffled) and any(each.failure for each in expected.known):
        event("depends on what is given before a failure")
        return
    for name, way in BREAKING.items():
        came = came_of(way, meter, pipeline, case.count, items)
        event(expected.check(name, came))


@given(cases(modes=("sync",)))
@examples(0.1)
def test_express_taps_change_nothing(case: Case) -> None:
    """The shortcut and the general loop give the same result, the same counts, and lock up in the same pipelines."""
    meter = Meter(case)
    pipeline = compiled(case, meter)
    if pipeline is None:
        return
    came = came_of(execute, meter, pipeline, case.count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lines, "_waits_here_only", lambda self, id: False)
        general = came_of(execute, meter, pipeline, case.count)
    assert (seen(came.value), said(came.failure), came.counts) == (
        seen(general.value),
        said(general.failure),
        general.counts,
    )


def said(failure: BaseException | None) -> tuple[type, list[str]]:
    """What it says, in any order: who waits for whom may be told from another stage on."""
    return type(failure), sorted(re.split(r"; |: |\. ", str(failure)))
