"""When a call that failed is made again. Reckoned by tenacity, which is imported when it is first needed.

Lives here: what a user may say, and what it is as a tenacity object. Must not live here: waiting, which the drivers do
(engine/retry.py).
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from headrace.errors import OptionError
from headrace.graph.place import called_at
from headrace.graph.values import is_count, is_duration, shown

if TYPE_CHECKING:
    from tenacity import BaseRetrying

__all__ = ["Retry", "check_retry", "tenacious"]

Wait = float | timedelta | datetime | str | None


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How calls that fail are made again: until one succeeds, or `attempts` or the `timeout` are used up.

    A call that waits to be made again keeps its place: it counts for the bound, its result comes in its turn, and
    while it waits it takes no thread. Where many calls fail, so that the others wait behind them, give the step more
    places than calls (`max_in_flight=200, concurrency=20`), or `ordered=False`. The wait grows from call to call:
    `wait_initial` seconds, doubled each time (or multiplied by `wait_exp_base`), up to `wait_max`; and up to
    `wait_jitter` seconds more, by chance. Needs tenacity: `pip install 'headrace[retry]'`.

    Args:
        on: The exceptions after which a call is made again: classes, or a function that is given the exception and
            says whether.
        attempts: How many calls may be made for an item in all; None is as many as it takes.
        timeout: Seconds from the first failure; a call that would begin later is not made. None is as long as it takes.
        wait_initial: Seconds before the second call.
        wait_max: Seconds to which a wait may grow.
        wait_jitter: Seconds of chance in a wait, at most; 0 for none.
        wait_exp_base: By how much a wait is longer than the one before.
        retry_after: A function that is given the exception and may say how long to wait in place of all that: seconds,
            a timedelta, a datetime, what an HTTP header `Retry-After` says, or None.

    Raises: OptionError: a value that it cannot have, or tenacity is not installed.

    >>> from headrace import step, stream, pipeline
    >>> tried = []
    >>> def fetch(url: str) -> str:
    ...     tried.append(url)
    ...     if len(tried) < 3:
    ...         raise ConnectionError("not now")
    ...     return f"page of {url}"
    >>> @pipeline
    ... def pages(urls: list[str]):
    ...     again = Retry(on=ConnectionError, attempts=5, timeout=60, wait_initial=0, wait_jitter=0)
    ...     return stream(urls).map(step("fetch", fn=fetch, retry=again))
    >>> pages.run(["/a", "/b"]), tried
    (['page of /a', 'page of /b'], ['/a', '/a', '/a', '/b'])
    """

    on: type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]
    attempts: int | None = 10
    timeout: float | None = 45.0
    wait_initial: float = 0.1
    wait_max: float = 5.0
    wait_jitter: float = 1.0
    wait_exp_base: float = 2.0
    retry_after: Callable[[Exception], Wait] | None = None

    def __post_init__(self) -> None:
        self._check_on()
        if self.attempts is not None and not is_count(self.attempts, 2):
            what = "a whole number of 2 or more, the first call included"
            _refuse("attempts", what, self.attempts, "or None for as many as it takes")
        if self.timeout is not None and not is_duration(self.timeout):
            _refuse("timeout", "seconds, more than 0", self.timeout, "or None for as long as it takes")
        for name in ("wait_initial", "wait_max", "wait_jitter"):
            if not _is_wait(getattr(self, name)):
                _refuse(name, "seconds, 0 or more", getattr(self, name))
        if not _is_wait(self.wait_exp_base) or self.wait_exp_base < 1:
            _refuse("wait_exp_base", "a number of 1 or more", self.wait_exp_base)
        if self.retry_after is not None and not _is_plain_function(self.retry_after):
            what = "a plain function of the exception that gives seconds"
            fix = "for waits that do not depend on it, use wait_initial="
            _refuse("retry_after", what, self.retry_after, fix)
        if find_spec("tenacity") is None:
            raise OptionError(f"Retry(...) ({called_at()}): needs tenacity; pip install 'headrace[retry]'")

    def _check_on(self) -> None:
        classes = self.on if isinstance(self.on, tuple) else (self.on,)
        if classes and all(isinstance(each, type) and issubclass(each, Exception) for each in classes):
            return
        if not _is_plain_function(self.on):
            what = "exception classes, or a plain function of the exception that says whether to call again"
            _refuse("on", what, self.on, "such as on=(ConnectionError, TimeoutError)")

    @property
    def names(self) -> tuple[str, ...]:
        """What it is on, as text."""
        each = self.on if isinstance(self.on, tuple) else (self.on,)
        return tuple(f"{one.__module__}:{getattr(one, '__qualname__', type(one).__qualname__)}" for one in each)


def _refuse(name: str, what: str, got: object, fix: str = "") -> NoReturn:
    raise OptionError(f"Retry(...) ({called_at()}): {name} must be {what}, got {shown(got)}{f'; {fix}' if fix else ''}")


def _is_wait(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_plain_function(value: object) -> bool:
    return callable(value) and not isinstance(value, type) and not inspect.iscoroutinefunction(value)


def check_retry(owner: str, value: Any) -> None:
    """Raises: OptionError: it is nothing that says when to call again."""
    if isinstance(value, Retry):
        return
    tenacity = sys.modules.get("tenacity")  # who has made a tenacity object has imported it
    if tenacity is None or not isinstance(value, tenacity.BaseRetrying):
        raise OptionError(
            f"{owner}: retry must be a Retry, such as Retry(on=TimeoutError, attempts=5), or a tenacity.Retrying, got "
            f"{shown(value)}"
        )
    for name in ("retry", "stop", "wait"):
        if not _is_plain_function(getattr(value, name)):
            raise OptionError(
                f"{owner}: retry must be a tenacity object that decides without awaiting, got {name}="
                f"{shown(getattr(value, name))}; give it a plain one"
            )


def tenacious(retry: Retry | BaseRetrying) -> BaseRetrying:
    """The tenacity object that decides."""
    import tenacity

    if isinstance(retry, tenacity.BaseRetrying):
        return retry
    on: Any = retry.on
    classes = isinstance(on, (type, tuple))
    stops: list[Any] = [] if retry.attempts is None else [tenacity.stop_after_attempt(retry.attempts)]
    if retry.timeout is not None:
        stops.append(tenacity.stop_before_delay(retry.timeout))
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(on) if classes else tenacity.retry_if_exception(on),
        stop=tenacity.stop_any(*stops) if stops else tenacity.stop_never,
        wait=tenacity.wait_exponential(multiplier=retry.wait_initial, max=retry.wait_max, exp_base=retry.wait_exp_base)
        + tenacity.wait_random(0, retry.wait_jitter),
    )
