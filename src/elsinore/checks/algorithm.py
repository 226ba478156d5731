"""Checks that an algorithm must pass before its runs can be trusted.

for result in check_algorithm(my_algorithm, MyConfig()):
    print(result.check, result.passed, result.detail)
"""

from typing import Any

from jaxtyping import PyTree

from elsinore.arguments import checked
from elsinore.checks import behaviour, interface
from elsinore.checks.algorithm_fixture import AlgorithmFixture
from elsinore.checks.result import Check, CheckResult, run_checks
from elsinore.envs import make as make_env

ALGORITHM_CHECKS = {
    "interface": Check(interface.check_interface),
    "pure": Check(interface.check_pure, ("interface",)),
    "stable": Check(interface.check_stable, ("pure",)),
    "hyper": Check(interface.check_hyper, ("stable",)),
    "counts": Check(behaviour.check_counts, ("stable",)),
    "seeds": Check(behaviour.check_seeds, ("stable",)),
    "keys": Check(behaviour.check_keys, ("stable",)),
    "vmap": Check(interface.check_vmap, ("seeds",)),
    "act": Check(behaviour.check_act, ("stable",)),
    "masks": Check(behaviour.check_masks, ("act",)),
    "learning": Check(behaviour.check_learning, ("stable",)),
    "metrics": Check(behaviour.check_metrics, ("learning",)),
}
THOROUGH_CHECKS = {"time limits": Check(behaviour.check_time_limits, ("learning",))}


@checked
def check_algorithm(
    make: Any,
    config: Any = None,
    *,
    env: Any = None,
    env_params: PyTree = None,
    seed: int = 0,
    env_steps: int = 2_000,
    thorough: bool = False,
) -> list[CheckResult]:
    """Run `ALGORITHM_CHECKS` on `make(config, env, env_params, num_updates) -> Algorithm`.

    Args:
        config: by default, the class that annotates `make`'s first argument, with its defaults.
        env: itself or its name, by default `elsinore.checks.probe_env.ProbeEnv`. With another one,
            the checks that need an environment of known rewards still use `ProbeEnv`, or are
            skipped where the algorithm cannot act in it.
        env_steps: of training; at least three updates.
        thorough: add `THOROUGH_CHECKS`, which train for up to 200,000 env steps.

    Raises:
        ValueError: for a name of an environment that is unknown or cannot be imported.
    """
    if isinstance(env, str):
        env, own = make_env(env)
        env_params = own if env_params is None else env_params
    fixture = AlgorithmFixture(make, config, env, env_params, seed, env_steps)
    return run_checks(ALGORITHM_CHECKS | (THOROUGH_CHECKS if thorough else {}), fixture)
