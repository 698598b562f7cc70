"""Generated pipelines on Ray give what they give anywhere. `HEADRACE_EXAMPLES` is how many; by default 200."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from headrace import DeadlockError, LengthError, RayRunner
from tests.properties.cases import Case, cases
from tests.properties.meter import Meter
from tests.properties.scripts import Boom
from tests.properties.test_generated import Expected, compiled
from tests.properties.ways import Came

EXAMPLES = int(os.environ.get("HEADRACE_EXAMPLES", "200"))


class Deaf(Meter):
    """Hears nothing: each actor has one of its own."""

    def __reduce__(self) -> Any:
        return Deaf, (self.case,)

    def nothing(self, *_: Any) -> None:
        pass

    begun = over = asked = gives = gives_none = taken = nothing


def came_of(runner: RayRunner, pipeline: Any, count: int) -> Came:
    try:
        return Came(value=runner.execute(pipeline, count).result)
    except (Boom, LengthError, DeadlockError) as error:
        error.__notes__ = [note for note in getattr(error, "__notes__", []) if "raised in a worker" not in note]
        return Came(failure=error)


@pytest.fixture(autouse=True, scope="module")
def _actors_import_the_scripts() -> None:
    importlib.import_module("tests.properties")


@given(st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_gives_what_plain_python_gives(runner: RayRunner, data: st.DataObject) -> None:
    case: Case = data.draw(cases())
    pipeline = compiled(case, Deaf(case))
    assume(pipeline is not None)
    came = came_of(runner, pipeline, case.count)
    if isinstance(came.failure, DeadlockError):
        assume(not _locks_up(pipeline, case.count))  # it does so everywhere
    Expected(case).check("ray", came)


def _locks_up(pipeline: Any, count: int) -> bool:
    try:
        pipeline.run(count)
    except DeadlockError:
        return True
    except (Boom, LengthError):
        pass
    return False
