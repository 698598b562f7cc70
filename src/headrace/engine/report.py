"""What a run did, in numbers."""

from __future__ import annotations

import msgspec

__all__ = ["EdgeReport", "NodeReport", "Report"]


class NodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """How many items a node took from its streams and how many it gave (a value counts as one)."""

    id: str
    items_in: int
    items_out: int


class EdgeReport(msgspec.Struct, frozen=True, kw_only=True):
    """How many items a consumer took, and the most that were asked for and not yet taken at any instant."""

    source: str
    target: str
    parameter: str
    taken: int
    highest_in_flight: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one run, by node and by edge, in the order of the DAG."""

    nodes: tuple[NodeReport, ...]
    edges: tuple[EdgeReport, ...]

    def node(self, id: str) -> NodeReport:
        """The counts of one node.

        Raises: KeyError: there is no such node.
        """
        for node in self.nodes:
            if node.id == id:
                return node
        raise KeyError(id)
