"""The same replay by libCacheSim, a simulator in C, to check our counts."""

import importlib
import tempfile
from pathlib import Path

import numpy as np

from elsinore.errors import ConfigError
from elsinore.worlds.cache.trace import Trace, next_uses
from elsinore.worlds.cache.trace.oracle import NEVER_AGAIN
from elsinore.worlds.cache.traces.oracle_general import ENTRY

SIMULATOR_CLASSES = {
    "lru": "LRU", "fifo": "FIFO", "lfu": "LFU", "size": "Size", "gdsf": "GDSF",
    "sieve": "Sieve", "s3fifo": "S3FIFO", "belady": "Belady",
}  # fmt: skip
# known reasons for a difference
DIFFERS = {"gdsf": "it rounds priorities", "size": "it breaks ties otherwise"}


def simulated_hits(trace: Trace, policy: str, capacity: int, unit: str) -> int | None:
    """Hits by libCacheSim, or None for a policy that it lacks.

    Raises:
        ConfigError: where the package is not installed.
    """
    if policy not in SIMULATOR_CLASSES:
        check_installed()
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.oracleGeneral.bin"
        oracle_general_rows(trace, unit).tofile(path)
        return hits_of_file(path, policy, capacity, trace.num_requests)


def check_installed() -> None:
    """Refuse without libCacheSim.

    Raises:
        ConfigError: naming the package to install.
    """
    try:
        importlib.import_module("libcachesim")
    except ImportError as error:
        raise ConfigError(
            f"--check libcachesim: the package libcachesim is not installed ({error}); `pip install"
            " libcachesim`, or leave the check out."
        ) from None


def hits_of_file(path: Path, policy: str, capacity: int, num_requests: int) -> int:
    """Hits by libCacheSim on a file in its own format."""
    check_installed()
    simulator = importlib.import_module("libcachesim")
    reader = simulator.TraceReader(str(path), simulator.TraceType.ORACLE_GENERAL_TRACE)
    missed, _ = getattr(simulator, SIMULATOR_CLASSES[policy])(
        capacity, reader=reader
    ).process_trace(reader)
    return round((1 - missed) * num_requests)


def oracle_general_rows(trace: Trace, unit: str) -> np.ndarray:
    """The trace as oracleGeneral rows; all times are 0, since that simulator lets objects
    expire."""
    rows = np.zeros(trace.num_requests, ENTRY)
    following = next_uses(trace.obj_id).astype(np.int64)
    rows["obj"], rows["size"] = trace.obj_id + 1, trace.weights(unit)[trace.obj_id]
    rows["next"] = np.where(following == NEVER_AGAIN, -1, following + 1)
    return rows
