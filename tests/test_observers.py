"""What observers are told, without a run; and the ready ones."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from headrace import Event, ItemFailed, Live, RunEnded, RunStarted, StepEnded, StepStarted, SyncRunner, step
from headrace.engine.observers import Observers
from headrace.observe import LoggingObserver


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step(on_error="skip")
def inverse(number: int) -> float:
    return 1 / number


STARTED = RunStarted(run=1, dag=numbers.dag, live=Live(lambda: (), lambda: 0.0))


def test_one_event_at_a_time() -> None:
    free: list[bool] = []

    def observer(event: Event) -> None:
        other = threading.Thread(target=lambda: free.append(observers.lock.acquire(blocking=False)))
        other.start()
        other.join()

    observers = Observers([observer])
    observers.tell(STARTED)
    assert free == [False]


def test_an_event_may_come_up_while_an_observer_is_told_of_another() -> None:
    events: list[Event] = []

    def observer(event: Event) -> None:
        events.append(event)
        if len(events) == 1:
            observers.tell(STARTED)

    observers = Observers([observer])
    observers.tell(STARTED)
    assert events == [STARTED, STARTED]


def test_what_nobody_hears_is_known() -> None:
    class Ends:
        hears = (RunEnded,)

        def __call__(self, event: Event) -> None:
            raise ValueError

    observers = Observers([Ends()])
    assert observers.hear(RunEnded)
    assert not observers.hear(StepStarted, StepEnded, ItemFailed)


# -- logging -------------------------------------------------------------------------------------------------


def logged(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[logging.LogRecord]:
    """The records of a run in which one item fails."""
    with caplog.at_level(logging.DEBUG, "app"):
        SyncRunner(observers=[LoggingObserver(logging.getLogger("app"), level)]).execute(numbers | inverse, 3)
    return [record for record in caplog.records if record.name == "app"]


def test_records_say_what_happened(caplog: pytest.LogCaptureFixture) -> None:
    texts = [record.getMessage() for record in logged(caplog)]
    assert [text.split(":")[0].split(" (")[0] for text in texts] == [
        "pipeline 'numbers_to_inverse'",
        "step 'numbers'",
        "step 'inverse'",
        "step 'inverse'",
        "step 'inverse'",
        "step 'numbers'",
        "pipeline 'numbers_to_inverse'",
    ]
    assert texts[3].endswith("failed at item 1 with ZeroDivisionError: division by zero; skipped")
    assert ") ended: 3 in, 2 out, 1 failed, " in texts[4]


def test_records_have_fields(caplog: pytest.LogCaptureFixture) -> None:
    records = logged(caplog)
    assert [vars(record)["kind"] for record in records] == [
        "run_started",
        "step_started",
        "step_started",
        "item_failed",
        "step_ended",
        "step_ended",
        "run_ended",
    ]
    failed = vars(records[3])
    assert failed["step"] == "numbers_to_inverse/inverse"
    assert (failed["number"], failed["outcome"], failed["attempts"]) == (1, "skipped", 1)
    assert failed["error"] == "ZeroDivisionError: division by zero"
    ended = vars(records[4])
    assert (ended["items_in"], ended["items_out"], ended["failed"], ended["skipped"]) == (3, 2, 1, 1)
    assert len({vars(record)["run"] for record in records}) == 1
    assert vars(records[-1])["seconds"] > 0


def test_levels(caplog: pytest.LogCaptureFixture) -> None:
    assert [record.levelname for record in logged(caplog, logging.WARNING)] == [
        "WARNING",
        "DEBUG",
        "DEBUG",
        "WARNING",
        "WARNING",
        "WARNING",
        "WARNING",
    ]


@pytest.mark.parametrize(("error", "level"), [(ValueError("bad"), "ERROR"), (KeyboardInterrupt(), "WARNING")])
def test_a_run_that_does_not_go_well(caplog: pytest.LogCaptureFixture, error: BaseException, level: str) -> None:
    def fail(number: int) -> None:
        raise error

    with caplog.at_level(logging.DEBUG, "headrace"), pytest.raises(type(error)):
        SyncRunner(observers=[LoggingObserver()]).execute(step("fail", fn=fail), 1)
    record = caplog.records[-1]
    assert record.levelname == level
    assert vars(record)["error"] == f"{type(error).__name__}: {error}"
    assert f" with {type(error).__name__}: " in record.getMessage()


def test_a_logger_of_structlog_gets_key_value_pairs() -> None:
    with structlog.testing.capture_logs() as entries:
        SyncRunner(observers=[LoggingObserver(structlog.get_logger())]).execute(numbers, 2)
    assert [entry["kind"] for entry in entries] == ["run_started", "step_started", "step_ended", "run_ended"]
    assert (entries[2]["step"], entries[2]["items_out"], entries[2]["log_level"]) == ("numbers/numbers", 2, "info")
    assert entries[0]["event"].startswith("pipeline 'numbers': run ")
