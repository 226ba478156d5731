"""Orbax's checkpointer, which does not print the failures that it raises."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import jax

from elsinore.jaxtools import processes


@contextlib.contextmanager
def checkpointer() -> Iterator[Any]:
    """A checkpointer of arrays that this process holds whole; of several processes it waits for
    none."""
    import orbax.checkpoint as ocp

    _drop_tracebacks_of_threads()
    if not processes.joined():
        made = ocp.Checkpointer(ocp.StandardCheckpointHandler())
    else:
        me = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(
            primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
        )
        handler = ocp.StandardCheckpointHandler(multiprocessing_options=alone)
        made = ocp.Checkpointer(handler, multiprocessing_options=alone)
    with made:
        yield made


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
