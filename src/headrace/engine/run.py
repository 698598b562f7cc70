"""One run of a program: which values are computed when, how it fails, and how it ends.

A run is driven by its readers: the value nodes that read streams, and the caller if the pipeline gives a stream. Each
reads its streams to their end and so pulls everything along. A single reader does so on the caller's own stack, and
nothing ever waits; several readers run in a fiber each, which starts when the values that it needs are there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headrace.engine.blame import Blame
from headrace.engine.counts import node_report
from headrace.engine.deadlock import deadlock
from headrace.engine.lines import Lines
from headrace.engine.observers import NOBODY, Observers
from headrace.engine.outcome import Failures, Stopped, is_close, travelling
from headrace.engine.ports import Driver
from headrace.engine.resources import Resources
from headrace.engine.stopwatch import Detail
from headrace.engine.tasked import Tasked
from headrace.errors import DeadlockError
from headrace.graph.dag import RESOURCES, Dag, Node, Program, Stage

if TYPE_CHECKING:
    from headrace.engine.checkpoint import Checkpoints

__all__ = ["Execution"]


class Execution:
    """The state of one run. Call either `result` or `items`, once.

    `arguments` are the pipeline's, by the node id of the parameter.
    """

    def __init__(
        self,
        program: Program,
        arguments: Mapping[str, Any],
        driver: Driver,
        detail: Detail,
        checkpoints: Checkpoints | None = None,
        observers: Observers | None = None,
        failures: Failures | None = None,
    ) -> None:
        self.dag: Dag = program.dag
        self.observers: Observers = observers or NOBODY
        self.nodes: dict[str, Node] = {node.id: node for node in self.dag.nodes}
        self.values: dict[str, Any] = dict(arguments)
        self.driver = driver
        self.failures: Failures = failures or Failures()
        self.blame: Blame = Blame(self.nodes, self.observers)
        self.lines: Lines = Lines(
            program,
            self.values,
            driver,
            self.blame,
            self.failures.add,
            self._step_ended,
            self.observers,
            detail,
            checkpoints,
        )
        self.resources: Resources = Resources(self.lines.calls, driver, self.blame, self.failures)
        self.stages: dict[str, Stage] = {
            stage.nodes[-1]: stage for stage in self.dag.stages if stage.handoff == "value"
        }
        self.unfinished: dict[str, Node] = {node.id: node for node in self.dag.nodes if node.id in self.stages}
        self.missing: dict[str, set[str]] = {}  # in fibers: the values that each unfinished node still needs
        self.needed_by: dict[str, list[str]] = {}  # and by value: the nodes that need it

    def result(self) -> Any:
        """Run to the end. Raises the first failure, with later ones as notes on it."""
        items: list[Any] = []
        self.driver.begin()
        try:
            if self._enter_resources():
                items = self._computed()
            self._check_script()
        except BaseException as error:
            self.failed_in_output(error)
        self.close()
        return items if self.dag.returns == "stream" else self._output()

    def items(self) -> Generator[Any, None, None]:
        """The items of the stream that the pipeline gives; its other values are computed along the way.

        Raises the first failure, with later ones as notes on it.
        """
        self.driver.begin()
        try:
            if self._enter_resources() and self._in_fibers:
                yield from self._items_in_fibers()
            else:
                self._finish_in_turn()
                if self.failure is None:
                    yield from self.lines.items()
        except BaseException as error:
            if not is_close(error):
                self.failed_in_output(error)
        self.close()

    def native_stage(self) -> Tasked | None:
        """The async stage whose items the caller can read in its own task, once what comes before is computed."""
        self.driver.begin()
        if self._in_fibers or not self.lines.gives_natively():
            return None
        self._enter_resources()
        self._finish_in_turn()
        return self.lines.native_stage() if self.failure is None else None

    def close(self) -> None:
        """Stop and close everything, consumers first. Raises the first failure of the run, if there was any."""
        self.lines.stop()
        self._try(self.driver.stop)
        self.lines.limits.close()
        self.lines.close()
        self.resources.leave()  # nothing uses them any more
        self._try(self.driver.close)
        for id in self.nodes:
            self._step_ended(id)
        self.blame.forget()
        self.lines.calls.forget()
        if self.failure is not None:
            raise self.failure

    def _try(self, function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            self.failures.add(error)

    @property
    def failure(self) -> BaseException | None:
        """The first failure of the run."""
        return self.failures.first

    def fail(self, error: BaseException) -> None:
        """The run has failed."""
        self.failures.add(error)

    def held_back(self) -> Callable[[], None] | None:
        """What is to be done now that nothing else can go on: in a test, to let a call be over."""
        return self.lines.held.let_go() if self.lines.held is not None else None

    def stuck(self) -> Exception:
        """The error for a run in which everything waits."""
        error = self.lines.held.stuck() if self.lines.held is not None else None
        return error or self._deadlock()

    def _deadlock(self) -> DeadlockError:
        error = deadlock(self.lines.waits(), self.lines.links, self.nodes)
        self.observers.deadlock(error)
        return error

    # -- the readers -------------------------------------------------------------------------------------------

    @property
    def _in_fibers(self) -> bool:
        reading = sum(bool(node.stream_edges) for node in self.unfinished.values())
        return reading + (self.dag.returns == "stream") > 1

    def _computed(self) -> list[Any]:
        """The items, if the pipeline gives a stream; values are there now."""
        if self.dag.returns == "stream":
            return list(self._items_in_fibers()) if self._in_fibers else self._listed()
        if self._in_fibers:
            self._start_fibers()
            self.driver.run_until(self._settled)
        else:
            self._finish_in_turn()
        return []

    def _listed(self) -> list[Any]:
        self._finish_in_turn()
        return self.lines.listed() if self.failure is None else []

    def _items_in_fibers(self) -> Iterator[Any]:
        self._start_fibers()
        for item in self.lines.items():
            if self.failure is not None:
                return
            yield item
        self.driver.run_until(self._settled)

    def _enter_resources(self) -> bool:
        """Before any step is called: all that wait for the value of none. Gives whether that went well."""
        for node in [node for node in self.unfinished.values() if node.kind in RESOURCES]:
            if self.failure is None and all(edge.source in self.values for edge in node.value_edges):
                self._finish(node)
        return self.failure is None

    def _finish_in_turn(self) -> None:
        waiting = list(self.unfinished.values())
        while waiting and self.failure is None:
            place = next(place for place, node in enumerate(waiting) if not self._missing(node.id))
            self._finish(waiting.pop(place))

    def _missing(self, id: str) -> set[str]:
        """The values that the stage which ends in `id` still needs."""
        edges = [edge for member in self.stages[id].nodes for edge in self.nodes[member].value_edges]
        return {edge.source for edge in edges} - self.values.keys()

    def _start_fibers(self) -> None:
        for id in self.unfinished:
            self.missing[id] = self._missing(id)
            for value in self.missing[id]:
                self.needed_by.setdefault(value, []).append(id)
        for node in list(self.unfinished.values()):
            if not self.missing[node.id]:
                self._start(node)

    def _start(self, node: Node) -> None:
        # Not a partial(): that is a call in C, and what a fiber has on the stack of C is copied at each switch.
        self.driver.start(lambda: self._finish(node))

    def _finish(self, node: Node) -> None:
        """Compute the value of `node`, and close what it leaves unread."""
        try:
            self.values.update(self._values_of(node))
        except Stopped:
            return
        except BaseException as raised:
            error = travelling(raised)
            self.blame.line(error, node)
            self.fail(error)
        self.lines.close_inputs(node, self.failure)
        for id in self.stages[node.id].nodes:
            self._step_ended(id)
        del self.unfinished[node.id]
        if self.failure is None:
            self._announce(self.stages[node.id].nodes)

    def _values_of(self, node: Node) -> dict[str, Any]:
        """What the stage that ends in `node` gives, by node."""
        if node.kind == "resource":
            return {node.id: self.resources.enter(node)}
        if node.kind == "item_resource":
            return {node.id: self.lines.calls.recipe(node)}
        return self.lines.results(node)

    def _announce(self, found: Iterable[str]) -> None:
        """Wake whoever waits for one of these values."""
        self.lines.wake_for_value()
        for value in found:
            for id in self.needed_by.get(value, ()):
                self.missing[id].discard(value)
                if not self.missing[id]:
                    self._start(self.unfinished[id])

    def _step_ended(self, id: str) -> None:
        """That step is over: its counts are what they will be."""
        if self.observers.told:
            self.observers.step_ended(id, lambda: node_report(self.nodes[id], self.values, self.lines))

    def _check_script(self) -> None:
        """In a test: whether the calls were over in the order that it says."""
        error = self.lines.held.unmet() if self.lines.held is not None and self.failure is None else None
        if error is not None:
            self.fail(error)

    def _settled(self) -> bool:
        return self.failure is not None or not self.unfinished

    # -- the end -----------------------------------------------------------------------------------------------

    def failed_in_output(self, error: BaseException) -> None:
        """`error` came up while the caller's items, or the values, were computed."""
        if self.dag.returns == "stream":
            self.blame.line(error, self.nodes[self.dag.outputs[0]])
        self.fail(error)

    def _output(self) -> Any:
        values = tuple(self.values[id] for id in self.dag.outputs)
        return values if self.dag.returns == "tuple" else values[0] if values else None
