"""A place where one section of a DAG runs: a hub in a thread, and the calls from other places that reach it.

A place answers calls in any number of threads; everything that they mean is done in the section's own thread, as a
message.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from queue import SimpleQueue
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.drivers.places.asking import FarStore, Questions
from headrace.drivers.places.messages import Codec, Final, News, Parked, Peer, Question, Reply, Task
from headrace.drivers.places.section_hub import SectionHub, Wire
from headrace.engine.events import Event
from headrace.engine.kept import Asking, Told
from headrace.engine.live import Look
from headrace.engine.log import log
from headrace.engine.observers import Observers
from headrace.engine.outcome import Ended, Failed
from headrace.engine.scope import Scope, Wanted
from headrace.engine.section import SectionRun, Situation
from headrace.engine.snapshot import NodeSnapshot
from headrace.errors import UnpicklableError
from headrace.graph.dag import Program
from headrace.graph.limit import kept_by
from headrace.graph.sections import Link
from headrace.graph.values import shown

if TYPE_CHECKING:
    from headrace.drivers.processes import Process
    from headrace.engine.checkpoint import Checkpoints

__all__ = ["Place"]

PROMPT = 0.0005  # seconds after which an item that is wanted is sent before the producer is asked again


class _Reporter:
    """Hears the events of a section, and hands them on. Of those in `begins` others want something around the code."""

    def __init__(self, live: _Live) -> None:
        self.hears: tuple[type, ...] = live.task.hears
        self.begins: tuple[type, ...] = live.task.begins
        self.live = live

    def __call__(self, event: Event, /) -> None:
        """One more."""
        if type(event) not in self.begins:
            self.live.event(event)

    def around(self, event: Event) -> Callable[[], AbstractContextManager[object]] | None:
        """All that is wanted around the code that begins."""
        if type(event) not in self.begins:
            return None
        wanted = self.live.wanted(self.live.questions.ask("around", self.live.packed_event(event)))
        return partial(Scope, wanted) if wanted else None


class Place:
    """Runs one section after the other. Its methods are called from other places, in any thread."""

    def __init__(
        self, codec: Callable[[], Codec], new_process: Callable[[Mapping[str, Any], str], Process] | None = None
    ) -> None:
        self.new_codec = codec
        self.new_process = new_process  # what makes a worker process of a crew
        self.codec: Codec = codec()
        self.news: SimpleQueue[News | None] = SimpleQueue()
        self.live: _Live | None = None

    # -- called by whoever runs the pipeline -------------------------------------------------------------------

    def open(self, task: Task, peers: Mapping[Link, Peer]) -> bool:
        """Make ready for a section: enter its resources. Tells whether that went well; if not, why is news."""
        self.news = SimpleQueue()
        self.codec = self.new_codec()
        self.live = _Live(task, peers, self.codec, self.news)
        if task.crew is not None and self.new_process is not None:
            self.live.hub.most = task.crew.most
            self.live.hub.new_process = partial(self.new_process, task.crew.options)
        self.live.thread.start()
        self.live.entered.wait()
        return self.live.ready

    def begin(self) -> None:
        """Compute what can be computed."""
        if self.live is not None:
            self.live.message(self.live.run.begin)

    def give(self, id: str, data: Any) -> None:
        """A value that was made elsewhere."""
        if self.live is not None:
            self.live.message(partial(self.live.run.given, id, self.codec.value(data)))

    def may_begin(self, run: int, place: int, number: int, why_not: str) -> None:
        """The answer with the number `place`: that a call may begin which waits for a limit, or why it never will."""
        live = self._of(run)
        if live is not None:
            live.asking.told(place, number, why_not)

    def watch(self, *answers: tuple[Any, Any]) -> list[News]:
        """The next news, as soon as there are some; none if the section is over. `answers` are those to questions."""
        for value, failed in answers:
            assert self.live is not None
            self.live.answered(value, failed)
        first = self.news.get()
        if first is None:
            return []
        return [first, *self._more_news()]

    def _more_news(self) -> list[News]:
        found = []
        while not self.news.empty():
            news = self.news.get()
            if news is None:
                self.news.put(None)
                break
            found.append(news)
        return found

    def parked(self) -> Parked | None:
        """Whether nothing can go on here, and since which messages."""
        return None if self.live is None else self.live.hub.parked

    def look(self) -> list[NodeSnapshot]:
        """How far the nodes of the section have come."""
        live = self.live
        if live is None or live.look is None:
            return []
        own = set(live.task.section.own)
        return [node for node in live.look.nodes() if node.id in own]

    def situation(self) -> Situation:
        """What is waited for here, while nothing can go on."""
        assert self.live is not None
        return self.live.run.situation()

    def halt(self) -> None:
        """The run is over: ask for nothing any more, and wait until no code of the user's is running."""
        if self.live is not None:
            self.live.post(self.live.end)
            self.live.halted.wait()

    def stop(self, failure: Any) -> Final | None:
        """Close what is open, and wait for that; the run has failed with `failure`. What fails in it is news."""
        live = self.live
        if live is None:
            return None
        failed = self.codec.end(failure)
        live.failure = failed.error if isinstance(failed, Failed) else None
        live.closing.set()
        live.thread.join()
        self.live = None
        return live.final

    # -- called by other sections ------------------------------------------------------------------------------

    def pull(self, run: int, link: Link, acknowledged: int, received: int) -> Reply:
        """The answer to a request, as soon as there is one."""
        live = self._of(run)
        if live is None:
            return 0, None, None, False
        box: SimpleQueue[Reply] = SimpleQueue()
        live.ask(link, acknowledged, received, box)
        return box.get()

    def acknowledge(self, run: int, link: Link, count: int) -> None:
        """The consumer of the link has so many items."""
        live = self._of(run)
        if live is not None:
            live.message(partial(live.run.acknowledged, link, count))

    def close(self, run: int, link: Link, why: Any) -> None:
        """Nobody reads the link any more, because of the failure that is packed in `why`."""
        live, failed = self._of(run), self.codec.end(why)
        if live is not None:
            live.message(partial(live.run.unwanted, link, failed.error if isinstance(failed, Failed) else None))

    def _of(self, run: int) -> _Live | None:
        return self.live if self.live is not None and self.live.task.run == run else None


