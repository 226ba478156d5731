"""Processes that run one program together: how they join, and what they agree on.

What they agree on goes through JAX's coordination service, not through the devices: a process that
waits there says for whom, and after a time limit it ends.
"""

import faulthandler
import itertools
import json
import logging
import os
import sys
from contextlib import suppress
from typing import Any

import jax

log = logging.getLogger("elsinore")
LIMIT = 300.0  # seconds that a process may be behind the others; compiling has its own
COMPILING = 1800.0
HEARTBEAT = 30  # seconds after which a process that is gone ends all others
ACCELERATORS = ("nvidiactl", "kfd", "accel0", "vfio/0")  # device files of GPUs and TPUs
FAILED = "failed"  # asked by a process that has no more to agree on
_numbers = itertools.count()


class OtherFailed(Exception):
    """Another process of this run has failed; the message says which, and why."""


def join(place: str = "auto") -> None:
    """Join the processes of a run, before JAX starts its devices; nothing if this one has joined.

    Args:
        place: `auto` reads SLURM, Open MPI, Kubernetes or a TPU pod; `HOST:PORT,N,I` is the address
            of the first process, the number of processes, and the number of this one, from 0.

    Raises:
        ValueError: for another text, or where nothing says how many processes there are.
        RuntimeError: where this process has computed with JAX.
    """
    if jax.distributed.is_initialized():
        return
    _set_batch_scheduling()
    if place == "auto":
        try:
            _initialise()
        except ValueError as error:
            raise ValueError(
                "--distributed (in Python, distributed) finds no cluster here"
                f" ({str(error).rstrip('.')}); start it by SLURM, Open MPI or Kubernetes, or give"
                " it as HOST:PORT,N,I."
            ) from error
        return
    address, *numbers = place.split(",")
    if ":" not in address or len(numbers) != 2 or not all(x.strip().isdigit() for x in numbers):
        raise ValueError(
            f"distributed={place!r} is not HOST:PORT,N,I; give the address of the first process,"
            " the number of processes, and the number of this one from 0, as in"
            " 10.0.0.1:7000,2,0."
        )
    number, rank = map(int, numbers)
    if rank >= number:
        raise ValueError(
            f"distributed={place!r}: the processes are 0 to {number - 1}, and this one is {rank}."
        )
    _initialise(coordinator_address=address, num_processes=number, process_id=rank)


def _initialise(**place: Any) -> None:
    try:
        jax.distributed.initialize(**place, heartbeat_timeout_seconds=HEARTBEAT)
    except RuntimeError as error:
        if "must be called before" not in str(error):
            raise
        raise RuntimeError(
            "--distributed (in Python, distributed) comes too late: this process has computed with"
            " JAX before; make this call the first in it, before any array of jax."
        ) from error


def _set_batch_scheduling(devices: str = "/dev") -> None:
    """Schedule this process as SCHED_BATCH where it computes on CPUs, so that waking threads do not
    preempt running ones. Gloo's thread for received data wakes for each collective, and waits for a
    lock of the thread whose core it took."""
    on_cpu = (jax.config.jax_platforms or "cpu") == "cpu"
    accelerators = [name for name in ACCELERATORS if os.path.exists(os.path.join(devices, name))]
    if not on_cpu or accelerators or not hasattr(os, "SCHED_BATCH"):
        return
    with suppress(OSError):  # a container may forbid it; the run is slower then, and no other
        if os.sched_getscheduler(0) == os.SCHED_OTHER:  # else the user chose a policy
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # threads inherit it


def joined() -> bool:
    """True in one of several processes. JAX's devices are not started for it: they start in all
    processes together, so one that was refused something before that would be waited for."""
    return jax.distributed.is_initialized() and _state().num_processes > 1


def is_first() -> bool:
    """True in the process that owns the run's folder; also where there is only one."""
    return not joined() or _state().process_id == 0


def gathered(value: Any, what: str, limit: float = LIMIT) -> list[Any]:
    """The values of all processes, by number. All must call in the same order, with plain data;
    `what` is compared, and named where one does not answer within `limit` seconds: then this
    process prints its threads and ends, for a process that hangs cannot be waited for.

    Raises:
        OtherFailed: if another process failed (`fail`) before it came here.
    """
    if not joined():
        return [value]
    number, me, client = next(_numbers), _state().process_id, coordination()
    client.key_value_set(f"elsinore/{number}/{me}", json.dumps([what, value]))
    found = [_answer(client, number, rank, what, limit) for rank in range(_state().num_processes)]
    if number >= 2:  # all have read what was two calls ago
        client.key_value_delete(f"elsinore/{number - 2}/{me}")
    return found


def agreed(value: Any, what: str, limit: float = LIMIT) -> Any:
    """The value of the first process."""
    return gathered(value, what, limit)[0]


def any_of(value: bool, what: str, limit: float = LIMIT) -> bool:
    """True where it is in any process."""
    return any(gathered(bool(value), what, limit))


def fail(reason: str) -> None:
    """Let the others raise `OtherFailed` where they next agree with this process, which has failed:
    they would wait for it, and it for them at its end."""
    if jax.distributed.is_initialized():  # devices, which may not have started, are not asked
        with suppress(Exception):  # the service may be gone, too
            place = f"elsinore/{next(_numbers)}/{_state().process_id}"
            coordination().key_value_set(place, json.dumps([FAILED, reason]))


def coordination() -> Any:
    """The client of the coordination service, which JAX keeps private; Orbax uses it, too."""
    return _state().client


def _state() -> Any:
    from jax._src import distributed

    return distributed.global_state


def _answer(client: Any, number: int, rank: int, what: str, limit: float) -> Any:
    try:
        text = client.blocking_key_value_get(f"elsinore/{number}/{rank}", int(1000 * limit))
    except Exception as error:
        end_now(
            f"process {rank} of {_state().num_processes} did not answer within {limit:.0f} s", error
        )
    asked, value = json.loads(text)
    if asked == FAILED:
        raise OtherFailed(f"process {rank} of {_state().num_processes} has failed: {value}")
    if asked != what:
        end_now(f"process {rank} is at {asked!r}, and process {_state().process_id} at {what!r}")
    return value


def end_now(reason: str, error: Exception | None = None) -> None:
    """End this process at once: what it waits for on the devices cannot be interrupted."""
    log.error("%s; the run ends here and can be resumed. %s", reason, str(error or "")[:200])
    faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
    os._exit(1)
