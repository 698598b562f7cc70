"""Ready observers. `headrace.observe.otel` has one more, which needs an extra."""

from headrace.observe.logging import LoggingObserver

__all__ = ["LoggingObserver"]
