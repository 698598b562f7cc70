"""Calls that are made again when they have failed.

Lives here: how a call waits and is made again, in the run's own thread or elsewhere, and what is counted. Must not live
here: whether it is (graph/retry.py, and tenacity), and waiting itself, which the driver does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tenacity import RetryAction, RetryCallState, RetryError

from headrace.engine.limits import LimitedPool
from headrace.engine.observers import Observers
from headrace.engine.outcome import Failed, GivenUp, Value, capture
from headrace.engine.ports import Driver, Pool, Timer
from headrace.engine.window import Window
from headrace.errors import OptionError
from headrace.graph.dag import Node
from headrace.graph.retry import Retry, Wait, tenacious
from headrace.graph.values import shown

if TYPE_CHECKING:
    from tenacity import BaseRetrying

__all__ = ["Retries", "RetryPool"]

Call = Callable[[Any], Any]
Done = Callable[[Value | Failed], None]


class Retries:
    """The calls of one step in one run that may be made again; `retried` is how many were."""

    def __init__(
        self, node: Node, retry: Retry | BaseRetrying, function: Any, driver: Driver, observers: Observers
    ) -> None:
        self.node = node
        self.function = function
        self.driver = driver
        self.observers = observers
        self.rule: Any = tenacious(retry)
        self.retry_after: Callable[[Exception], Wait] | None = retry.retry_after if isinstance(retry, Retry) else None
        self.looks_at_results: bool = not isinstance(retry, Retry)  # a tenacity object may
        self.retried = 0
        self.last: GivenUp | None = None  # what was given up last: a policy asks for it right after
        self.elsewhere: RetryPool | None = None

    def calling(self, function: Call) -> Call:
        """`function` of an item, made again in the run's own thread, which does other things in between."""

        def call(item: Any) -> Any:
            try:
                result = function(item)
            except Exception as error:
                outcome: Value | Failed = Failed(error)
            else:
                if not self.looks_at_results:
                    return result
                outcome = Value(result)
            try:
                return self._again(Attempts(self, item), function, item, outcome).unwrap()
            finally:
                del outcome  # which has the exception, which has this frame

        return call

    def _again(self, attempts: Attempts, function: Call, item: Any, outcome: Value | Failed) -> Value | Failed:
        while not isinstance(verdict := attempts.after(outcome), (Value, Failed)):
            self._pause(self.driver.clock.now() + verdict)
            outcome = capture(function, item)
        return verdict

    def _pause(self, until: float) -> None:
        while self.driver.clock.now() < until:
            self.driver.wait_any((), until)

    def pool(self, pool: Pool) -> Pool:
        """`pool`, whose calls are made again."""
        self.elsewhere = RetryPool(self, pool, self.driver)
        return self.elsewhere

    def placed_in(self, window: Window) -> None:
        """The calls that run elsewhere have their places there."""
        assert self.elsewhere is not None
        self.elsewhere.window = window

    def attempts_of(self, error: BaseException) -> int:
        """How many calls were made before that failure was taken for final."""
        return self.last.attempts if self.last is not None and self.last.error is error else 1

    def stop(self) -> None:
        """The run ends: no call is made again."""
        if self.elsewhere is not None:
            self.elsewhere.rest()

    def forget(self) -> None:
        """The run is over: nothing of it is kept alive."""
        self.last = None


class Attempts:
    """One call that has failed, and how often it was made."""

    __slots__ = ("item", "retries", "state")

    def __init__(self, retries: Retries, item: Any) -> None:
        self.retries: Retries = retries
        self.item: Any = item
        self.state: RetryCallState = RetryCallState(retries.rule, retries.function, (), {})
        self.state.start_time = retries.driver.clock.now()  # so that no wait for a limit or a worker counts before it

    def after(self, outcome: Value | Failed) -> float | Value | Failed:
        """For how many seconds to wait before the call is made again; or what it has come to in the end."""
        if isinstance(outcome, Failed) and not isinstance(outcome.error, Exception):
            return outcome
        decided = capture(self._decided, outcome)
        if isinstance(decided, Failed):  # a function of the user's that decides has failed itself
            return self._final(decided)
        verdict: float | Value | Failed = decided.value
        return verdict

    def _decided(self, outcome: Value | Failed) -> float | Value | Failed:
        rule, state = self.retries.rule, self.state
        self._note(outcome)
        if not rule.retry(state):
            return self._final(outcome)
        if rule.after is not None:
            rule.after(state)
        state.upcoming_sleep = seconds = self._seconds(outcome)
        if rule.stop(state):
            return self._stopped(outcome)
        state.next_action = RetryAction(seconds)
        state.idle_for += seconds
        if rule.before_sleep is not None:
            rule.before_sleep(state)
        self._tell(seconds, outcome)
        state.prepare_for_next_attempt()
        self.retries.retried += 1
        return seconds

    def _tell(self, seconds: float, outcome: Value | Failed) -> None:
        error = outcome.error if isinstance(outcome, Failed) else None
        self.retries.observers.retried(self.retries.node, self.item, self.state.attempt_number, seconds, error)

    def _note(self, outcome: Value | Failed) -> None:
        if isinstance(outcome, Value):
            self.state.set_result(outcome.value)
        else:
            self.state.set_exception((type(outcome.error), outcome.error, outcome.error.__traceback__))
        self.state.outcome_timestamp = self.retries.driver.clock.now()

    def _seconds(self, outcome: Value | Failed) -> float:
        """How long to wait: what `retry_after` says, or else as computed."""
        retries = self.retries
        if retries.retry_after is not None and isinstance(outcome, Failed):
            assert isinstance(outcome.error, Exception)
            seconds = in_seconds(retries.retry_after(outcome.error), retries.driver.utc(), retries.node)
            if seconds is not None:
                return seconds
        return float(retries.rule.wait(self.state))

    def _stopped(self, outcome: Value | Failed) -> Value | Failed:
        """What comes of a call that is not made again, although it should be."""
        instead = self.retries.rule.retry_error_callback
        if instead is not None:
            return Value(instead(self.state))
        if isinstance(outcome, Value) and self.state.outcome is not None:
            return self._final(Failed(RetryError(self.state.outcome)))
        return self._final(outcome)

    def _final(self, outcome: Value | Failed) -> Value | Failed:
        if isinstance(outcome, Value):
            return outcome
        self.retries.last = last = GivenUp(outcome.error, self.state.attempt_number)
        return last


