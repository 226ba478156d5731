"""A run of several processes: how they join, what they can do together, whether they were started
alike, and that all of them end where one fails."""

from collections.abc import Iterator
from contextlib import contextmanager

from elsinore.config.plan import Plan
from elsinore.envs import suites
from elsinore.errors import ConfigError, ElsinoreError, RunError, reason_of
from elsinore.jaxtools import processes
from elsinore.runs.checkpoints.manifest import config_digest, versions_of


def join(distributed: bool | str) -> None:
    """Join the other processes of a run, where it is to have several.

    Raises:
        ConfigError: where they cannot be found, or JAX's devices have started.
    """
    if not distributed:
        return
    try:
        processes.join("auto" if distributed is True else distributed)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(str(error)) from error


@contextmanager
def fail_everywhere() -> Iterator[None]:
    """A failure of this process ends the others, where they next agree with it.

    Raises:
        RunError: where another process failed, with its reason.
    """
    try:
        yield
    except processes.OtherFailed as error:
        raise RunError(f"{error} Every process of the run ends with it.") from None
    except BaseException as error:
        text = str(error) if isinstance(error, ElsinoreError) else reason_of(error)
        processes.fail(text)
        raise


def check_processes_agree(plan: Plan) -> None:
    """Check that several processes can train this plan, and were all started with it.

    Raises:
        ConfigError: for an environment on the host, or processes that differ.
    """
    if suites.is_on_host(plan.env):
        raise ConfigError(
            "--distributed (in Python, distributed) cannot be used with"
            f" env={plan.experiment.env!r}, which is stepped on the host of one process."
            " Leave it out."
        )
    check_alike(plan)


def check_alike(plan: Plan) -> None:
    """Check that all processes were started with the same settings and libraries, and that each has
    devices to train on.

    Raises:
        ConfigError: in each of them, naming the processes that differ.
    """
    mine = {"settings": config_digest(plan.experiment), **versions_of(plan.experiment)}
    found = processes.gathered(mine, "settings", processes.COMPILING)
    for what in mine:
        others = [i for i, each in enumerate(found) if each.get(what) != found[0][what]]
        if others:
            said = {i: found[i].get(what) for i in (0, *others)}
            raise ConfigError(
                f"--distributed (in Python, distributed): the processes have other {what}:"
                f" {said}; start all of them with the same command and installation."
            )
    parts = [device.process_index for device in plan.layout.devices]
    held = {i: parts.count(i) for i in range(len(found))}
    if len(set(held.values())) > 1:
        raise ConfigError(
            f"--distributed (in Python, distributed): seeds={plan.experiment.seeds} and"
            f" shards={plan.experiment.shards} cannot be divided among {len(found)} processes"
            f" (devices of each: {held}); choose {len(found)} seeds or more, or a multiple of"
            f" {len(found)} as shards."
        )
