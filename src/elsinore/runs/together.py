"""Checks of a run of several processes, before any of them begins: how they join, what they can do
together, and whether they were started alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from elsinore.config.experiment import Experiment
from elsinore.config.parse import ConfigError
from elsinore.config.plan import Plan
from elsinore.envs import suites
from elsinore.jaxtools import processes
from elsinore.runs.actions import ActingCallback
from elsinore.runs.checkpoints import config_digest, versions
from elsinore.runs.run_workers import Callback


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


def check_together(plan: Plan, callbacks: Sequence[Callback]) -> None:
    """Check that several processes can train this plan, and were all started with it."""
    acting = any(isinstance(each, ActingCallback) for each in callbacks)
    refuse_what_processes_do_not_have(plan.experiment, suites.is_on_host(plan.env), acting)
    check_alike(plan)


def refuse_another_budget(budget: Mapping[str, Any]) -> None:
    """Refuse to lengthen a run and train it with several processes in one call."""
    for name, value in budget.items():
        raise ConfigError(
            f"--distributed cannot be used with {name}={value!r} of a run that is resumed; lengthen"
            " it by a call in one process, stop that, and go on with all."
        )


def refuse_what_processes_do_not_have(experiment: Experiment, on_host: bool, acting: bool) -> None:
    """Refuse what several processes cannot do together.

    Raises:
        ConfigError: naming the setting, its value and a remedy.
    """
    stop = experiment.stop
    found = {
        "vary": experiment.vary and next(iter(experiment.vary)),
        "start.run": experiment.start and experiment.start.run,
        "stop.episodes": stop.episodes,
        "stop.seconds": stop.seconds,
        "env": experiment.env if on_host else None,
        "callbacks": "those that act" if acting else None,
    }
    for name, value in found.items():
        if value:
            raise ConfigError(
                f"--distributed cannot be used with {name}={value!r}: only one process can do it"
                " so far. Leave it out, or train in one process."
            )


def check_alike(plan: Plan) -> None:
    """Check that all processes were started with the same settings and libraries, and that each has
    devices to train on.

    Raises:
        ConfigError: in each of them, naming the processes that differ.
    """
    mine = {"settings": config_digest(plan.experiment), **versions()}
    found = processes.gathered(mine, "settings", processes.COMPILING)
    for what in mine:
        others = [i for i, each in enumerate(found) if each.get(what) != found[0][what]]
        if others:
            said = {i: found[i].get(what) for i in (0, *others)}
            raise ConfigError(
                f"--distributed: the processes have other {what}: {said}; start all of them with"
                " the same command and installation."
            )
    parts = [device.process_index for device in plan.layout.devices]
    held = {i: parts.count(i) for i in range(len(found))}
    if len(set(held.values())) > 1:
        raise ConfigError(
            f"--distributed: seeds={plan.experiment.seeds} and shards={plan.experiment.shards} need"
            f" {len(parts)} devices, which are not the same number in each of {len(found)}"
            f" processes ({held}); choose seeds x shards that the processes divide."
        )
