"""Generated pipelines whose overlapping calls are over in a drawn order: nothing about such a run is left to luck."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from headrace.engine.held import Call, Script
from headrace.graph.stages import calls_overlap
from tests.properties.cases import Case, Op, cases
from tests.properties.meter import Meter
from tests.properties.scripts import seen
from tests.properties.test_generated import compiled, examples
from tests.properties.ways import WAYS, came_of


class Drawn(Script):
    """Of the calls that are held back, one by a seed is over next."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.log: list[tuple[str, str, str]] = []

    def turns(self) -> Drawn:
        self.random = random.Random(self.seed)
        self.log = []
        return self

    def begins(self, call: Call) -> None:
        self.log.append(("begins", call.node.name, repr(seen(call.item))))

    def next(self, held: Sequence[Call]) -> Call:
        call = self.random.choice(held)
        self.log.append(("ends", call.node.name, repr(seen(call.item))))
        return call

    def stuck(self, held: Sequence[Call]) -> Exception:
        return AssertionError("one can always be over")

    def unmet(self) -> None:
        return None


def put_in(script: Drawn, pipeline: Any) -> int:
    """Have the calls that overlap be over as the script says; gives in how many steps."""
    overlapping = [node.id for node in pipeline.dag.nodes if calls_overlap(node)]
    for id in overlapping:
        pipeline._program.functions[id].headrace_script = script
    return len(overlapping)


def only_calls_run_elsewhere(case: Case) -> Case:
    """Generators that run ahead, in threads and tasks, are not scripted."""
    return replace(case, ops=tuple(op if op.overlaps else _inline(op) for op in case.ops))


def _inline(op: Op) -> Op:
    return replace(op, mode="sync", pauses=0)


@given(cases().map(only_calls_run_elsewhere), st.integers(0, 999))
@examples(0.3)
def test_scripted_pipelines_go_the_same_way_under_every_runner(case: Case, seed: int) -> None:
    meter, script = Meter(case), Drawn(seed)
    pipeline: Any = compiled(case, meter)
    if pipeline is None:
        return
    event(f"{min(put_in(script, pipeline), 2)} scripted steps")
    runs = []
    for name in ("execute", "aexecute"):
        came = came_of(WAYS[name], meter, pipeline, case.count)
        runs.append((seen(came.value), repr(came.failure), came.counts, script.log))
    assert runs[0] == runs[1]
