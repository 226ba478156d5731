"""Threads of the page's server for work that takes seconds: whatever trains on this machine goes first."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

NICENESS = 10  # about a tenth of the time where every core is wanted, all of it where one is idle


def worker(name: str) -> ThreadPoolExecutor:
    """One thread that stands back. Processes are begun by others, since they would stand back too."""
    return ThreadPoolExecutor(1, f"elsinore-{name}", initializer=_stand_back)


def _stand_back() -> None:
    if sys.platform == "linux":  # elsewhere a thread has no niceness of its own
        mine = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, mine, max(NICENESS, os.getpriority(os.PRIO_PROCESS, mine)))
