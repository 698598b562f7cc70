"""What observers hear."""

from __future__ import annotations

import msgspec

from headrace.engine.report import Report
from headrace.graph.dag import Dag

__all__ = ["Event", "RunEnded", "RunStarted"]


class RunStarted(msgspec.Struct, frozen=True):
    """A run begins; nothing has been called yet.

    >>> from headrace import SyncRunner, step
    >>> def say(event: RunStarted) -> None:
    ...     if isinstance(event, RunStarted):
    ...         print("running", event.dag.name)
    >>> SyncRunner(observers=[say]).execute(step("length", fn=len), "four").result
    running length
    4
    """

    dag: Dag


class RunEnded(msgspec.Struct, frozen=True):
    """A run is over and everything is closed. `failure` is None if it went well.

    >>> from headrace import SyncRunner, step
    >>> @step
    ... def number(text: str) -> int:
    ...     return int(text)
    >>> events = []
    >>> try:
    ...     SyncRunner(observers=[events.append]).execute(number, "four")
    ... except ValueError:
    ...     print(type(events[-1].failure).__name__, events[-1].report.node("number/number").items_out)
    ValueError 0
    """

    dag: Dag
    report: Report
    failure: BaseException | None


Event = RunStarted | RunEnded
