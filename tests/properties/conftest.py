"""What is common to tests of generated pipelines."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _skipped_failures_are_not_logged() -> Iterator[None]:
    log = logging.getLogger("headrace")
    log.setLevel(logging.ERROR)
    yield
    log.setLevel(logging.NOTSET)
