"""Looks at a run now and then, from a thread of its own that costs the run nothing but its share of a core."""

from __future__ import annotations

import atexit
import contextvars
import threading
import time
from collections.abc import Callable

from headrace.engine.log import log
from headrace.engine.snapshot import Live, Snapshot

__all__ = ["Sampler"]

SHARE = 150  # times as long as a look took is waited before the next: less than one percent of a core


class Sampler:
    """Calls `look` with what a run looks like, every so many seconds or, if that takes long, less often.

    A thread does so until the sampler is stopped. If `look` raises, that is logged, and the thread ends.
    """

    def __init__(self, live: Live, look: Callable[[Snapshot], object], every: float) -> None:
        self.live = live
        self.look = look
        self.every = every
        self.stopped: threading.Event = threading.Event()
        context = contextvars.copy_context()  # a notebook tells by it which cell the output belongs to
        self.thread: threading.Thread = threading.Thread(
            target=context.run, args=(self._work,), name="headrace sampler", daemon=True
        )

    def start(self) -> None:
        """Begin to look."""
        atexit.register(self.stop)  # of a run that is left suspended
        self.thread.start()

    def stop(self) -> None:
        """Look no more; returns when the thread is over."""
        atexit.unregister(self.stop)
        self.stopped.set()
        self.thread.join()

    def _work(self) -> None:
        pause, begun = self.every, None
        try:
            while not self.stopped.wait(pause):
                before, begun = begun, time.thread_time()
                self.look(self.live.snapshot())
                if before is not None:  # the first look imports what it draws with
                    pause = max(self.every, SHARE * (time.thread_time() - begun))
        except Exception:
            log().exception("headrace: what watches a run failed, and watches no more")
