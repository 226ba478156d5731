"""The same replay by libCacheSim, a simulator in C: counts to hold ours against, on request."""

import importlib
import tempfile
from pathlib import Path

import numpy as np

from elsinore.config.build import ConfigError
from elsinore.envs.cache.trace import Trace, next_uses
from elsinore.envs.cache.trace.oracle import NEVER_AGAIN
from elsinore.host.traces.oracle_general import ENTRY

CLASSES = {"lru": "LRU", "fifo": "FIFO", "lfu": "LFU", "size": "Size", "gdsf": "GDSF", "sieve": "Sieve",
           "s3fifo": "S3FIFO", "belady": "Belady"}  # fmt: skip
DIFFERS = {"gdsf": "it rounds priorities", "size": "it breaks ties otherwise"}  # and ours is then no mistake


def simulated_hits(trace: Trace, policy: str, capacity: int, unit: str) -> int | None:
    """Hits by libCacheSim, or None for a policy that it does not have in our form.

    Raises:
        ConfigError: where the package is not installed.
    """
    if policy not in CLASSES:
        check_installed()
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.oracleGeneral.bin"
        entries(trace, unit).tofile(path)
        return hits_of_file(path, policy, capacity, trace.num_requests)


def check_installed() -> None:
    """Refuse where there is no libCacheSim.

    Raises:
        ConfigError: saying how to get it.
    """
    try:
        importlib.import_module("libcachesim")
    except ImportError as error:
        raise ConfigError(
            f"--check libcachesim: the package libcachesim is not installed ({error}); `pip install libcachesim`, or "
            "leave the check out."
        ) from None


def hits_of_file(path: Path, policy: str, capacity: int, num_requests: int) -> int:
    """Hits by libCacheSim on a file in its own format."""
    check_installed()
    simulator = importlib.import_module("libcachesim")
    reader = simulator.TraceReader(str(path), simulator.TraceType.ORACLE_GENERAL_TRACE)
    missed, _ = getattr(simulator, CLASSES[policy])(capacity, reader=reader).process_trace(reader)
    return round((1 - missed) * num_requests)


def entries(trace: Trace, unit: str) -> np.ndarray:
    """The trace as oracleGeneral has it; times stand still, since that simulator lets objects expire."""
    rows = np.zeros(trace.num_requests, ENTRY)
    following = next_uses(trace.obj_id).astype(np.int64)
    rows["obj"], rows["size"] = trace.obj_id + 1, trace.weights(unit)[trace.obj_id]
    rows["next"] = np.where(following == NEVER_AGAIN, -1, following + 1)
    return rows
