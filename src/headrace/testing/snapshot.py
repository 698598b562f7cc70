"""Snapshots of what runs came to, as JSON files. Needs syrupy; pytest's fixture `headrace_snapshot` uses it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from syrupy.extensions.json import JSONSnapshotExtension

from headrace.testing.outcome import Outcome
from headrace.testing.plain import plain

__all__ = ["JSONSnapshot"]


class JSONSnapshot(JSONSnapshotExtension):
    """An extension of syrupy: outcomes, and other data, as plain data in the order that they have."""

    @classmethod
    def sort(cls, iterable: Iterable[Any]) -> Iterable[Any]:
        """The keys of a dict: as they are."""
        return iterable

    def serialize(self, data: Any, **options: Any) -> str | bytes:
        """The text of the file."""
        return super().serialize(data.as_json() if isinstance(data, Outcome) else plain(data), **options)