class RetryPool:
    """A pool whose calls are made again. One that waits leaves its place in the pool to others."""

    def __init__(self, retries: Retries, pool: Pool, driver: Driver) -> None:
        self.retries = retries
        self.inner = pool
        self.submit_again: Callable[..., None] = (
            partial(pool.submit, again=True) if isinstance(pool, LimitedPool) else pool.submit
        )
        self.driver = driver
        self.elsewhere: float = 0.0  # the pool within tells
        self.window: Window | None = None  # that has the places
        self.timers: set[Timer] = set()
        self.resting: bool = False

    def submit(self, call: Call, item: Any, done: Done) -> None:
        """Have `call(item)` run elsewhere, and again if need be; `done` is called with what it comes to in the end."""
        self.inner.submit(call, item, partial(self._ended, call, item, done, None))

    def stop(self) -> None:
        """Cancel the calls that can be cancelled, make no call again, and do not wait."""
        self.rest()
        self.inner.stop()

    def rest(self) -> None:
        """Make no call again."""
        self.resting = True
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        if self.window is not None:
            self.window.due.clear()

    def _ended(self, call: Call, item: Any, done: Done, attempts: Attempts | None, outcome: Value | Failed) -> None:
        verdict: float | Value | Failed = outcome
        if isinstance(outcome, Failed) or self.retries.looks_at_results:
            attempts = attempts or Attempts(self.retries, item)
            verdict = attempts.after(outcome)
        if isinstance(verdict, (Value, Failed)):
            done(verdict)
        else:
            self._wait(
                verdict, partial(self.submit_again, call, item, partial(self._ended, call, item, done, attempts))
            )

    def _wait(self, seconds: float, again: Callable[[], None]) -> None:
        if self.resting:
            return
        if self.window is not None:
            self.window.pause()

        def due() -> None:
            self.timers.discard(timer)
            if self.window is None:
                again()
            else:
                self.window.again(again)

        timer = self.driver.timer(self.driver.clock.now() + seconds, due)
        self.timers.add(timer)


def in_seconds(wait: Any, utc: datetime, node: Node) -> float | None:
    """How long to wait, however it is said; None if it is not said.

    >>> noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    >>> said = [
    ...     3,
    ...     timedelta(minutes=1),
    ...     datetime(2026, 1, 31, 12, 1),
    ...     "120",
    ...     "Sat, 31 Jan 2026 12:00:30 GMT",
    ...     "soon",
    ...     None,
    ... ]
    >>> [in_seconds(each, noon, None) for each in said]
    [3.0, 60.0, 60.0, 120.0, 30.0, None, None]
    """
    if isinstance(wait, str):
        wait = _said_by_header(wait)
    if isinstance(wait, datetime):
        wait = (wait if wait.tzinfo is not None else wait.replace(tzinfo=UTC)) - utc
    if isinstance(wait, timedelta):
        wait = wait.total_seconds()
    if wait is None:
        return None
    if isinstance(wait, bool) or not isinstance(wait, (int, float)):
        raise OptionError(
            f"{node}: retry_after must give seconds, a timedelta, a datetime, what a Retry-After header says or None, "
            f"got {shown(wait)}; correct that function"
        )
    return max(float(wait), 0.0)


def _said_by_header(text: str) -> float | datetime | None:
    """What the text of an HTTP header Retry-After says (RFC 9110, section 10.2.3)."""
    with suppress(ValueError):
        return float(text) if text.strip().isdigit() else parsedate_to_datetime(text)
    return None
