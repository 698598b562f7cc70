"""Generated pipelines whose sections run far from each other give what they give anywhere, within the bounds."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given

from headrace import DeadlockError
from tests.far.loopback import far
from tests.properties.cases import Case, cases
from tests.properties.meter import Meter
from tests.properties.test_generated import Expected, compiled, examples
from tests.properties.ways import came_of, execute


def run_far(pipeline: Any, count: int) -> Any:
    return far(pipeline, count)


@examples(0.1)
@given(cases())
def test_far_sections_give_the_same_within_the_bounds(case: Case) -> None:
    meter = Meter(case)
    pipeline = compiled(case, meter)
    assume(pipeline is not None)
    came = came_of(run_far, meter, pipeline, case.count)
    if isinstance(came.failure, DeadlockError):
        near = came_of(execute, meter, pipeline, case.count)
        assume(not isinstance(near.failure, DeadlockError))  # it locks up everywhere
    Expected(case).check("far", came)
