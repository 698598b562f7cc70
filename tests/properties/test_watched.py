"""Generated pipelines, watched from within their functions: nothing seems to be over a bound that is not."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given

from headrace.testing.watch import Watch, Watched
from tests.properties.cases import Case, Op, cases
from tests.properties.meter import Meter
from tests.properties.test_generated import compiled, examples
from tests.properties.ways import WAYS, came_of

OTHER_BRANCH_READS_ON = Case(
    (
        Op("source"),
        Op("batch", inputs=(0,)),
        Op("batch", inputs=(1,)),
        Op("map", inputs=(0,), fails=2),
        Op("map", inputs=(3,)),
        Op("map", inputs=(4,), bound=2),
    ),
    count=4,
)


@given(cases())
@example(OTHER_BRANCH_READS_ON)
@examples(0.2)
def test_watch_finds_nothing_over_the_bounds(case: Case) -> None:
    meter = Meter(case)
    pipeline: Any = compiled(case, meter)
    if pipeline is None:
        return
    for name in ("execute", "aexecute"):
        watch = Watch(pipeline.dag)
        came_of(WAYS[name], meter, Watched(pipeline, watch), case.count)
        assert watch.complaints == []
