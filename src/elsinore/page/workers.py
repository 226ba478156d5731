"""Low-priority threads for slow work of the page's server, so that training comes first."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

NICENESS = 10  # about a tenth of the time where every core is busy, all of it where one is idle


def low_priority_worker(name: str) -> ThreadPoolExecutor:
    """One thread of low priority. Start no process in it: it would inherit the priority."""
    return ThreadPoolExecutor(1, f"elsinore-{name}", initializer=_lower_priority)


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere a thread has no niceness of its own
        thread = threading.get_native_id()
        niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, niceness)
