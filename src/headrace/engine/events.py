"""What observers hear."""

from __future__ import annotations

import msgspec

from headrace.engine.report import Report
from headrace.graph.dag import Dag

__all__ = ["Event", "RunEnded", "RunStarted"]


class RunStarted(msgspec.Struct, frozen=True):
    """A run begins; nothing has been called yet."""

    dag: Dag


class RunEnded(msgspec.Struct, frozen=True):
    """A run is over and everything is closed. `failure` is None if it went well."""

    dag: Dag
    report: Report
    failure: BaseException | None


Event = RunStarted | RunEnded
