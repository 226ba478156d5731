"""Work of the page that takes seconds leaves the processor to training."""

import os
import sys
import threading

import pytest

from elsinore.page.workers import NICENESS, low_priority_worker


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="only there has a thread a niceness of its own")
def test_only_a_worker_lowers_its_priority():
    before = niceness()
    with low_priority_worker("test") as pool:
        assert pool.submit(niceness).result() == max(NICENESS, before)
    assert niceness() == before
