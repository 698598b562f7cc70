"""A run of one section of a DAG: the engine as everywhere, with links in the place of the streams that come and go.

Lives here: which channel is filled from afar and which is emptied, and what the others are told. Must not live here:
what is sent when (links.py), how values and lines are run (run.py, lines.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headrace.engine.channel import Branch
from headrace.engine.counts import report
from headrace.engine.lines import CALLER as TO_CALLER
from headrace.engine.links import Inlet, InLink, Outlet, Way, outlet_channel
from headrace.engine.observers import Observers
from headrace.engine.outcome import Ended, Failed, Failures, Stopped
from headrace.engine.ports import Driver, Fiber
from headrace.engine.report import Report
from headrace.engine.run import Execution
from headrace.engine.stopwatch import Detail
from headrace.graph.dag import RESOURCES, Edge, Node, Program
from headrace.graph.sections import CALLER, Link, Section

if TYPE_CHECKING:
    from headrace.engine.checkpoint import Checkpoints

__all__ = ["Home", "SectionRun", "Situation"]


class Home(Protocol):
    """Whoever the sections of a run report to."""

    def failed(self, error: BaseException, why: BaseException | None = None) -> None:
        """Something failed; because of the failure `why`, of which home hears otherwise."""
        ...

    def made(self, id: str, value: Any) -> None:
        """A value is there that others need."""
        ...

    def done(self, id: str) -> None:
        """A value is there that nobody else needs."""
        ...


class Situation(msgspec.Struct, frozen=True):
    """What a section waits for while nothing in it can go on, and how full its channel is."""

    items: tuple[tuple[str, str, str], ...] = ()  # source, target and parameter of edges that have none
    values: tuple[tuple[str, str], ...] = ()  # parameter and source of edges whose value is not there
    channel: tuple[str, int, bool] | None = None  # of which node, how many it is asked for, whether it has ended
    in_flight: tuple[tuple[Link, int], ...] = ()  # on the open links to others
    ahead: tuple[tuple[tuple[str, str, str], int], ...] = ()  # by how much less that is on open edges that share one


class _Heard(Failures):
    """Failures of which somebody else hears."""

    def __init__(self, home: Home) -> None:
        super().__init__()
        self.home = home

    def add(self, error: BaseException, why: BaseException | None = None) -> None:
        if self.first is None and why is None:
            self.first = error
        if not isinstance(error, Stopped):
            self.home.failed(error, why)


class SectionRun(Execution):
    """The state of one section in one run. All of it is called in the section's own thread."""

    def __init__(
        self,
        section: Section,
        program: Program,
        arguments: Mapping[str, Any],
        driver: Driver,
        detail: Detail,
        way: Callable[[Link], Way],
        home: Home,
        stored: Callable[[], None],
        observers: Observers | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        super().__init__(program, arguments, driver, detail, checkpoints, observers, _Heard(home))
        self.section = section
        self.home = home
        self.over: bool = False
        self.in_links: dict[Link, InLink] = {}
        self._join(way)
        self.outlet: Outlet | None = self._outlet(stored) if section.feeds else None
        self.serving: Fiber | None = None

    # -- its life ----------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Enter the resources."""
        self._enter_resources()

    def begin(self) -> None:
        """Compute what can be computed."""
        if self.failure is None:
            self._start_fibers()

    def given(self, id: str, value: Any) -> None:
        """A value has come that was made elsewhere."""
        self.values[id] = value
        if self.failure is None:
            self._announce([id])

    def halt(self) -> None:
        """The run is over: nothing is asked for any more, and no code of the user's is running."""
        self.leave()
        self.lines.stop()
        self._try(self.driver.stop)

    def leave(self) -> None:
        """What is closed from now on is closed because the run is over, and nobody is to go on for it."""
        for end in self.in_links.values():
            end.over = True

    def finish(self, failure: BaseException | None) -> None:
        """Close everything. The run has failed with `failure`, of which resources are told."""
        self.failures.first = failure
        try:
            self.close()
        except BaseException:  # home has heard of it
            pass

    def counts(self) -> Report:
        """What its own nodes did, and the edges that they read; edges to others have the id of the link."""
        made = report(self.dag, self.values, self.lines)
        own = set(self.section.own)
        return msgspec.structs.replace(made, nodes=tuple(node for node in made.nodes if node.id in own))

    def highest(self) -> dict[Link, int]:
        """The most items that were in flight on the links to others."""
        if self.outlet is None:
            return {}
        return {link: end.branch.highest for link, end in self.outlet.links.items()}

    def _announce(self, found: Iterable[str]) -> None:
        found = list(found)
        super()._announce(found)
        for id in found:
            node = self.nodes[id]
            if id in self.section.takes or node.gives == "stream" or node.kind in RESOURCES:
                continue
            if id in self.section.gives:
                self.home.made(id, self.values[id])
            else:
                self.home.done(id)

    # -- what it reads -----------------------------------------------------------------------------------------

    def _join(self, way: Callable[[Link], Way]) -> None:
        for link in self.section.reads:
            source, readers = self.nodes[link.source], self._readers(link)
            lines = self.lines
            end = InLink(link, source.max_in_flight, len(readers), way(link), self._why_closed)
            self.in_links[link] = end
            lines.branches.update(zip(readers, end.channel.branches, strict=True))
            lines.links.update(zip(end.channel.branches, readers, strict=True))
            lines.channels[f"{link.source} failures" if link.failures else link.source] = end.channel
        for source_id in {link.source: None for link in self.section.reads}:
            ends = [end for link, end in self.in_links.items() if link.source == source_id]
            self.lines.channels.setdefault(source_id, ends[0].channel)
            self.lines.ports[source_id] = Inlet(ends)
            self.lines.opened.add(source_id)

    def _why_closed(self) -> BaseException | None:
        return self.lines.closed_for

    def _readers(self, link: Link) -> list[tuple[str, str, str]]:
        if link.reader == CALLER:
            return [(link.source, "", TO_CALLER)]
        return [
            (link.source, node.id, edge.parameter)
            for node in self.dag.nodes
            for edge in node.stream_edges
            if edge.source == link.source and (edge.delivery == "failures") == link.failures
        ]

    def arrived(self, link: Link, first: int, items: list[Any], ended: Ended | Failed | None) -> None:
        """The answer to a request has come."""
        if isinstance(ended, Failed):
            self.blame.blamed.append(ended.error)
        self.in_links[link].arrived(first, items, ended)

    def read(self) -> Any:
        """What the caller of the run reads."""
        [link] = self.section.reads
        return self.lines.read("", Edge(parameter=TO_CALLER, source=link.source, delivery="stream"))

    # -- what it gives -----------------------------------------------------------------------------------------

    def _outlet(self, stored: Callable[[], None]) -> Outlet:
        links = self.section.feeds
        node = self.nodes[links[0].source]
        kinds = [link.failures for link in links]
        channel = outlet_channel(node.max_in_flight, kinds, stored, split=node.on_error == "catch")
        self.lines.channels[node.id] = channel
        for link, branch in zip(links, channel.branches, strict=True):
            reader = _reader(node, link)
            [edge] = reader.stream_edges
            place = node.id, reader.id, edge.parameter
            self.lines.branches[place] = branch
            self.lines.links[branch] = place
            self.lines.consumers.setdefault(node.id, []).append((reader.id, edge))
        return Outlet(channel, links, lambda: self.lines.ports[node.id].ask())

    def _serve(self) -> None:
        """Fill the channel to others, as long as they want more."""
        assert self.outlet is not None
        channel, id = self.outlet.channel, self.section.feeds[0].source
        try:
            self.lines._open_above([id])
            self.outlet.serve(lambda: self.driver.wait(channel.waiting, None))
        except Stopped:
            raise
        except BaseException as error:
            self.blame.line(error, self.nodes[id])
            channel.end(Failed(error))

    def pulled(self, link: Link, acknowledged: int, received: int, answer: Callable[..., None]) -> None:
        """A request has come."""
        assert self.outlet is not None
        self.outlet.links[link].pulled(acknowledged, received, answer)
        if self.serving is None:
            self.serving = self.driver.start(self._serve)

    def acknowledged(self, link: Link, count: int) -> None:
        """A consumer has so many items."""
        assert self.outlet is not None
        self.outlet.links[link].acknowledge(count)

    def unwanted(self, link: Link, why: BaseException | None = None) -> None:
        """A consumer wants no more, because of the failure `why`. When nobody does, what made the items is closed."""
        assert self.outlet is not None
        self.outlet.links[link].branch.close()
        if not self.outlet.channel.stores:
            if self.serving is not None:
                self.serving.kill()
            self.lines.close_inputs(_reader(self.nodes[link.source], link), why)

    # -- while nothing can go on -------------------------------------------------------------------------------

    def idle(self) -> None:
        """No code runs here: say what there is to say."""
        if self.outlet is not None:
            self.outlet.publish()
        for end in self.in_links.values():
            end.flush()

    def situation(self) -> Situation:
        """What is waited for here."""
        links = self.lines.links
        reasons = self.lines.waits()
        outlet = self.outlet
        channel = None if outlet is None else outlet.channel
        return Situation(
            items=tuple(links[each] for each in reasons if isinstance(each, Branch)),
            values=tuple((each.parameter, each.source) for each in reasons if isinstance(each, Edge)),
            channel=None
            if channel is None
            else (self.section.feeds[0].source, channel.asking, channel.ended is not None),
            ahead=tuple(self._ahead(links)),
            in_flight=()
            if outlet is None
            else tuple((link, end.branch.in_flight) for link, end in outlet.links.items() if not end.branch.closed),
        )

    def _ahead(self, links: Mapping[Branch, tuple[str, str, str]]) -> Iterator[tuple[tuple[str, str, str], int]]:
        for end in self.in_links.values():
            most = max(map(len, end.channel.stores), default=0)
            for branch in end.channel.branches:
                if not branch.closed:
                    yield links[branch], most - len(branch.items)


def _name(link: Link) -> str:
    """What stands for a reader elsewhere."""
    return f"section {link.reader}"


def _reader(source: Node, link: Link) -> Node:
    """A node that stands for the readers of a link."""
    edge = Edge(
        parameter="failures" if link.failures else "items",
        source=source.id,
        delivery="failures" if link.failures else "stream",
    )
    return msgspec.structs.replace(source, id=_name(link), inputs=(edge,))
