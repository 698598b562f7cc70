"""`max_in_flight` with a thread pool of your own: submit in one step, resolve in the next.

The first step owns the pool and gives futures; the second waits for each. With `max_in_flight=5` five
futures are out while the consumer waits for the oldest, and never a sixth: whatever the pool works on, the
pipeline bounds. This is for work that comes as futures anyway, or a pool that is set up in a special way;
for plain calls `executor="thread"` does the same without a pool (see slow_calls.py).
"""

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from headrace import step


def digest(document: str) -> str:
    time.sleep(0.01)  # a slow disk
    return hashlib.sha256(document.encode()).hexdigest()[:12]


@step(max_in_flight=5)
def submitted(documents: list[str]) -> Iterator[Future[str]]:
    with ThreadPoolExecutor(max_workers=5) as pool:
        for document in documents:
            yield pool.submit(digest, document)


@step
def resolved(future: Future[str]) -> str:
    return future.result()


digests = submitted | resolved

DOCUMENTS = [f"document {number}" for number in range(20)]

RUNS: dict[str, tuple[Any, ...]] = {
    "twenty documents": (digests, DOCUMENTS),
    "fewer than five": (digests, DOCUMENTS[:3]),
}

if __name__ == "__main__":
    start = time.perf_counter()
    print(*digests.iter(DOCUMENTS))
    print(f"{time.perf_counter() - start:.3f} s; one after the other takes 0.200 s")