class _Live:
    """A section while it runs, in a thread of its own."""

    run: SectionRun

    def __init__(self, task: Task, peers: Mapping[Link, Peer], codec: Codec, news: SimpleQueue[News | None]) -> None:
        self.task = task
        self.peers = peers
        self.codec = codec
        self.news = news
        self.hub: SectionHub = SectionHub()
        self.asking: Asking = Asking(task.limits, self._of_limit)
        self.wires: list[Wire] = []
        self.entered: threading.Event = threading.Event()
        self.halted: threading.Event = threading.Event()
        self.closing: threading.Event = threading.Event()
        self.ready: bool = False
        self.finished: bool = False
        self.over: bool = False
        self.lock: threading.Lock = threading.Lock()
        self.boxes: set[SimpleQueue[Reply]] = set()  # of open requests
        self.since: dict[SimpleQueue[Reply], float] = {}
        self.failure: BaseException | None = None
        self.look: Look | None = None
        self.questions: Questions = Questions(self._ask)
        self.final: Final | None = None
        label = task.section.own[-1] if task.section.own else "resources"
        self.thread: threading.Thread = threading.Thread(target=self._main, name=f"headrace {label}", daemon=True)

    def post(self, message: Callable[[], None]) -> None:
        """Have `message` called in the section's thread."""
        self.hub.post(message)

    def message(self, message: Callable[[], None]) -> None:
        """The same, for what another section has sent."""
        self.hub.post(partial(self._receive, message))

    def _receive(self, message: Callable[[], None]) -> None:
        if not self.over:
            self.hub.received += 1
            message()

    def end(self) -> None:
        """The run is over."""
        self.over = True
        self.hub.ready.append(self.hub.root)

    # -- in its own thread -------------------------------------------------------------------------------------

    def _main(self) -> None:
        with ExitStack() as stack:
            try:
                self._set_context()
                kept_by.set(self.asking)
                stack.enter_context(Scope(self.wanted(self.task.around)))
                self._begin()
            except BaseException as error:
                self.failed(error)
                self.over = True
            self._go_on()

    def _set_context(self) -> None:
        for data in self.task.context:
            variable, value = self.codec.value(data)
            variable.set(value)

    def _go_on(self) -> None:
        self.entered.set()
        self.hub.run_until(lambda: self.over)
        if hasattr(self, "run"):
            self.run.halt()
        self.halted.set()
        self.closing.wait()
        self._finish()

    def _begin(self) -> None:
        hub, task = self.hub, self.task
        hub.begin()
        arguments = {id: self.codec.value(data) for id, data in task.arguments.items()}
        self.run = run = SectionRun(
            task.section,
            self._program(),
            arguments,
            hub,
            task.detail,
            self._way,
            self,
            self._stored,
            Observers([_Reporter(self)] if task.hears else ()),
            self._checkpoints(task.pickled),
        )
        hub.run = run
        self.look = Look(run.dag, run.lines)
        for wire in self.wires:
            wire.arrived = run.arrived
        hub.idle, hub.tell = run.idle, self._parked
        try:
            run.enter()
        except BaseException as error:
            run.fail(error)
        self.ready = run.failure is None

    def _checkpoints(self, pickled: bool | None) -> Checkpoints | None:
        """What the steps keep, and read back: at home."""
        if pickled is None:
            return None
        from headrace.engine.checkpoint import Checkpoints

        return Checkpoints(FarStore(self.questions), pickled=pickled)

    def _ask(self, question: Question) -> None:
        self.news.put(News("asks", "", question))

    def answered(self, value: Any, failed: Any) -> None:
        """What home says. In any thread."""
        failure = self.codec.end(failed)
        self.questions.answers.put((value, failure if isinstance(failure, Failed) else None))

    def _program(self) -> Program:
        try:
            program: Program = self.codec.value(self.task.program)
        except Exception as error:
            nodes = ", ".join(str(node) for node in self.task.section.dag.nodes if node.function)
            raise UnpicklableError(
                f"{nodes}: must be loaded where they run, got {error!r}; see that all nodes can import their modules, "
                "with runtime_env="
            ) from error
        return program

    def _finish(self) -> None:
        if hasattr(self, "run"):
            self.run.finish(self.failure)
            self.final = Final(self.codec.packed_report(self.run.counts()), self.run.highest())
        for wire in self.wires:
            wire.end()
        with self.lock:
            self.finished = True
            boxes, self.boxes = self.boxes, set()
        for box in boxes:
            box.put((0, None, None, False))
        self.news.put(None)

    def _way(self, link: Link) -> Wire:
        node = next(node for node in self.task.section.dag.nodes if node.id == link.source)
        wire = Wire(self.hub, self.task.run, link, self.peers[link], self.codec, str(node))
        self.wires.append(wire)
        return wire

    def _stored(self) -> None:
        """An item is there for others: send it before the next one is asked for, if that may take a while."""
        self.hub.read_now()
        if self.since and perf_counter() > next(iter(self.since.values())):
            self.run.idle()

    # -- requests ----------------------------------------------------------------------------------------------

    def ask(self, link: Link, acknowledged: int, received: int, box: SimpleQueue[Reply]) -> None:
        """A request from another section. In any thread."""
        with self.lock:
            if self.finished:
                box.put((0, None, None, False))
                return
            self.boxes.add(box)
        self.message(partial(self._asked, link, acknowledged, received, box))

    def _asked(self, link: Link, acknowledged: int, received: int, box: SimpleQueue[Reply]) -> None:
        self.since[box] = perf_counter() + PROMPT
        self.run.pulled(link, acknowledged, received, partial(self._answer, link, box))

    def _answer(
        self, link: Link, box: SimpleQueue[Reply], first: int, items: list[Any], ended: Ended | Failed | None
    ) -> None:
        step = str(self.run.nodes[link.source])
        data, failed = self.codec.packed_items(items, step)
        self.since.pop(box, None)
        with self.lock:
            self.boxes.discard(box)
        self.hub.sent += 1
        box.put((first, data, self.codec.packed_end(failed or ended, step), True))

    # -- what it tells -----------------------------------------------------------------------------------------

    def failed(self, error: BaseException, why: BaseException | None = None) -> None:
        """Something failed; because of the failure `why`, of which home hears otherwise."""
        both = (Failed(error), None if why is None else Failed(why))
        self.news.put(News("failed", "", tuple(self.codec.packed_end(each, "the run") for each in both)))

    def made(self, id: str, value: Any) -> None:
        """A value is there that others need."""
        try:
            data = self.codec.packed(value, f"the value of {self.run.nodes[id]}")
        except Exception as error:
            self.run.fail(error)
            return
        self.hub.sent += 1
        self.news.put(News("made", id, data))

    def done(self, id: str) -> None:
        """A value is there that nobody else needs."""
        self.news.put(News("done", id, None))

    def _of_limit(self, told: Told) -> None:
        self.news.put(News("limit", "", told))

    def event(self, event: Event) -> None:
        """Something happened of which observers hear."""
        self.news.put(News("event", "", self.packed_event(event)))

    def packed_event(self, event: Event) -> Any:
        """An event; without its item, if that is not to be had where the observers are."""
        try:
            return self.codec.packed(event, "an event")
        except Exception:
            shortened = msgspec.structs.replace(event, item=shown(getattr(event, "item", None)))
            return self.codec.packed(shortened, "an event")

    def wanted(self, packed: Sequence[Any]) -> list[Wanted]:
        """What observers want around code, but for what cannot be loaded here."""
        found: list[Wanted] = []
        for data in packed:
            try:
                found.append(self.codec.value(data))
            except Exception:
                log().exception("headrace: what an observer has around steps cannot be loaded here, and is left out")
        return found

    def _parked(self, parked: Parked) -> None:
        self.news.put(News("parked", "", parked))
