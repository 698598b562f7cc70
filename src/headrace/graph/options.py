"""The options of a step, and what values they may have."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from headrace.errors import OptionError
from headrace.graph.limit import Limit
from headrace.graph.retry import Retry, check_retry
from headrace.graph.values import is_count, is_duration, shown

__all__ = ["Executor", "Mode", "OnError", "Options"]

Executor = Literal["inline", "thread", "process"]  # what a user may ask for
EXECUTORS = ("inline", "thread", "process")
Mode = Literal["each", "all"]
OnError = Literal["raise", "skip"]  # likewise; `.catch()` makes it "catch"
ON_ERROR = ("raise", "skip")


class Options(msgspec.Struct, frozen=True):
    """How a step runs.

    `max_in_flight` is in items: how far the step may be ahead of its consumer. `concurrency` is in calls at
    once (default: `max_in_flight`). `ordered` keeps the results of calls that overlap in input order. `idempotent`
    says that a call may be made again whose worker process died. `timeout` is in seconds, for each call. `mode` is how
    a stream must reach the step: "each" in a call per item, "all" in one call; None leaves it to the use and the hints.
    `max_failures` is how many failures may be: a number of items, or a fraction of them. `checkpoint` has results kept,
    as those of `version` (default: as the function's code says) and whatever the arguments of the parameters `unkeyed`
    are. `limit` is what says when calls may begin, and `retry` what says when they are made again.
    """

    max_in_flight: int = 1
    concurrency: int | None = None
    ordered: bool = True
    executor: Executor | Literal["async"] = "inline"
    idempotent: bool = False
    timeout: float | None = None
    mode: Mode | None = None
    on_error: OnError | Literal["catch"] = "raise"
    max_failures: int | float | None = None
    checkpoint: bool = False
    version: str | None = None
    unkeyed: tuple[str, ...] = ()
    code: str = ""  # with `checkpoint`: a fingerprint of the function, as it was when it was made a step
    limit: Limit | None = None
    retry: Retry | Any = None

    @property
    def calls_at_once(self) -> int:
        """How many calls may run at once."""
        if self.executor == "inline":
            return 1
        return self.max_in_flight if self.concurrency is None else self.concurrency

    def changed(self, changes: dict[str, Any], owner: str, *, is_async: bool = False) -> Options:
        """A copy with `changes`, checked. The calls of an async function overlap by themselves.

        Raises: OptionError: an unknown option, or a value that the option cannot have.
        """
        known = [name for name in self.__struct_fields__ if name != "code"]
        for name in changes:
            if name not in known:
                raise OptionError(f"{owner}: there is no option {name!r}; the options are {', '.join(known)}")
        if changes.get("executor", "inline") not in EXECUTORS:
            wrong = shown(changes["executor"])
            raise OptionError(f"{owner}: executor must be 'inline', 'thread' or 'process', got {wrong}")
        if changes.get("on_error", "raise") not in ON_ERROR:
            raise OptionError(
                f"{owner}: on_error must be 'raise' or 'skip', got {shown(changes['on_error'])}; to have the failures "
                "as a stream, use .catch() on the stream that the step gives"
            )
        changed = msgspec.structs.replace(self, **_as_stored(changes))
        if is_async:
            changed = changed._of_async(owner)
        changed._check(owner)
        return changed

    def _of_async(self, owner: str) -> Options:
        if self.executor in ("thread", "process"):
            raise OptionError(
                f"{owner}: executor='{self.executor}' is for plain functions, got an async one, whose calls overlap by "
                "themselves; leave the option out"
            )
        return msgspec.structs.replace(self, executor="async")

    def _check(self, owner: str) -> None:
        _check_count(owner, "max_in_flight", self.max_in_flight)
        if self.mode not in ("each", "all", None):
            raise OptionError(f"{owner}: mode must be 'each' or 'all', got {shown(self.mode)}")
        if self.max_failures is not None:
            _check_max_failures(owner, self.max_failures)
        if self.retry is not None:
            check_retry(owner, self.retry)
        if self.limit is not None and not isinstance(self.limit, Limit):
            raise OptionError(
                f"{owner}: limit must be a Limit, got {shown(self.limit)}; make one that all of its steps share, "
                "such as api = Limit(rate='100/min')"
            )
        if not isinstance(self.ordered, bool):
            raise OptionError(f"{owner}: ordered must be True or False, got {shown(self.ordered)}")
        if self.concurrency is not None:
            self._check_concurrency(owner)
        if not isinstance(self.idempotent, bool):
            raise OptionError(f"{owner}: idempotent must be True or False, got {shown(self.idempotent)}")
        if self.idempotent and self.executor != "process":
            raise OptionError(
                f"{owner}: idempotent=True says that a call may be made again whose worker process died, got "
                f"executor='{self.executor}'; add executor='process', or leave it out"
            )
        if self.timeout is not None:
            self._check_timeout(owner)
        self._check_checkpoint(owner)
        if not self.ordered and self.executor == "inline":
            raise OptionError(
                f"{owner}: ordered=False needs calls that overlap, got executor='inline'; add executor='thread', "
                "or make it async"
            )

    def _check_timeout(self, owner: str) -> None:
        if not is_duration(self.timeout):
            raise OptionError(f"{owner}: timeout must be seconds, more than 0, got {shown(self.timeout)}")
        if self.executor in ("inline", "thread"):
            raise OptionError(
                f"{owner}: timeout={self.timeout} needs calls that can be ended, got a plain function with "
                f"executor='{self.executor}', which nothing can end; add executor='process', or make it async"
            )

    def _check_checkpoint(self, owner: str) -> None:
        if not isinstance(self.checkpoint, bool):
            raise OptionError(f"{owner}: checkpoint must be True or False, got {shown(self.checkpoint)}")
        if self.version is not None and (not isinstance(self.version, str) or not self.version):
            raise OptionError(f"{owner}: version must be text, got {shown(self.version)}")
        if not isinstance(self.unkeyed, tuple) or not all(isinstance(name, str) for name in self.unkeyed):
            raise OptionError(f"{owner}: unkeyed must be names of parameters, got {shown(self.unkeyed)}")
        given = {"version": self.version, "unkeyed": self.unkeyed}
        for name, value in given.items():
            if value and not self.checkpoint:
                raise OptionError(
                    f"{owner}: {name}={shown(value)} is about results that are kept, got checkpoint=False; add "
                    "checkpoint=True, or leave it out"
                )

    def _check_concurrency(self, owner: str) -> None:
        _check_count(owner, "concurrency", self.concurrency)
        if self.executor == "inline":
            raise OptionError(
                f"{owner}: concurrency={self.concurrency} needs calls that overlap, got executor='inline'; "
                "add executor='thread', or make it async"
            )
        if self.calls_at_once > self.max_in_flight:
            raise OptionError(
                f"{owner}: concurrency must be at most max_in_flight={self.max_in_flight}, got "
                f"{self.concurrency}; raise max_in_flight"
            )


def _as_stored(changes: dict[str, Any]) -> dict[str, Any]:
    """The names of parameters as a tuple, whether one or several are given."""
    names = changes.get("unkeyed", ())
    if isinstance(names, (str, list)):
        changes = {**changes, "unkeyed": (names,) if isinstance(names, str) else tuple(names)}
    return changes


def _check_count(owner: str, name: str, value: object) -> None:
    if not is_count(value, 1):
        raise OptionError(f"{owner}: {name} must be a whole number of 1 or more, got {shown(value)}")


def _check_max_failures(owner: str, value: object) -> None:
    """A number of items, or a fraction of them."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if whole or (isinstance(value, float) and 0 < value < 1):
        return
    to_stop = not isinstance(value, bool) and value in (0, 0.0)
    fix = "to stop at the first failure, leave out on_error too" if to_stop else "to allow any number, leave it out"
    raise OptionError(
        f"{owner}: max_failures must be a whole number of 1 or more, or a fraction between 0 and 1, got "
        f"{shown(value)}; {fix}"
    )
