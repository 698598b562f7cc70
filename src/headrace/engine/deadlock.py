"""What to say when every stage waits for another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.engine.channel import Branch, Channel
from headrace.errors import DeadlockError
from headrace.graph.dag import Edge, Node

__all__ = ["Link", "deadlock"]

Link = tuple[str, str, str]  # source id, target id ("" is the caller of the run), parameter


def deadlock(reasons: Iterable[object], links: Mapping[Branch, Link], nodes: Mapping[str, Node]) -> DeadlockError:
    """The error for waits on `reasons`: branches that have no item, or edges whose value is not there."""
    waits, fixes = [], []
    for reason in reasons:
        if isinstance(reason, Branch):
            source, target, _ = links[reason]
            waits.append(f"{_reader(target, nodes)} waits for an item from {_step(nodes[source])}")
            waits += _held_back(reason.channel, links, nodes)
            fixes += _fix(reason.channel, nodes[source])
        elif isinstance(reason, Edge):
            waits.append(f"a step waits for '{reason.parameter}' from {_step(nodes[reason.source])}")
    fix = " or ".join(dict.fromkeys(fixes)) or "no larger max_in_flight helps"
    return DeadlockError(
        f"every stage waits for another: {'; '.join(dict.fromkeys(waits))}. "
        f"To get past this point: {fix}; or read the branches at the same pace, or collect the stream "
        "and give both the list"
    )


def _held_back(channel: Channel, links: Mapping[Branch, Link], nodes: Mapping[str, Node]) -> list[str]:
    if not _is_full(channel):
        return []
    return [
        f"{_step(nodes[links[branch][0]])} is held back: its edge to {_reader(links[branch][1], nodes)} is full "
        f"({branch.in_flight} of {channel.capacity} in flight)"
        for branch in channel.full
    ]


def _fix(channel: Channel, producer: Node) -> list[str]:
    if not _is_full(channel):
        return []
    return [f"max_in_flight={channel.capacity + 1} on {_step(producer)}"]


def _is_full(channel: Channel) -> bool:
    """Whether the producer is not asked. One that is being asked waits for something itself."""
    return channel.ended is None and not channel.asking and not channel.room()


def _reader(id: str, nodes: Mapping[str, Node]) -> str:
    return _step(nodes[id]) if id else "the caller"


def _step(node: Node) -> str:
    return f"step '{node.id}' ({node.where})"
