"""The model of a bounded network against pipelines that one can think through."""

from __future__ import annotations

import pytest

from tests.properties.cases import Case, Op
from tests.properties.network import ending
from tests.properties.reference import evaluated

SOURCE = Op("source")


@pytest.mark.parametrize(
    ("ops", "finishes"),
    [
        ((SOURCE, Op("map", (0,)), Op("zip", (0, 1))), True),
        ((SOURCE, Op("both", (0, 0))), False),
        ((Op("source", bound=2), Op("both", (0, 0))), False),
        ((Op("source", bound=7), Op("both", (0, 0))), True),
        ((Op("source", bound=6), Op("behind", (0, 0))), False),  # to see the end, it must be asked once more
        ((Op("source", bound=7), Op("behind", (0, 0))), True),
        ((SOURCE, Op("few", (0,)), Op("behind", (0, 0))), False),
        ((SOURCE, Op("few", (0,)), Op("total", (1,))), True),
        ((SOURCE, Op("total", (0,)), Op("map", (0,), value=1)), False),
        ((SOURCE, Op("total", (0,)), Op("few", (0,)), Op("map", (2,), value=1)), False),
        ((SOURCE, Op("collect", (0,)), Op("again", value=1), Op("zip", (2, 2))), True),
        ((SOURCE, Op("first", (0,)), Op("map", (0,), value=1)), True),
        ((SOURCE, Op("gap", (0, 0))), False),
        ((SOURCE, Op("never", (0,)), Op("gap", (1, 0))), True),
        ((SOURCE, Op("map", (0,)), Op("merge", (0, 1))), True),
        ((SOURCE, Op("filter", (0,)), Op("merge", (0, 1)), Op("total", (2,))), True),
        ((SOURCE, Op("last", (0,)), Op("merge", (0, 1)), Op("total", (2,))), True),
        ((SOURCE, Op("merge", (0, 0)), Op("gap", (1, 0))), False),
        ((SOURCE, Op("collect", (0,)), Op("again", value=1), Op("merge", (2, 0))), True),
        ((SOURCE, Op("last", (0,)), Op("merge", (1, 1)), Op("zip", (0, 2))), False),
        ((SOURCE, Op("map", (0,), bound=6, mode="thread"), Op("both", (1, 0))), False),
    ],
    ids=str,
)
def test_model_tells_what_locks_up(ops: tuple[Op, ...], finishes: bool) -> None:
    case = Case(ops, count=6)
    for eager in (False, True):
        assert ending(case, evaluated(case), eager=eager).finished == finishes


FAILS_BEFORE_IT_READS = (
    SOURCE,
    Op("total", (0,)),
    Op("map", (0,), value=1),
    Op("collect", (2,)),
    Op("again", value=3),
    Op("total", (4,), fails=0),
)
FAILS_BEHIND_A_MERGE = (
    Op("source", bound=3),
    Op("last", (0,)),
    Op("zip", (1, 0)),
    Op("zip", (2, 2)),
    Op("merge", (3, 0)),
    Op("map", (4,)),
)


@pytest.mark.parametrize("ops", [FAILS_BEFORE_IT_READS, FAILS_BEHIND_A_MERGE], ids=["before", "behind"])
def test_model_tells_what_may_lock_up_before_it_fails(ops: tuple[Op, ...]) -> None:
    case = Case(ops, count=3)
    known = evaluated(case)
    assert ending(case, known, eager=False).locked
    assert ending(case, known, eager=True).failures
