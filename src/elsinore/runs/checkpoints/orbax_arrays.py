"""Arrays written and read by Orbax, without what it prints and leaves in the process's logging."""

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from elsinore.jaxtools import processes

# Bytes of a large array that are encoded, or decoded, at a time: beside it they are in memory too.
PIECE = 64 * 2**20


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays by name as a folder; those of no elements, which Orbax refuses, are left out."""
    solid = {name: x for name, x in arrays.items() if np.size(x)}
    with _orbax() as (ocp, checkpointer):
        in_pieces = dict.fromkeys(solid, ocp.SaveArgs(chunk_byte_size=PIECE))
        checkpointer.save(path.absolute(), args=ocp.args.PyTreeSave(solid, save_args=in_pieces))


def load_arrays(path: Path, like: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Those arrays of such a folder that `like` names, which has their shapes and types; the others
    are not read.

    Raises:
        ValueError: naming an array of another shape or type; others of Orbax.
    """
    solid = {name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in like.items() if x.size}
    with _orbax() as (ocp, checkpointer):
        as_stored = dict.fromkeys(solid, ocp.RestoreArgs(restore_type=np.ndarray))
        args = ocp.args.PyTreeRestore(solid, restore_args=as_stored, partial_restore=True)
        found = checkpointer.restore(path.absolute(), args=args)
    for name, x in solid.items():
        if (found[name].shape, found[name].dtype) != (x.shape, x.dtype):
            raise ValueError(
                f"{name} is {found[name].dtype}{list(found[name].shape)},"
                f" and {x.dtype}{list(x.shape)} is expected"
            )
    return {n: found[n] if n in solid else np.zeros(x.shape, x.dtype) for n, x in like.items()}


@contextlib.contextmanager
def _orbax() -> Iterator[tuple[Any, Any]]:
    """Orbax, and its checkpointer of arrays that this process holds whole; of several processes it
    waits for none."""
    with _root_logger_as_it_is():
        import orbax.checkpoint as ocp

        _drop_tracebacks_of_threads()
        alone = ocp.options.MultiprocessingOptions()
        if processes.joined():
            me = jax.process_index()
            alone = ocp.options.MultiprocessingOptions(
                primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
            )
        handlers = ocp.type_handlers
        registry = handlers.create_type_handler_registry(
            # nothing changes the arrays while they are written, so Orbax need not copy them first
            (np.ndarray, handlers.NumpyHandler(deepcopy_host_arrays=False)),
            (jax.Array, handlers.ArrayHandler()),  # which it logs a warning without
        )
        handler = ocp.PyTreeCheckpointHandler(
            type_handler_registry=registry, multiprocessing_options=alone
        )
        with ocp.Checkpointer(handler, multiprocessing_options=alone) as made:
            yield ocp, made


@contextlib.contextmanager
def _root_logger_as_it_is() -> Iterator[None]:
    """Keep absl, by which Orbax logs, from giving the root logger a handler that stays: the log of
    the next run in this process would then have `INFO:elsinore:` before each line."""
    root, last_resort = logging.getLogger(), logging.lastResort
    if root.handlers or last_resort is None:
        yield
        return
    root.addHandler(last_resort)  # shows what is shown without a handler: warnings and errors
    try:
        yield
    finally:
        root.removeHandler(last_resort)


@cache
def _drop_tracebacks_of_threads() -> None:
    """Keep the threads of Orbax and TensorStore from printing, each of them, the error that the
    caller gets as well: a hundred lines for a full disk."""
    hook = sys.unraisablehook

    def unraisable(found: Any) -> None:  # a write that ended after another had failed
        if str(found.exc_value) != "Event loop is closed":
            hook(found)

    def is_of_the_caller(record: logging.LogRecord) -> bool:
        return "_SignalingThread" not in str(record.msg)

    sys.unraisablehook = unraisable
    logging.getLogger("absl").addFilter(is_of_the_caller)
