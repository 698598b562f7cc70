"""headrace's logger, which is loaded when there is something to say: `logging` takes long to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["log"]


def log() -> Logger:
    """The logger "headrace"."""
    import logging

    return logging.getLogger("headrace")
