"""How far a run has come, for those who watch it from another thread.

Lives here: what every node is doing, as far as numbers and wake-up calls that are there anyway tell. It only reads: no
lock, no message, and nothing per item, so a run is not slower for being watched. What it sees may therefore be a moment
old, or of two moments; at the end of the run it is exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator

from headrace.engine.channel import Branch, Channel, Split
from headrace.engine.counts import items_out, links, seconds, taken
from headrace.engine.deadlock import Link
from headrace.engine.lines import Lines
from headrace.engine.snapshot import NodeSnapshot, State
from headrace.graph.dag import Constant, Dag, Edge, Node, Stage

__all__ = ["Look"]

SIZED = (list, tuple, dict, set, frozenset, range, deque, str, bytes)  # whose length is theirs, and no code of a user's


class Look:
    """Looks at the lines of a run."""

    def __init__(self, dag: Dag, lines: Lines) -> None:
        self.dag = dag
        self.lines = lines
        self.links: list[Link] = links(lines)
        self.by_source: dict[str, list[Link]] = {node.id: [] for node in dag.nodes}
        self.by_target: dict[str, list[Link]] = {node.id: [] for node in dag.nodes}
        for link in self.links:
            self.by_source[link[0]].append(link)
            if link[1]:
                self.by_target[link[1]].append(link)
        self.totals: dict[str, int | None] = {}

    def nodes(self) -> Iterator[NodeSnapshot]:
        """Every node but the parameters, and but what stands for nodes elsewhere."""
        counts = {link: self._taken(link) for link in self.links}
        states = self._states()
        for node in self.dag.nodes:
            if node.kind != "parameter" and node.id in states:
                yield self._node(node, counts, *states[node.id])

    def _node(self, node: Node, counts: dict[Link, int], state: State, on: str | None) -> NodeSnapshot:
        lines, policy = self.lines, self.lines.policies.get(node.id)
        return NodeSnapshot(
            id=node.id,
            items_in=sum(counts[link] for link in self.by_target[node.id]),
            items_out=self._given(node, [counts[link] for link in self.by_source[node.id]]),
            skipped=policy.skipped if policy else 0,
            failed=policy.failed if policy else lines.blame.failed[node.id],
            retried=lines.retries[node.id].retried if node.id in lines.retries else 0,
            in_flight=0 if state == "done" else self._in_flight(node, state),
            max_in_flight=node.max_in_flight,
            seconds=seconds(node, lines),
            state=state,
            on=on,
            total=self._total(node),
        )

    # -- items -------------------------------------------------------------------------------------------------

    def _taken(self, link: Link) -> int:
        results = self._driven(link[0])
        branch = self.lines.branches.get(link)
        if results is None or branch is None or branch.items not in results[0].results:
            return taken(self.lines, link)
        return max(results[1] - len(branch.items), 0)

    def _given(self, node: Node, counts: Collection[int]) -> int:
        results = self._driven(node.id)
        return items_out(node, counts, self.lines.values, self.lines) if results is None else results[1]

    def _driven(self, id: str) -> tuple[Split, int] | None:
        """A channel that counts what was given only when something fails; and the loop in front of it, which does."""
        channel, numbers = self.lines.channels.get(id), self.lines.calls.numbers(id)
        if numbers is None or not isinstance(channel, Split) or not channel.driven:
            return None
        return channel, numbers[1] - channel.caught

    def _in_flight(self, node: Node, state: State) -> int:
        branches = [self.lines.branches.get(link) for link in self.by_source[node.id]]
        most = max((_in_flight(branch) for branch in branches if branch is not None), default=None)
        return int(state == "running") if most is None else min(most, node.max_in_flight)

    def _total(self, node: Node) -> int | None:
        """How many items the node will give, if what it reads says so, less those that have failed so far."""
        if node.kind != "iterate" or self.totals.get(node.id) is None:
            self.totals[node.id] = self._known(node)
        return self.totals[node.id]

    def _known(self, node: Node) -> int | None:
        if node.gives == "value":
            return None
        if node.kind == "iterate":
            return self._length(node)
        above = [self.totals.get(edge.source) for edge in node.stream_edges]
        known = [total for total in above if total is not None]
        if len(known) < len(above) or not known or node.kind not in ("map", "enumerate", "zip", "merge"):
            return None
        policy = self.lines.policies.get(node.id)
        return (sum(known) if node.kind == "merge" else min(known)) - (policy.failed if policy else 0)

    def _length(self, node: Node) -> int | None:
        [entry] = node.inputs
        constants = self.lines.calls.program.constants
        given = constants.get((node.id, 0)) if isinstance(entry, Constant) else self.lines.values.get(entry.source)
        return len(given) if isinstance(given, SIZED) and type(given).__len__ in _LENGTHS else None

    # -- states ------------------------------------------------------------------------------------------------

    def _states(self) -> dict[str, tuple[State, str | None]]:
        """What each node is doing, and on which other node that depends. Consumers first: they hold others back."""
        waiting = dict(self._waiting())
        states: dict[str, tuple[State, str | None]] = {
            node.id: ("done", None) for node in self.dag.nodes if node.kind == "parameter"
        }
        for stage in reversed(self.dag.stages):
            state = self._state(stage, waiting, states)
            states.update(dict.fromkeys(stage.nodes, state))
        return states

    def _state(
        self, stage: Stage, waiting: dict[str, str], states: dict[str, tuple[State, str | None]]
    ) -> tuple[State, str | None]:
        if self._is_done(stage, states):
            return "done", None
        for id in stage.nodes:
            if id in waiting:
                return "waiting", waiting[id]
        end = stage.nodes[-1]
        channel = self.lines.channels.get(end)
        if channel is not None:
            asked = channel.asking or (channel.room() if end in waiting.values() else _driven(channel))
            return ("running", None) if asked else ("held back", self._holding(end))
        if stage.handoff == "direct":  # it runs where its consumer does
            [(_, target, _)] = self.by_source[end]
            if target and states[target][0] == "waiting" and states[target][1] != end:
                above = states[target]
                return above if self._is_above(end, above[1]) else ("held back", target)
        elif not self._may_begin(stage):
            return "waiting", next(self._missing(stage))
        return "running", None

    def _is_done(self, stage: Stage, states: dict[str, tuple[State, str | None]]) -> bool:
        end = stage.nodes[-1]
        channel = self.lines.channels.get(end)
        if stage.handoff == "value":
            return end in self.lines.values
        if channel is not None:
            return channel.ended is not None and all(branch.closed or not branch.items for branch in channel.branches)
        return all(target and states[target][0] == "done" for _, target, _ in self.by_source[end])

    def _waiting(self) -> Iterator[tuple[str, str]]:
        """Who waits for whom."""
        by_branch = {self.lines.branches[link]: link for link in self.links if link in self.lines.branches}
        lists = [channel.waiting for channel in map(self.lines.channels.get, self.by_source) if channel is not None]
        for call in [call for calls in (self.lines.value_waiting, *lists) for call in tuple(calls)]:
            reason = getattr(call, "reason", None)
            if isinstance(reason, Branch) and reason in by_branch:
                source, target, _ = by_branch[reason]
                yield target, source
            elif isinstance(reason, Edge):
                for node in self.dag.nodes:
                    if any(edge is reason for edge in node.value_edges):
                        yield node.id, reason.source

    def _holding(self, id: str) -> str | None:
        """Who has most of what the node gave, and does not take it."""
        branches = [(self.lines.branches.get(link), link[1]) for link in self.by_source[id]]
        waiting = [
            (len(branch.items), target) for branch, target in branches if branch is not None and not branch.closed
        ]
        return max(waiting)[1] if waiting else None

    def _is_above(self, id: str, source: str | None) -> bool:
        """Whether `id` gets its items from `source`, directly or not."""
        stack = [id]
        while stack:
            node = stack.pop()
            if node == source:
                return True
            stack += [link[0] for link in self.by_target[node]]
        return False

    def _may_begin(self, stage: Stage) -> bool:
        return next(self._missing(stage), None) is None

    def _missing(self, stage: Stage) -> Iterator[str]:
        """The values that the stage still needs."""
        for id in stage.nodes:
            for edge in self.lines.nodes[id].value_edges:
                if edge.source not in self.lines.values:
                    yield edge.source


_LENGTHS = frozenset(kind.__len__ for kind in SIZED)


def _in_flight(branch: Branch) -> int:
    in_hand = branch.in_hand
    return branch.in_flight + (in_hand() if in_hand is not None else 0)


def _driven(channel: Channel) -> bool:
    """Whether its consumer asks its producer directly, and neither waits for the other."""
    return any(branch.reader is not None for branch in channel.branches)
