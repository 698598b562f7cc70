"""Whoever runs a pipeline in several places: opens a section in each, reads what comes out, and ends them all.

The caller's own end is a section as well, without stages: it reads the last link. Values that one section makes and
another needs come by here, as bytes.

A deadlock is known exactly. Each section tells when nothing in it can go on, with the numbers of messages that it has
sent and received until then. When all have told, and as many were received as were sent, each is asked again: if
nothing has changed by then, no message was on its way in between, and nobody can ever go on.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headrace.drivers.places.asking import Answers
from headrace.drivers.places.keeper import Keeper
from headrace.drivers.places.locked import locked
from headrace.drivers.places.messages import Codec, Crew, Final, News, Parked, Peer, Task
from headrace.drivers.places.report import added_up, at_end
from headrace.drivers.places.section_hub import SectionHub, Wire
from headrace.drivers.runner import Told, iterate_told, told_result
from headrace.engine.kept import limits_of
from headrace.engine.observers import Observers
from headrace.engine.outcome import Ended, Failed, Failures, is_close
from headrace.engine.report import Report
from headrace.engine.scope import Wanted
from headrace.engine.section import SectionRun, Situation
from headrace.engine.snapshot import NodeSnapshot
from headrace.engine.stopwatch import Detail
from headrace.errors import WorkerError
from headrace.graph.dag import RESOURCES, Dag, Program
from headrace.graph.sections import CALLER, Link, Section

if TYPE_CHECKING:
    from headrace.engine.checkpoint import Checkpoints

__all__ = ["Far", "FarRun"]

numbers: itertools.count[int] = itertools.count(1)


class Far(Peer, Protocol):
    """A place, seen from here. `crew` are the worker processes that it has, if they are not on its machine."""

    crew: Crew | None

    def call(self, method: str, *arguments: Any) -> Callable[[float | None], Any]:
        """Begin a call of that method of `Place`; gives what waits for its result, for so many seconds at most.

        Raises: TimeoutError: it took longer; WorkerError: the place is gone.
        """
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class FarRun(SectionRun):
    """One run in several places. Call either `result` or `items`, once."""

    def __init__(
        self,
        program: Program,
        arguments: Mapping[str, Any],
        parts: Sequence[Section],
        places: Sequence[Far],
        codec: Codec,
        detail: Detail,
        patience: float | None,
        observers: Observers | None = None,
        checkpoints: Checkpoints | None = None,
        context: Iterable[ContextVar[Any]] = (),
    ) -> None:
        self.program = program
        self.whole: Dag = program.dag
        self.arguments = arguments
        self.parts = parts
        self.places = places
        self.codec = codec
        self.detail = detail
        self.patience = patience  # seconds that a section has to stop
        self.checkpoints = checkpoints
        self.context = context
        self.number: int = next(numbers)
        self.hub: SectionHub = SectionHub()
        self.wires: list[Wire] = []
        own = _callers(program)
        super().__init__(
            own,
            msgspec.structs.replace(program, dag=own.dag),
            {},
            self.hub,
            detail,
            self._way,
            _Nobody(),
            lambda: None,
        )
        self.failures: Failures = Failures()
        self.observers: Observers = observers or Observers()
        self.answers: Answers = Answers(self.observers, codec, checkpoints)
        self.around: Sequence[Wanted] = ()  # all of the run
        self.hub.run = self
        self.hub.idle, self.hub.tell = self.idle, self._all_parked
        for wire in self.wires:
            wire.arrived = self.arrived
        limits = limits_of(program)
        self.keeper: Keeper | None = Keeper(limits, self._may_begin) if limits else None
        self.pending: set[str] = {
            node.id
            for node in self.whole.nodes
            if node.gives == "value" and node.kind != "parameter" and node.kind not in RESOURCES
        }
        self.unread: bool = self.whole.returns == "stream"
        self.data: dict[str, Any] = {}  # packed values
        self.parks: dict[int, Parked] = {}  # by section
        self.watches: dict[int, threading.Thread] = {}
        self.finals: list[Final] = []
        self.losses: list[BaseException] = []  # places that have died
        self.confirming: threading.Thread | None = None
        self.counted: Report | None = None  # at the end

    # -- from beginning to end ---------------------------------------------------------------------------------

    def result(self) -> Any:
        """Run to the end. Raises the first failure, with later ones as notes on it."""
        items = list(self.items())
        return items if self.whole.returns == "stream" else self._output()

    def items(self) -> Generator[Any, None, None]:
        """The items of the stream that the pipeline gives, if it gives one.

        Raises the first failure, with later ones as notes on it.
        """
        self.driver.begin()
        try:
            self._open()
            if self.failure is None:
                yield from self._items()
                self.driver.run_until(self._settled)
        except BaseException as error:
            if not is_close(error):
                self.fail(error)
        self.close()

    def _items(self) -> Iterator[Any]:
        if self.whole.returns == "stream":
            for item in self.read():
                if self.failure is not None:
                    return
                try:
                    yield item
                except BaseException:
                    self.leave()
                    raise
        self.unread = False

    def _open(self) -> None:
        """Open all sections, and begin when all resources are entered."""
        try:
            self._open_all()
        except WorkerError as error:
            self.losses.append(error)
            raise

    def _open_all(self) -> None:
        if self.keeper is not None:
            self.keeper.thread.start()
        opened = [
            place.call("open", *self._task(part, place)) for part, place in zip(self.parts, self.places, strict=True)
        ]
        ready = [wait(None) for wait in opened]
        for part, place in zip(self.parts, self.places, strict=True):
            watch = partial(copy_context().run, self._watch, part, place)
            thread = threading.Thread(target=watch, name="headrace watch", daemon=True)
            self.watches[part.number] = thread
            thread.start()
        if not all(ready):
            self.driver.run_until(lambda: self.failure is not None)
            return
        self.hub.sent += len(self.places)
        for wait in [place.call("begin") for place in self.places]:
            wait(None)

    def _task(self, part: Section, place: Far) -> tuple[Task, dict[Link, Peer]]:
        given = {
            id: self.codec.packed(self.arguments[id], f"argument '{id}'") for id in part.takes if id in self.arguments
        }
        what = ", ".join(str(node) for node in part.dag.nodes if node.id in part.own and node.function)
        program = self.codec.packed(_program(self.program, part), what)
        keys = () if self.keeper is None else self.keeper.keys
        task = Task(
            self.number,
            part,
            program,
            given,
            self.detail,
            self.answers.hears,
            self.answers.begins,
            self.answers.sent(self.around),
            tuple(self._variables()),
            None if self.checkpoints is None else self.checkpoints.pickled,
            keys,
            place.crew,
        )
        return task, {link: self._producer(link) for link in part.reads}

    def _variables(self) -> Iterator[Any]:
        for variable in self.context:
            try:
                set = variable, variable.get()
            except LookupError:
                continue
            yield self.codec.packed(set, f"context variable '{variable.name}'")

    def _producer(self, link: Link) -> Far:
        return next(place for part, place in zip(self.parts, self.places, strict=True) if link in part.feeds)

    def _way(self, link: Link) -> Wire:
        step = str(self.program.dag.node(link.source))
        wire = Wire(self.hub, self.number, link, self._producer(link), self.codec, step)
        self.wires.append(wire)
        return wire

    def _settled(self) -> bool:
        return self.failure is not None or not (self.pending or self.unread)

    def _output(self) -> Any:
        values = tuple(
            self.arguments[id] if id in self.arguments else self.codec.value(self.data[id]) for id in self.whole.outputs
        )
        return values if self.whole.returns == "tuple" else values[0] if values else None

    def fail(self, error: BaseException) -> None:
        """The run has failed."""
        self.leave()
        self.failures.add(error)

    def close(self) -> None:
        """End all sections, consumers first. Raises the first failure of the run, if there was any."""
        if self.confirming is not None:
            self.confirming.join()
        self._try(self._halt)
        self.halt()
        self.lines.close()
        order = sorted(zip(self.parts, self.places, strict=True), key=self._depth, reverse=True)
        for part, place in order:
            self._try(partial(self._stop, part, place))
        if self.keeper is not None:
            self.keeper.close()
        for wire in self.wires:
            wire.end()
            wire.join()
        self._try(self.driver.close)
        if self.failure is not None:
            raise self.failure

    @property
    def lost(self) -> bool:
        """Whether it has failed because a place has died."""
        return any(self.failure is each for each in self.losses)

    def _halt(self) -> None:
        """Before anything is closed, nothing runs any more: else what is closed here would let others go on."""
        waits = [(place, place.call("halt")) for place in self.places]
        for place, wait in waits:
            try:
                wait(self.patience)
            except TimeoutError:
                place.kill()
            except WorkerError:
                pass  # whoever watches it says so

    def _depth(self, pair: tuple[Section, Far]) -> int:
        own = pair[0].own
        return max((place for place, node in enumerate(self.whole.nodes) if node.id in own), default=0)

    def _stop(self, part: Section, place: Far) -> None:
        failure = None if self.failure is None else Failed(self.failure)
        try:
            final = place.call("stop", self.codec.packed_end(failure, "the run"))(self.patience)
        except (TimeoutError, WorkerError):
            place.kill()
            final = None
        if final is not None:
            self.finals.append(final)
        thread = self.watches.get(part.number)
        if thread is not None:
            thread.join()
        while not self.hub.mail.empty():
            self.hub.mail.get()()

    # -- what sections tell ------------------------------------------------------------------------------------

    def _watch(self, part: Section, place: Far) -> None:
        """Have the run told of the news of one section, until it is over."""
        try:
            answers: list[Any] = []
            while found := place.call("watch", *answers)(None):
                answers = []
                for news in found:
                    if news.kind == "asks":
                        answers.append(self.answers.answer(news.data))
                    elif news.kind == "event":
                        self._tell(news.data)
                    elif self.keeper is not None and news.kind == "limit":
                        self.keeper.told(part.number, news.data)
                    else:
                        self.hub.post(partial(self._heard, part, news))
        except Exception as error:
            failed = self.codec.end(self.codec.packed_end(Failed(error), "the run"))
            assert isinstance(failed, Failed)
            if isinstance(error, WorkerError):
                self.losses.append(failed.error)
            self.hub.post(partial(self._failed, failed.error))

    def _tell(self, event: Any) -> None:
        try:
            self.answers.tell(event)
        except BaseException as error:  # such as an interrupt, which stops the run
            self.hub.post(partial(self._failed, error))

    def _heard(self, part: Section, news: News) -> None:
        if news.kind == "failed":
            self._heard_of_failure(*map(self.codec.end, news.data))
        elif news.kind == "parked":
            self.parks[part.number] = news.data
            self._consider()
        else:
            self.pending.discard(news.id)
            if news.kind == "made":
                self._hand_on(news.id, news.data)
            self._look()

    def _heard_of_failure(self, failed: Ended | Failed | None, why: Ended | Failed | None) -> None:
        """Perhaps one that came up because of another, which is behind the items that were made before it."""
        assert isinstance(failed, Failed)
        if isinstance(why, Failed):
            self.failures.add(failed.error, why.error)
        else:
            self._failed(failed.error)

    def _failed(self, error: BaseException) -> None:
        self.fail(error)
        self._look()

    def _look(self) -> None:
        """The caller looks whether the run is over."""
        if not self.hub.closing:
            self.hub.ready.append(self.hub.root)

    def _hand_on(self, id: str, data: Any) -> None:
        self.hub.received += 1
        self.data[id] = data
        for part, place in zip(self.parts, self.places, strict=True):
            if id in part.takes:
                self.hub.sent += 1
                place.call("give", id, data)

    def _may_begin(self, section: int, place: int, number: int, why_not: str) -> None:
        """A call of that section may begin, or never will."""
        self.places[section].call("may_begin", self.number, place, number, why_not)

    # -- deadlocks ---------------------------------------------------------------------------------------------

    def _all_parked(self, parked: Parked) -> None:
        self._consider()

    def _consider(self) -> None:
        """Perhaps nothing can go on any more."""
        if self.hub.closing or self.confirming is not None or len(self.parks) < len(self.parts):
            return
        seen = dict(self.parks)
        seen[CALLER] = Parked(self.hub.sent, self.hub.received)
        if sum(each.sent for each in seen.values()) == sum(each.received for each in seen.values()):
            self.confirming = threading.Thread(target=self._confirm, args=(seen,), name="headrace confirm", daemon=True)
            self.confirming.start()

    def _confirm(self, seen: Mapping[int, Parked]) -> None:
        """Ask all sections again."""
        situations: list[Situation] = []
        try:
            parked = [wait(None) for wait in [place.call("parked") for place in self.places]]
            now = dict(zip((part.number for part in self.parts), parked, strict=True))
            same = all(now[number] == seen[number] for number in now)
            if same:
                situations = [wait(None) for wait in [place.call("situation") for place in self.places]]
        except Exception:  # it is gone, and whoever watches it says so
            same = False
        self.hub.post(partial(self._confirmed, seen, same, situations))

    def _confirmed(self, seen: Mapping[int, Parked], same: bool, situations: Sequence[Situation]) -> None:
        if self.confirming is not None:
            self.confirming.join()  # it has nothing left to do
        self.confirming = None
        if same and seen[CALLER] == (self.hub.sent, self.hub.received) and not self._settled():
            error = locked(self.whole, self.parts, [*situations, self.situation()])
            self.observers.deadlock(error)
            self._failed(error)
        elif self.parks != {number: each for number, each in seen.items() if number != CALLER}:
            self._consider()

    # -- observers and the report ------------------------------------------------------------------------------

    def observed(self) -> tuple[Any, Report]:
        """The result, and the counts; observers hear of both."""
        return told_result(self._told())

    def observed_items(self) -> Generator[Any, None, None]:
        """What `items` gives; observers hear of it, if there are any."""
        return iterate_told(self._told) if self.observers.told else self.items()

    def _told(self) -> Told:
        told = Told(self, self.whole, self._look_at_all, self._counts)
        self.around = told.around.wanted
        return told

    def _counts(self) -> Report:
        self.counted = self.report()
        return self.counted

    def _look_at_all(self) -> Iterator[NodeSnapshot]:
        """How far all nodes have come; at the end, as the report says. In any thread."""
        if self.counted is None:
            found = {node.id: node for node in self._looked()}
        else:
            found = {node.id: at_end(node) for node in self.counted.nodes}
        for node in self.whole.nodes:
            if node.kind != "parameter":
                yield msgspec.structs.replace(
                    found.get(node.id, NodeSnapshot(id=node.id, items_in=0, items_out=0, state="waiting")),
                    max_in_flight=node.max_in_flight,
                )

    def _looked(self) -> Iterator[NodeSnapshot]:
        for wait in [place.call("look") for place in self.places]:
            try:
                yield from wait(1.0)
            except (TimeoutError, WorkerError):  # nobody can tell
                pass

    def report(self) -> Report:
        """What all sections did, in the order of the DAG."""
        made = [self.codec.value(final.report) for final in self.finals] + [super().counts()]
        highest = {link: count for final in self.finals for link, count in final.highest.items()}
        taken = {place: branch.taken for place, branch in self.lines.branches.items()}
        return added_up(self.whole, self.parts, made, highest, taken)


class _Nobody:
    """Nobody hears of what the caller's own section does: it makes nothing."""

    def failed(self, error: BaseException, why: BaseException | None = None) -> None:
        """It reads only."""

    def made(self, id: str, value: Any) -> None:
        """It makes nothing."""

    def done(self, id: str) -> None:
        """It makes nothing."""


def _callers(program: Program) -> Section:
    """The caller's own section: it has no stage, and reads what the pipeline gives if that is a stream."""
    dag = program.dag
    outputs = dag.outputs if dag.returns == "stream" else ()
    nodes = tuple(msgspec.structs.replace(node, inputs=(), stage=None) for node in dag.nodes if node.id in outputs)
    return Section(
        number=CALLER,
        place=None,
        dag=msgspec.structs.replace(dag, nodes=nodes, stages=(), outputs=(), returns="nothing"),
        own=(),
        reads=tuple(Link(id, False, CALLER) for id in outputs),
        feeds=(),
        takes=(),
        gives=(),
    )


def _program(program: Program, part: Section) -> Program:
    """What one section needs of the program."""
    own = set(part.own)
    return Program(
        dag=part.dag,
        functions={id: function for id, function in program.functions.items() if id in own},
        constants={key: value for key, value in program.constants.items() if key[0] in own},
        inner={id: inner for id, inner in program.inner.items() if id in own},
        results={id: hint for id, hint in program.results.items() if id in own},
        codes={id: code for id, code in program.codes.items() if id in own},
        limits={id: limit for id, limit in program.limits.items() if id in own},
        retries={id: retry for id, retry in program.retries.items() if id in own},
    )
