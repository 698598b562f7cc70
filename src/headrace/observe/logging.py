"""What a run does, as log records."""

from __future__ import annotations

import logging
from typing import Any, Protocol, TypeAlias

from headrace.engine.events import Event, ItemFailed, ItemRetried, RunEnded, RunStarted, StepEnded, StepStarted
from headrace.errors import OptionError
from headrace.graph.place import called_at
from headrace.graph.values import shown

__all__ = ["LoggingObserver"]


class StructuredLogger(Protocol):
    """A logger that takes fields by keyword, as those of structlog do."""

    def log(self, level: int, event: str, /, **fields: Any) -> object:
        """Log it."""
        ...


AnyLogger: TypeAlias = logging.Logger | logging.LoggerAdapter[Any] | StructuredLogger


class LoggingObserver:
    """Logs the begin and the end of a run and of its steps, and every failure, in words and in fields.

    The fields are attributes of the log record, or the key-value pairs of a logger of structlog's: `kind`
    ("run_started", "run_ended", "step_started", "step_ended", "item_failed", "item_retried") and `run`; of a run
    `pipeline`, and at its end `seconds` and `error`; of a step `step` (the id of its node), and at its end `items_in`,
    `items_out`, `failed`, `skipped`, `retried` and `seconds`; of a failure `step`, `number`, `outcome`, `attempts` and
    `error`; of a call that is made again `step`, `attempts`, `seconds` (until then) and `error`.

    Args:
        logger: Any logger of the standard library or of structlog; by default the one named "headrace".
        level: Of the records, as in `logging`. That a step begins is said with DEBUG; a run that fails is an ERROR, and
            one that is stopped from outside a WARNING.

    Raises: OptionError: `level` is no number.

    >>> import logging, sys
    >>> from headrace import SyncRunner, step
    >>> from headrace.observe import LoggingObserver
    >>> logger = logging.getLogger("app")
    >>> logger.setLevel(logging.INFO)
    >>> logger.addHandler(logging.StreamHandler(sys.stdout))
    >>> SyncRunner(observers=[LoggingObserver(logger)]).execute(step("length", fn=len), "four").result
    pipeline 'length': run ... started
    step 'length' (...) ended: 0 in, 1 out, 0 failed, ... s busy
    pipeline 'length': run ... ended well after ... s
    4
    """

    hears: tuple[type, ...] = (RunStarted, RunEnded, StepStarted, StepEnded, ItemFailed, ItemRetried)

    def __init__(
        self,
        logger: AnyLogger | None = None,
        level: int = logging.INFO,
    ) -> None:
        if not isinstance(level, int):
            where = f"LoggingObserver ({called_at()})"
            raise OptionError(f"{where}: level must be a number, such as logging.INFO, got {shown(level)}")
        self.logger: AnyLogger = logger or logging.getLogger("headrace")
        self.level = level

    def __call__(self, event: Event) -> None:
        """Log that event."""
        match event:
            case RunStarted():
                self._log(self.level, f"{_run(event)} started", kind="run_started", **_of_run(event))
            case RunEnded(failure=None):
                text = f"{_run(event)} ended well after {event.seconds:.3f} s"
                self._log(self.level, text, kind="run_ended", seconds=event.seconds, **_of_run(event))
            case RunEnded(failure=failure):
                level = logging.ERROR if isinstance(failure, Exception) else logging.WARNING
                text = f"{_run(event)} ended after {event.seconds:.3f} s with {_error(failure)}"
                fields = {"seconds": event.seconds, "error": _error(failure)}
                self._log(level, text, kind="run_ended", **fields, **_of_run(event))
            case StepStarted():
                level = min(self.level, logging.DEBUG)
                self._log(level, f"{event.node} started", kind="step_started", run=event.run, step=event.node.id)
            case StepEnded(report=report):
                counts = {name: getattr(report, name) for name in COUNTS}
                text = (
                    f"{event.node} ended: {report.items_in} in, {report.items_out} out, {report.failed} failed, "
                    f"{report.seconds:.3f} s busy"
                )
                self._log(self.level, text, kind="step_ended", run=event.run, step=event.node.id, **counts)
            case ItemFailed():
                at = "" if event.number is None else f" at item {event.number}"
                text = f"{event.node} failed{at} with {_error(event.exception)}; {event.outcome}"
                fields = {
                    "number": event.number,
                    "outcome": event.outcome,
                    "attempts": event.attempts,
                    "error": _error(event.exception),
                }
                self._log(self.level, text, kind="item_failed", run=event.run, step=event.node.id, **fields)

            case ItemRetried():
                text = f"{event.node} is called again in {event.seconds:.3f} s: attempt {event.attempt} failed"
                text += f" with {_error(event.exception)}" if event.exception else ""
                fields = {"attempts": event.attempt, "seconds": event.seconds, "error": _error(event.exception)}
                self._log(self.level, text, kind="item_retried", run=event.run, step=event.node.id, **fields)
            case _:  # a deadlock is what the run ends with
                pass

    def _log(self, level: int, text: str, **fields: Any) -> None:
        if isinstance(self.logger, (logging.Logger, logging.LoggerAdapter)):
            self.logger.log(level, "%s", text, extra=fields)
        else:
            self.logger.log(level, text, **fields)


COUNTS = ("items_in", "items_out", "failed", "skipped", "retried", "seconds")


def _run(event: RunStarted | RunEnded) -> str:
    return f"pipeline '{event.dag.name}': run {event.run}"


def _of_run(event: RunStarted | RunEnded) -> dict[str, Any]:
    return {"run": event.run, "pipeline": event.dag.name}


def _error(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"
