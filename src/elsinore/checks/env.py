"""Checks that an environment must pass before training on it can be trusted.

for result in check_env(MyEnv()):
    print(result.check, result.passed, result.detail)
"""

import itertools
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
from elsinore.errors import ConfigError

ENV_CHECKS: dict[str, Check] = {
    "interface": Check(programs.check_interface),
    "pure": Check(programs.check_pure, ("interface",)),
    "jit": Check(programs.check_jit, ("pure",)),
    "stable": Check(programs.check_stable, ("jit",)),
    "flags": Check(episodes.check_flags, ("stable",)),
    "vmap": Check(programs.check_vmap, ("stable",)),
    "float32": Check(episodes.check_float32, ("flags",)),
    "spaces": Check(episodes.check_spaces, ("flags",)),
    "resets": Check(episodes.check_resets, ("vmap",)),
    "varies": Check(episodes.check_varies, ("flags",)),
    "ends": Check(episodes.check_ends, ("flags",)),
}
# of several agents: walks are taken together once each gets what an agent alone gets
AGENTS_CHECK = Check(programs.check_agents, ("stable",))
WALKS = ("flags",)  # the first check that walks


@checked
def check_env(
    env: Any,
    params: PyTree | None = None,
    *,
    seed: int = 0,
    num_steps: int = 1000,
    agents: int = 1,
) -> list[CheckResult]:
    """Run `ENV_CHECKS` on a gymnax 1.x env, itself or its name, by default with its default
    parameters. With `agents` above 1 these walk together, as in training, and a check `agents`
    compares what each gets with what one alone gets.

    A broken environment never raises here; a check that needs a failed one is skipped, so that only
    the root cause is reported. The random walk takes `num_steps`, or the longest episode's steps if
    those are more (up to 20,000; 5,000 on the host).

    An environment that is stepped on the host, such as one of Gymnasium, has `HOST_CHECKS`.

    Raises:
        ValueError: for a name that is unknown or cannot be imported or built, or for a number of
            agents that the env cannot have.
    """
    if isinstance(env, str):
        env, own = make(env)
        params = own if params is None else params
    env = adapted(env)
    if is_on_host(env):
        return check_host_env(env, params, seed, num_steps)
    own = getattr(env, "fixed_agents", 1)
    if agents < 1 or (own > 1 and agents not in (1, own)):
        number = f"it has {own}" if own > 1 else "it must be at least 1"
        raise ConfigError(f"agents={agents} is no number of agents of this environment: {number}.")
    checks = ENV_CHECKS
    if agents > 1:
        walks = {name: checks[name]._replace(needs=("agents",)) for name in WALKS}
        before = dict(itertools.takewhile(lambda each: each[0] not in WALKS, checks.items()))
        checks = before | {"agents": AGENTS_CHECK} | checks | walks
    return run_checks(checks, EnvFixture(env, params, seed, num_steps, agents))
