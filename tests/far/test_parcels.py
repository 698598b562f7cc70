"""What goes from one place to another is there what it was here."""

from __future__ import annotations

import pickle
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from headrace import Failure, Limit
from headrace.engine.report import NodeReport, Report

pytest.importorskip("cloudpickle")
from headrace.drivers.places.parcels import Parcels

api = Limit(concurrency=2, name="of a module")


class Refused(Exception):
    """Cannot be made of its `args` alone."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__(status)
        self.headers = headers


def sent(value: Any) -> Any:
    return Parcels().value(Parcels().packed(value, "it"))


def test_exception_that_takes_more_than_its_args_arrives_whole() -> None:
    error = Refused(429, {"Retry-After": "1"})
    error.__cause__ = KeyError("why")
    error.add_note("a note")
    [came] = sent([error])
    assert (type(came), came.args, came.headers) == (Refused, (429,), {"Retry-After": "1"})
    assert came.__notes__ == ["a note"]
    assert repr(came.__cause__) == "KeyError('why')"


def test_limit_is_one_object_in_each_place() -> None:
    own = Limit(rate="100/s", burst=2, cost=lambda item: own.burst)
    assert sent([own, api]) == [own, api]  # they have come home


def test_limit_that_no_module_knows_is_what_it_says_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Limit(rate="100/s", burst=2, cost=lambda item: own.burst)
    data = Parcels().packed([own, own], "it")
    monkeypatch.setattr("headrace.drivers.places.parcels._limits", {})
    one, other = Parcels().value(data)
    assert one is other is not own
    assert (one.key, one.rate, one.burst, one.name, one.cost(3)) == (own.key, "100/s", 2, "100/s", 2)


def test_limit_of_a_module_is_the_one_that_the_module_has_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    data, there = Parcels().packed(api, "it"), Limit(concurrency=2)
    monkeypatch.setattr(f"{__name__}.api", there)
    assert Parcels().value(data) is there
    assert there.key == api.key


def test_failures_of_a_report_that_cannot_go_are_text() -> None:
    class Odd(Exception):
        def __init__(self) -> None:
            super().__init__(threading.Lock())

    failures = tuple(
        Failure(item=item, step="odd", attempts=1, exception=exception, time=datetime.now(UTC))
        for item, exception in ((1, ValueError("bad")), (threading.Lock(), Odd()))
    )
    node = NodeReport(id="odd", items_in=2, items_out=0, failures=failures)
    [came] = pickle.loads(Parcels().packed_report(Report(nodes=(node,), edges=()))).nodes
    assert [failure.item for failure in came.failures[:1]] == [1]
    assert repr(came.failures[0].exception) == "ValueError('bad')"
    assert came.failures[1].item.startswith("<unlocked _thread.lock")
    assert "Odd, which cannot be pickled" in str(came.failures[1].exception)
