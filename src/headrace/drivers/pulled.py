"""A generator that runs elsewhere, in a thread or a task: the rules of talking to it, seen from the run's own thread.

The run asks it for items, each of which was given a space before. The generator's own inputs are pulled in the run's
thread: it requests an item and waits for the reply. Whether it will say something by itself is always known, and so is
a deadlock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

from headrace.engine.outcome import END, Failed, Outcome, Stopped, Value

__all__ = ["Elsewhere", "Mailbox", "Pulled", "Server", "next_outcome"]


class Mailbox(Protocol):
    """How code elsewhere reaches the run's own thread."""

    def post(self, message: Callable[[], None], /) -> None:
        """Have `message` called in the run's own thread."""
        ...

    def expect(self, messages: int) -> None:
        """So many more messages (or fewer, if negative) will come without anything else happening first."""
        ...


class Server(Protocol):
    """Does one job after the other in the run's own thread; a job may wait."""

    def do(self, job: Callable[[], None]) -> None:
        """Do `job` when it is its turn."""
        ...

    def kill(self) -> None:
        """Stop the job that waits, and do no more."""
        ...


class Elsewhere(Protocol):
    """Where the generator runs."""

    def begin(self) -> None:
        """Begin to answer asks."""
        ...

    def ask(self) -> None:
        """Resume the generator once more; it answers with `answered`, or first with `requested`."""
        ...

    def reply(self, outcome: Outcome) -> None:
        """The item that was requested."""
        ...

    def stop(self) -> None:
        """Close the generator, and then say `ended`."""
        ...


class Pulled:
    """The run's end of one generator elsewhere. All of it is called in the run's own thread."""

    def __init__(
        self,
        mailbox: Mailbox,
        server: Server,
        done: Callable[[Outcome], None],
        heard: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self.mailbox = mailbox
        self.server = server
        self.done = done
        self.heard = heard
        self.failed = failed
        self.elsewhere: Elsewhere | None = None
        self.begun: bool = False
        self.pending: int = 0  # asks that are not answered
        self.waiting: bool = False  # for a reply
        self.stopping: bool = False
        self.over: bool = False
        self.expected: bool = False

    def ask(self) -> None:
        """Have the generator resumed once more."""
        assert self.elsewhere is not None
        if not self.begun:
            self.begun = True
            self.elsewhere.begin()
        self.pending += 1
        self._expect()
        self.elsewhere.ask()

    def stop(self) -> None:
        """Have the generator closed, and do not wait for it."""
        if not self.stopping:
            self.stopping = True
            self.server.kill()
            self.waiting = False
            self._expect()
            if self.begun and self.elsewhere is not None:
                self.elsewhere.stop()

    @property
    def live(self) -> bool:
        """Whether it has yet to say that it is over."""
        return self.begun and not self.over

    def _expect(self) -> None:
        """Keep the mailbox right about whether the generator will say something by itself."""
        expected = self.live and not self.waiting and (self.pending > 0 or self.stopping)
        self.mailbox.expect(expected - self.expected)
        self.expected = expected

    # -- what it says ------------------------------------------------------------------------------------------

    def answered(self, outcome: Outcome) -> None:
        """The outcome of one ask."""
        self.pending -= 1
        self._expect()
        self.heard()
        self.done(outcome)

    def requested(self, items: Iterator[Any]) -> None:
        """It waits for the next of `items`."""
        if self.stopping:
            return  # it has been told
        self.waiting = True
        self._expect()
        self.heard()
        self.server.do(partial(self._reply, items))

    def ended(self, closed: BaseException | None) -> None:
        """It is closed, and that raised `closed`."""
        self.over = True
        self._expect()
        if closed is not None:
            self.failed(closed)

    def _reply(self, items: Iterator[Any]) -> None:
        outcome = next_outcome(items)
        self.waiting = False
        self._expect()
        if self.elsewhere is not None:
            self.elsewhere.reply(outcome)
        if isinstance(outcome, Failed) and isinstance(outcome.error, Stopped):
            raise outcome.error


def next_outcome(items: Iterator[Any]) -> Outcome:
    """What comes of asking for the next item."""
    try:
        return Value(next(items))
    except StopIteration:
        return END
    except BaseException as error:
        return Failed(error)
