"""Budgets and periods in other units than the compiled program's: whole updates of env steps."""

import math
from collections.abc import Mapping
from typing import Any

from elsinore.algos.registry import steps_per_update
from elsinore.config.mappings import dotted
from elsinore.config.parse import convert
from elsinore.errors import ConfigError
from elsinore.validation import period_of

# The unit of a period that is a number, by the record that has it.
NUMBERS = {"evaluation": "updates", "checkpoints": "chunks", "replays": "chunks"}

COUNTED_BY_A_RUN = ("stop.episodes", "stop.seconds")
BUDGETS = ("env_steps", "stop.env_steps", "stop.updates", *COUNTED_BY_A_RUN)


def has_budget(settings: Mapping[str, Any]) -> bool:
    """True for settings of which one is a budget; null is none."""
    return any(name in BUDGETS and x is not None for name, x in dotted(settings).items())


def without_budget(data: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without their budget, in whichever unit."""
    kept = {name: value for name, value in data.items() if name not in BUDGETS}
    stop = kept.get("stop")
    if isinstance(stop, Mapping):
        kept["stop"] = {name: x for name, x in stop.items() if f"stop.{name}" not in BUDGETS}
    return kept


def refuse_two_budgets(data: Mapping[str, Any]) -> None:
    """Refuse settings with a budget in two units.

    Raises:
        ConfigError: naming both.
    """
    named = dotted(data)
    given = {name: named[name] for name in BUDGETS if named.get(name) is not None}
    if len(given) > 1:
        both = " and ".join(f"{name}={value}" for name, value in given.items())
        raise ConfigError(f"{both} are a budget in two units; give one of them.")


def in_program_units(data: Mapping[str, Any], algo: Any) -> dict[str, Any]:
    """The settings with `stop.updates` and `stop.env_steps` as `env_steps`, an `evaluation.period`
    such as "20000 env steps" in updates, rounded up, and other periods as text of one form.

    Raises:
        ConfigError: for a period in a unit that it cannot have, or a number of updates below 1.
    """
    changed = dict(data)
    if isinstance(stop := data.get("stop"), Mapping):
        rest = {name: x for name, x in stop.items() if name not in ("updates", "env_steps")}
        updates, env_steps = stop.get("updates"), stop.get("env_steps")
        if updates is not None:
            updates = convert(int, updates, "stop.updates")
            if updates < 1:
                raise ConfigError(f"stop.updates={updates!r} must be a whole number of at least 1.")
            env_steps = updates * _steps_per_update(data, algo)
        changed |= {"stop": rest} | ({} if env_steps is None else {"env_steps": env_steps})
    for name in NUMBERS:
        record = data.get(name)
        if isinstance(record, Mapping) and isinstance(text := record.get("period"), str):
            changed[name] = {**record, "period": _period(text, name, data, algo)}
    return changed


def _steps_per_update(data: Mapping[str, Any], algo: Any) -> int:
    """Env steps of an update, of all agents."""
    agents = data.get("agents")
    given = agents.get("number", 1) if isinstance(agents, Mapping) else 1
    number = convert(int, given, "agents.number")
    try:
        return steps_per_update(algo) * number
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _period(text: str, name: str, data: Mapping[str, Any], algo: Any) -> int | str:
    """A period as a number where the program counts it, or else as text, such as "50 episodes";
    what is no period as it is."""
    own = NUMBERS[name]
    found = (int(text), own) if text.strip().isdecimal() else period_of(text, own)
    if found is None:
        return text
    number, unit = found
    if unit == own:
        return int(number)
    if name == "evaluation" and unit == "env steps":
        return math.ceil(number / _steps_per_update(data, algo))
    if name == "evaluation" and unit == "chunks":
        raise ConfigError(
            f"evaluation.period={text!r}: a chunk is the time between two evaluations; give"
            " updates, env steps, episodes or seconds."
        )
    return f"{number:.15g} {unit}"
