"""Custom code that an experiment names, and its errors as refusals."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from elsinore.config.experiment import Experiment
from elsinore.envs.wrapped import modules_in
from elsinore.errors import ConfigError, names_custom_code, user_code


def custom_code_in(
    experiment: Experiment, env: Any, network: Any, curriculum: Any
) -> dict[str, Any]:
    """The settings that name custom code, with their values."""
    config = getattr(experiment.algo, "network", None)
    settings = {
        "env": experiment.env if env is None else env,
        "algo": experiment.algo.name,
        "network": network,
        "algo.network.custom": None if network else getattr(config, "custom", None),
        "algo.network.encoder": getattr(config, "encoder", None),
        "curriculum": curriculum,
        "imitation.teacher": getattr(experiment.imitation, "teacher", None),
        **{f"wrappers[{i}]": code for i, code in enumerate(modules_in(experiment.wrappers))},
    }
    for i, each in enumerate(experiment.agents.each):
        own = getattr(each.algo, "network", None)
        settings |= {
            f"agents.each[{i}].algo": each.algo.name,
            f"agents.each[{i}].network.custom": getattr(own, "custom", None),
            f"agents.each[{i}].network.encoder": getattr(own, "encoder", None),
        }
    return {name: x for name, x in settings.items() if names_custom_code(x)}


@contextmanager
def refusals(custom_code: Mapping[str, Any]) -> Iterator[None]:
    """Turn refusals (ValueError), and all that custom code raises, into a ConfigError."""
    try:
        with user_code(**custom_code):
            yield
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error
