"""A direct, slow model of how a pipeline with bounds runs: it tells whether one locks up.

What a step does is known beforehand (reference.py): a list of actions, each of which gives an item or takes from one
of the inputs. All that is left is counting. The rules are those of docs/guarantees.md, section 1:

- Only readers (value steps and the caller) act by themselves. A producer acts when a consumer that wants to take asks.
- A producer may be asked for an item only when every open branch has room: what it was asked for and the branch has
  not taken is fewer than its bound. One that is asked fills up as far as it can.
- A branch whose consumer is over, or wanted by nobody, is closed; a producer without open branches is over.
- A merge asks all of its inputs and takes from one that has something. Which one that is, is not known beforehand, and
  so not what is read behind it before a failure: a pipeline in which something fails there may lock up as well.
- The network is locked up when a reader has not finished and nobody can act.

Who is topped up when others wait at the same time is not fixed: it depends on who goes first. So there are two models.
The eager one tops up whenever there is room; what it cannot finish must lock up. The lazy one tops up only at the
moment a consumer takes, and its calls in threads and tasks end as late as possible; what it finishes must finish. They
differ in about one generated pipeline of a thousand, and only there both endings count as right. (The lazy model tries
one order of the readers, not all of them, so that it is a bound from experience and not by proof.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.properties.cases import CALLER, VALUES, Case
from tests.properties.reference import CATCH, GIVE, Known

__all__ = ["Ending", "ending"]


@dataclass(frozen=True)
class Ending:
    """How the network ended up: whether every reader has finished well, and which failures readers have met.

    It may be `vague` whether a reader that has met a failure gets so far.
    """

    finished: bool
    failures: frozenset[str]
    vague: bool = False

    @property
    def locked(self) -> bool:
        return not self.finished and (self.vague or not self.failures)


def ending(case: Case, known: Sequence[Known], *, eager: bool, items: int | None = None) -> Ending:
    """What becomes of the pipeline. With `items`, the caller stops when it has so many of the stream."""
    network = _Network(case, known, eager, items)
    network.run()
    awaited = [network.nodes[CALLER]] if items is not None else network.readers.values()
    failures = frozenset(node.failure for node in network.readers.values() if node.over and node.failure)
    behind = case.out_of_order(lambda index: case.ops[index].kind == "merge")
    vague = any(known[index].failure for index in behind)
    return Ending(all(node.over and not node.failure for node in awaited), failures, vague)


class _Node:
    """A step while it runs."""

    def __init__(self, known: Known, inputs: Sequence[int], value: int | None = None) -> None:
        self.actions = known.actions
        self.failure = known.failure
        self.fails_itself = known.own_failure
        self.inputs = inputs
        self.value = value
        self.bound = self.at_once = 1
        self.at = 0  # its next action
        self.asked = self.asking = self.over = False
        self.given = self.caught = 0
        self.taken: dict[tuple[int, int], int] = {}  # by open branch (reader, input)
        self.ordered = True
        self.calls: list[str] | None = None  # those that run elsewhere, in order: what each will do
        self.merging: list[int] = []  # the inputs of a merge that are not over


class _Network:
    def __init__(self, case: Case, known: Sequence[Known], eager: bool, items: int | None) -> None:
        self.eager = eager
        self.moves = 0
        self.failures = {index for index, op in enumerate(case.ops) if op.kind == "failures"}
        self.nodes = {index: _Node(known[index], op.inputs, op.value) for index, op in enumerate(case.ops)}
        self.readers = {index: node for index, node in self.nodes.items() if case.ops[index].kind in VALUES}
        for index, op in enumerate(case.ops):
            node = self.nodes[index]
            node.bound, node.at_once = op.bound, op.at_once
            node.taken = dict.fromkeys(case.readers[index], 0)
            node.calls = [] if op.overlaps and not eager else None
            node.ordered = op.ordered
            node.merging = [0, 1] if op.kind == "merge" else []
        for index in case.unread:
            reader = CALLER if index == case.returned else len(self.nodes)
            takes = Known(actions=[0] * (len(known[index].items) + 1), failure=known[index].failure)
            if reader == CALLER and items is not None and items <= len(known[index].items):
                takes = Known(actions=[0] * items)
            self.nodes[reader] = self.readers[reader] = _Node(takes, (index,))
            self.nodes[index].taken[reader, 0] = 0

    def run(self) -> None:
        before = -1
        while self.moves != before:
            before = self.moves
            for index in self.readers:
                self.act(index)
            for index, node in self.nodes.items():
                if self.eager and node.asked:
                    self.fill(index)

    # -- one step ----------------------------------------------------------------------------------------------

    def act(self, index: int) -> None:
        """Go on until an item is given or the step is over, or as far as it goes."""
        node = self.nodes[index]
        if node.merging:
            self.act_merge(index)
        while not node.over and not node.merging and self.has_value(node) and self.may_begin(node):
            if node.at == len(node.actions):
                self.end(index)
            elif node.actions[node.at] in (GIVE, CATCH):
                node.at += 1
                self.give(node, node.actions[node.at - 1])
                return
            elif self.take(index, node.actions[node.at]):
                node.at += 1
            else:
                return

    def has_value(self, node: _Node) -> bool:
        value = None if node.value is None else self.nodes[node.value]
        return value is None or (value.over and not value.failure)

    def may_begin(self, node: _Node) -> bool:
        """In the lazy model, who fails before it takes anything waits even so for what its inputs wait for."""
        return self.eager or bool(node.actions) or not node.fails_itself or self.ready(node)

    def ready(self, node: _Node) -> bool:
        """Whether all values are there that it needs, or what it reads does."""
        return self.has_value(node) and all(self.ready(self.nodes[source]) for source in node.inputs)

    def give(self, node: _Node, action: int = GIVE) -> None:
        node.asking = False
        node.given += action == GIVE
        node.caught += action == CATCH
        self.moves += 1

    def stored(self, node: _Node, branch: tuple[int, int]) -> int:
        """How many items the node has given to that branch."""
        return node.caught if branch[0] in self.failures else node.given

    def end(self, index: int) -> None:
        node = self.nodes[index]
        node.over, node.asking = True, False
        self.moves += 1
        for slot, source in enumerate(node.inputs):
            producer = self.nodes[source]
            producer.taken.pop((index, slot), None)
            if not producer.taken and not producer.over:
                self.end(source)

    def take(self, index: int, slot: int) -> bool:
        """Take one item of an input, or see its end."""
        branch, producer = (index, slot), self.nodes[self.nodes[index].inputs[slot]]
        self.ask(index, slot)
        if self.stored(producer, branch) == producer.taken[branch]:
            return producer.over
        producer.taken[branch] += 1
        self.moves += 1
        return True

    def ask(self, index: int, slot: int) -> None:
        """Have an input topped up."""
        source = self.nodes[index].inputs[slot]
        producer = self.nodes[source]
        producer.asked = True
        if producer.calls is None:
            self.fill(source)
        else:
            self.fill_calls(source, producer.calls, (index, slot))

    def act_merge(self, index: int) -> None:
        """Give an item of an input that has one. Over when all inputs are, or when one has failed."""
        node = self.nodes[index]
        for slot in node.merging:
            self.ask(index, slot)
        for slot in list(node.merging):
            producer, branch = self.nodes[node.inputs[slot]], (index, slot)
            if self.stored(producer, branch) > producer.taken[branch]:
                producer.taken[branch] += 1
                node.merging = [*(other for other in node.merging if other != slot), slot]
                self.give(node)
                return
            if producer.over:
                node.merging.remove(slot)
                if producer.failure or not node.merging:
                    node.failure = producer.failure
                    self.end(index)
                    return

    def fill(self, index: int) -> None:
        """Ask a producer until a branch is full, or it has to wait."""
        node = self.nodes[index]
        while not node.over and (node.asking or self.room(node)):
            node.asking = True
            self.act(index)
            if node.asking:
                return

    def room(self, node: _Node, calls: int = 0) -> bool:
        return all(self.stored(node, branch) + calls - taken < node.bound for branch, taken in node.taken.items())

    # -- calls that overlap, in the lazy model -----------------------------------------------------------------

    def fill_calls(self, index: int, calls: list[str], branch: tuple[int, int]) -> None:
        """Begin calls as far as that goes, and let them end only while `branch` has nothing to take."""
        node = self.nodes[index]
        while not node.over and self.has_value(node):
            self.begin_calls(index, calls)
            if self.stored(node, branch) > node.taken[branch]:
                return
            if not calls:
                if node.at == len(node.actions):
                    self.end(index)
                return
            while calls and self.stored(node, branch) == node.taken[branch] and not node.over:
                self.end_call(index, calls)

    def begin_calls(self, index: int, calls: list[str]) -> None:
        node = self.nodes[index]
        last = len(node.actions)
        while node.at < last and len(calls) < node.at_once and self.room(node, len(calls)):
            if not self.take(index, 0):
                return
            comes = node.actions[node.at + 1 : node.at + 2]
            gives = comes in ([GIVE], [CATCH])
            node.at += 1 + gives
            self.moves += 1
            if gives or node.at < last or node.fails_itself:
                kind = "drop" if node.at < last else "fail"
                calls.append({GIVE: "give", CATCH: "catch"}[comes[0]] if gives else kind)

    def end_call(self, index: int, calls: list[str]) -> None:
        node = self.nodes[index]
        call = calls[0] if node.ordered else max(calls)  # "give" before "fail" before "drop"
        calls.remove(call)
        if call in ("give", "catch"):
            self.give(node, GIVE if call == "give" else CATCH)
        elif call == "fail":
            self.end(index)
