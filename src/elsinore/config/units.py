"""Budgets and periods in other units than the compiled program's: whole updates of env steps."""

import re
from collections.abc import Mapping
from typing import Any

from elsinore.algos.registry import steps_per_update
from elsinore.config.parse import ConfigError

PERIOD = re.compile(r"\s*([\d_]+)\s*(updates?|env[ _]steps?|episodes?|seconds?)\s*")


def refuse_two_budgets(data: Mapping[str, Any]) -> None:
    """Refuse settings with a budget in two units.

    Raises:
        ConfigError: naming both.
    """
    stop = data.get("stop")
    given = {f"stop.{name}": x for name, x in stop.items()} if isinstance(stop, Mapping) else {}
    named = {"env_steps": data.get("env_steps"), **given}
    given = {name: value for name, value in named.items() if value is not None}
    if len(given) > 1:
        both = " and ".join(f"{name}={value}" for name, value in given.items())
        raise ConfigError(f"{both} are a budget in two units; give one of them.")


def in_program_units(data: Mapping[str, Any], algo: Any) -> dict[str, Any]:
    """The settings with `stop.updates` and `stop.env_steps` as `env_steps`, and an
    `evaluation.period` such as "20000 env steps" in updates, rounded up.

    Raises:
        ConfigError: for a period that cannot be compiled, or a number of updates below 1.
    """
    changed = dict(data)
    if isinstance(stop := data.get("stop"), Mapping):
        rest = {name: x for name, x in stop.items() if name not in ("updates", "env_steps")}
        updates, env_steps = stop.get("updates"), stop.get("env_steps")
        if updates is not None:
            if not isinstance(updates, int) or updates < 1:
                raise ConfigError(f"stop.updates={updates!r} must be a whole number of at least 1.")
            env_steps = updates * _steps_per_update(data, algo)
        changed |= {"stop": rest} | ({} if env_steps is None else {"env_steps": env_steps})
    evaluation = data.get("evaluation")
    if isinstance(evaluation, Mapping) and isinstance(text := evaluation.get("period"), str):
        changed["evaluation"] = {**evaluation, "period": _updates(text, data, algo)}
    return changed


def _steps_per_update(data: Mapping[str, Any], algo: Any) -> int:
    """Env steps of an update, of all agents."""
    agents = data.get("agents")
    number = agents.get("number", 1) if isinstance(agents, Mapping) else 1
    try:
        return steps_per_update(algo) * number
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _updates(text: str, data: Mapping[str, Any], algo: Any) -> int | str:
    """The updates of a period with a unit; text without one as it is."""
    found = PERIOD.fullmatch(text)
    if found is None:
        return text
    number, unit = int(found[1].replace("_", "")), found[2]
    if unit.startswith("update"):
        return number
    steps = _steps_per_update(data, algo)
    if unit.startswith("env"):
        return -(-number // steps)
    raise ConfigError(
        f"evaluation.period={text!r} cannot be compiled: an evaluation follows a fixed number of"
        f" updates; give 'N updates', or 'N env steps' (an update here is {steps})."
    )
