"""Both ends of an edge whose producer and consumer run in different places: the bound, with a way in between.

The producer's end is a channel as everywhere. What waits in a branch of it is exactly what was sent and has not been
acknowledged, or not been sent yet: never more than the producer's `max_in_flight`, together with what is asked for. So
the bound is kept where the producer is, and a space is reserved on all edges before it is asked.

The consumer's end pulls: it keeps one request on its way, with the number of items that it has received and of those
that it acknowledges. The answer is what there is by then, at least one item or the end; so the slower the way, the
more items go together, and nothing waits to fill. An answer begins with the number of its first item, which is checked.

An item is acknowledged when it is certain that the consumer's code has it: when that asks for the next one, or when
everything in its place waits and so no code of the user's is in between. These acknowledgements go on their own if no
request does. (With its next request only, a fan-out whose branches meet again locks up for no reason.)

Lives here: what is sent when, and counting it. Must not live here: how it is sent, threads, clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from headrace.engine.channel import Branch, Channel, Split, put_all
from headrace.engine.outcome import Ended, Failed
from headrace.graph.sections import Link

__all__ = ["InLink", "Inlet", "OutLink", "Outlet", "Way"]


class Way(Protocol):
    """To the producer of one link. Nothing here waits; whatever is sent is counted by whoever sends it."""

    def pull(self, acknowledged: int, received: int) -> None:
        """Have the producer answer with what comes behind the first `received` items."""
        ...

    def acknowledge(self, acknowledged: int) -> None:
        """The consumer's code has so many items."""
        ...

    def close(self, why: BaseException | None) -> None:
        """Nobody wants any more, because of the failure `why`, if that is the reason."""
        ...


class InLink:
    """The consumer's end of one link: a channel that is filled from afar, with a branch for each local consumer."""

    def __init__(
        self, link: Link, capacity: int, consumers: int, way: Way, why: Callable[[], BaseException | None]
    ) -> None:
        self.link = link
        self.way = way
        self.why = why  # consumers stop
        self.channel: Channel = _Arrivals(capacity, consumers, self)
        self.received: int = 0
        self.acknowledged: int = 0
        self.pulling: bool = False
        self.begun: bool = False
        self.over: bool = False  # the run: everybody is told of that

    def ask(self) -> None:
        """Somebody's code wants an item, and so has all that were taken."""
        if not self.pulling:
            self.begun = True
            self._pull()

    def flush(self) -> None:
        """No code runs here: all that was taken has been received."""
        if not self.begun or self.channel.ended is not None:
            return
        if not self.pulling:
            self._pull()
        elif self._taken() > self.acknowledged:
            self.acknowledged = self._taken()
            self.way.acknowledge(self.acknowledged)

    def arrived(self, first: int, items: list[Any], ended: Ended | Failed | None) -> None:
        """The answer to a request."""
        assert first == self.received, f"{self.link}: item {first} came in the place of {self.received}"
        self.received += len(items)
        self.pulling = False
        channel = self.channel
        if channel.ended is None:
            put_all(channel, items)
            if ended is not None:
                channel.end(ended)

    def left(self) -> None:
        """A consumer has stopped."""
        if not self.channel.stores and not self.over:
            self.way.close(self.why())

    def _pull(self) -> None:
        taken = self._taken()
        if self.channel.ended is None and self.received - taken < self.channel.capacity:
            self.pulling = True
            self.acknowledged = taken
            self.way.pull(taken, self.received)

    def _taken(self) -> int:
        """What all who still read have taken."""
        return self.received - max(map(len, self.channel.stores), default=0)


class _Arrivals(Channel):
    """A channel that tells when somebody does not read it any more."""

    __slots__ = ("link",)

    def __init__(self, capacity: int, branches: int, link: InLink) -> None:
        super().__init__(capacity, branches)
        self.link: InLink = link

    def leave(self, branch: Branch) -> None:
        """That branch does not hold the producer back any more."""
        super().leave(branch)
        if self.ended is None:
            self.link.left()


class Inlet:
    """In the place of a port: what is read from one node that is elsewhere."""

    def __init__(self, links: Sequence[InLink]) -> None:
        self.links = links
        self.source: Iterator[Any] | None = None  # its items are waited for
        self.ask: Callable[[], None] = links[0].ask if len(links) == 1 else self._ask_all

    def _ask_all(self) -> None:
        for link in self.links:
            link.ask()

    def stop(self) -> None:
        """Its channels have told already."""


class OutLink:
    """The producer's end of one link: answers requests with what is in a branch."""

    def __init__(self, link: Link, branch: Branch) -> None:
        self.link = link
        self.branch = branch
        self.received: int = 0
        self.answer: Callable[[int, list[Any], Ended | Failed | None], None] | None = None  # of the open request

    def pulled(self, acknowledged: int, received: int, answer: Callable[..., None]) -> None:
        """A request has come."""
        self.received = received
        self.answer = answer
        self.acknowledge(acknowledged)

    def acknowledge(self, acknowledged: int) -> None:
        """The consumer has so many items."""
        branch = self.branch
        while branch.taken < acknowledged and not branch.closed:
            branch.take()

    def publish(self) -> bool:
        """Answer the open request, if there is something to answer; tells whether it did."""
        branch, channel = self.branch, self.branch.channel
        if self.answer is None:
            return False
        items = [] if branch.closed else [*islice(branch.items, self.received - branch.taken, None)]
        if not items and channel.ended is None and not branch.closed:
            return False
        answer, self.answer = self.answer, None
        answer(self.received, items, channel.ended)
        return True


class Outlet:
    """What one section gives to others: its channel, and the links that are its branches."""

    def __init__(self, channel: Channel, links: Sequence[Link], ask: Callable[[], None]) -> None:
        self.channel = channel
        self.links: dict[Link, OutLink] = {
            link: OutLink(link, branch) for link, branch in zip(links, channel.branches, strict=True)
        }
        self.ask = ask

    def publish(self) -> bool:
        """Answer what can be answered; tells whether there was anything."""
        published = [link.publish() for link in self.links.values()]
        return any(published)

    def serve(self, wait: Callable[[], None]) -> None:
        """Keep the channel as full as it may be, until it ends."""
        while self.channel.ended is None:
            self.ask()
            if self.channel.ended is None:
                wait()


def outlet_channel(capacity: int, failures: Sequence[bool], stored: Callable[[], None], *, split: bool) -> Channel:
    """The channel of what is given to others; `stored` hears of each item."""
    if split:
        return _SplitOutlet(capacity, failures, stored)
    return _PlainOutlet(capacity, len(failures), stored)


class _PlainOutlet(Channel):
    __slots__ = ("stored",)

    def __init__(self, capacity: int, branches: int, stored: Callable[[], None]) -> None:
        super().__init__(capacity, branches)
        self.stored = stored

    def put(self, item: Any) -> None:
        super().put(item)
        self.stored()


class _SplitOutlet(Split):
    __slots__ = ("stored",)

    def __init__(self, capacity: int, failures: Sequence[bool], stored: Callable[[], None]) -> None:
        super().__init__(capacity, failures)
        self.stored = stored

    def put(self, item: Any) -> None:
        super().put(item)
        self.stored()
