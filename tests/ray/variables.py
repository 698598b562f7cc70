"""Context variables in a module that actors import."""

from __future__ import annotations

import contextvars

PLACE: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="outside")
TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")


class Marked:
    """Says in a context variable where code runs."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __enter__(self) -> None:
        self.token = PLACE.set(self.place)

    def __exit__(self, *failure: object) -> None:
        PLACE.reset(self.token)
