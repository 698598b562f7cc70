"""The hub of one section of several, and the ways to the others: everything that they mean is a message to the hub.

Lives here: when a section says what it has to say, and when nothing in it can go on. Must not live here: what is sent
when (engine/links.py), what carries it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from headrace.drivers.places.messages import Codec, Parked, Peer, Reply
from headrace.drivers.sync import Hub, Mail, ThreadMail, nothing
from headrace.engine.outcome import Ended, Failed
from headrace.graph.sections import Link

if TYPE_CHECKING:
    from headrace.drivers.processes import Process, Workers

__all__ = ["SectionHub", "Wire"]

STILL = 0.02  # seconds without a message after which a section says that it waits


class _IdleMail(ThreadMail):
    """Mail that tells when there is none and somebody wants some."""

    hub: SectionHub

    def get(self, block: bool = True, timeout: float | None = None) -> Callable[[], None]:
        if block and timeout is None and self._is_idle():
            if self.hub.ready:
                return nothing
            if self.hub.waits_for_others:
                return self._parked()
        return super().get(block, timeout)

    def within(self, seconds: float) -> Callable[[], None]:
        return nothing if self._is_idle() and self.hub.ready else super().within(seconds)

    def _is_idle(self) -> bool:
        """Whether there is no message; then the section says what there is to say."""
        if not self.empty() or self.hub.closing:
            return False
        self.hub.idle()
        return True

    def _parked(self) -> Callable[[], None]:
        """The next message; the section says that nothing can go on if it does not come at once."""
        try:
            return self.timed(STILL)
        except Empty:
            self.hub.park()
            letter: Callable[[], None] = super().get()
            self.hub.parked = None
            return letter


class SectionHub(Hub):
    """A hub whose run is one section of several: others may have something to say at any time."""

    def __init__(self) -> None:
        super().__init__()
        mail = _IdleMail()
        mail.hub = self
        self.mail: Mail = mail
        self.sent: int = 0
        self.received: int = 0
        self.parked: Parked | None = None
        self.tell: Callable[[Parked], None] = lambda parked: None
        self.idle: Callable[[], None] = lambda: None
        self.expect(1)  # the others
        self.most: int | None = None  # worker processes
        self.new_process: Callable[[str], Process] | None = None  # if they are not on this machine

    @property
    def waits_for_others(self) -> bool:
        """Whether nothing is under way here."""
        return self.expected == 1 and not self.timers.waiting

    def park(self) -> None:
        """Nothing can go on until another section says something."""
        self.parked = Parked(self.sent, self.received)
        self.tell(self.parked)

    def _new_workers(self) -> Workers:
        from headrace.drivers.processes import Workers

        return Workers(self.far, self.most, self.new_process)

    def read_now(self) -> None:
        """Do what messages say that have come, in the middle of something."""
        if self.mail.empty() or self.closing or getcurrent() is self.reader:
            return
        while (letter := self._letter_at_hand()) is not None:
            self._read(letter)


class Wire:
    """The way to the producer of one link, with a thread that waits for its answers."""

    def __init__(self, hub: SectionHub, run: int, link: Link, peer: Peer, codec: Codec, step: str) -> None:
        self.hub = hub
        self.run = run
        self.link = link
        self.peer = peer
        self.codec = codec
        self.step = step
        self.requests: SimpleQueue[tuple[int, Callable[[], Reply]] | None] = SimpleQueue()  # received, and its answer
        self.arrived: Callable[[Link, int, list[Any], Ended | Failed | None], None] | None = None
        self.thread: threading.Thread = threading.Thread(
            target=self._work, name=f"headrace link of {step}", daemon=True
        )

    def pull(self, acknowledged: int, received: int) -> None:
        """Have the producer answer."""
        if not self.thread.is_alive():
            self.thread.start()
        self.hub.sent += 1
        self.requests.put((received, self.peer.pull(self.run, self.link, acknowledged, received)))

    def acknowledge(self, acknowledged: int) -> None:
        """The consumer's code has so many items."""
        self.hub.sent += 1
        self.peer.acknowledge(self.run, self.link, acknowledged)

    def close(self, why: BaseException | None) -> None:
        """Nobody wants any more."""
        self.hub.sent += 1
        self.peer.close(self.run, self.link, self.codec.packed_end(None if why is None else Failed(why), self.step))

    def end(self) -> None:
        """No more requests."""
        self.requests.put(None)

    def join(self) -> None:
        """Wait until the thread has ended; the producer has answered, or is gone."""
        if self.thread.is_alive():
            self.thread.join()

    def _work(self) -> None:
        while (request := self.requests.get()) is not None:
            received, wait = request
            try:
                first, data, ended, valid = wait()
                if not valid:
                    return
                answer = first, self.codec.items(data, self.step), self.codec.end(ended)
            except Exception as error:  # whichever way it is heard of, it is one failure
                answer = received, [], self.codec.end(self.codec.packed_end(Failed(error), self.step))
            self.hub.post(partial(self._deliver, *answer))

    def _deliver(self, first: int, items: list[Any], ended: Ended | Failed | None) -> None:
        self.hub.received += 1
        if self.arrived is not None:
            self.arrived(self.link, first, items, ended)
