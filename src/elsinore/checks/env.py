"""Checks that an environment must pass before training on it can be trusted.

for result in check_env(MyEnv()):
    print(result.check, result.passed, result.detail)
"""

from typing import Any

from jaxtyping import PyTree

from elsinore.arguments import checked
from elsinore.checks import env_episodes as episodes
from elsinore.checks import env_programs as programs
from elsinore.checks.env_fixture import EnvFixture
from elsinore.checks.host_env import check_host_env
from elsinore.checks.result import Check, CheckResult, run_checks
from elsinore.envs import make
from elsinore.envs.suites import adapted, is_on_host

ENV_CHECKS = {
    "interface": Check(programs.check_interface),
    "pure": Check(programs.check_pure, ("interface",)),
    "jit": Check(programs.check_jit, ("pure",)),
    "stable": Check(programs.check_stable, ("jit",)),
    "flags": Check(episodes.check_flags, ("stable",)),
    "vmap": Check(programs.check_vmap, ("stable",)),
    "float32": Check(episodes.check_float32, ("flags",)),
    "spaces": Check(episodes.check_spaces, ("flags",)),
    "resets": Check(episodes.check_resets, ("vmap",)),
    "ends": Check(episodes.check_ends, ("flags",)),
}


@checked
def check_env(
    env: Any, params: PyTree | None = None, *, seed: int = 0, num_steps: int = 1000
) -> list[CheckResult]:
    """Run `ENV_CHECKS` on a gymnax 1.x env, itself or its name, by default with its default
    parameters.

    A broken environment never raises here; a check that needs a failed one is skipped, so that only
    the root cause is reported. The random walk takes `num_steps`, or the longest episode's steps if
    those are more (up to 20,000; 5,000 on the host).

    An environment that is stepped on the host, such as one of Gymnasium, has `HOST_CHECKS`.

    Raises:
        ValueError: for a name that is unknown or cannot be imported or built.
    """
    if isinstance(env, str):
        env, own = make(env)
        params = own if params is None else params
    env = adapted(env)
    if is_on_host(env):
        return check_host_env(env, params, seed, num_steps)
    return run_checks(ENV_CHECKS, EnvFixture(env, params, seed, num_steps))
