"""Evaluation of a policy on the first episode of each of E fresh environments.

Counting every episode that ends within a window would favour short ones; this has no such bias.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.config_records import record
from elsinore.errors import ConfigError
from elsinore.experience.autoreset import batched_env_step, batched_reset
from elsinore.experience.episode_stats import episode_facts, facts_of
from elsinore.experience.multi_agent import has_others, kept_where, num_agents_in
from elsinore.jaxtools.prng import for_uses, split
from elsinore.types import Algorithm, EnvStep

# traced settings of an algorithm that sampled evaluations act by: with the same value for all that
# one compiled program trains
EXPLORING = ("epsilon_final", "exploration_noise")


def refuse_to_explore(asked: str, varied: Iterable[str]) -> None:
    """Refuse actions sampled as in training where the members of a population differ in a setting
    that such actions depend on: one compiled policy acts for all members.

    Args:
        asked: the setting that asks for sampled actions, and its value.
        varied: the settings in which the members differ.

    Raises:
        ConfigError: naming the setting.
    """
    for name in varied:
        if name.removeprefix("algo.") in EXPLORING:
            raise ConfigError(
                f"{asked} explores as in training, with one {name} for all members, and here it"
                f" varies; take the greedy actions, or train with one {name}."
            )


@record
class EvaluationConfig:
    """Evaluations while training, and the final one, which is reported."""

    # Updates between evaluations; 0 is the run's updates / 20. Or text, such as "50 episodes" or
    # "60 seconds": then after the chunk in which these have passed.
    period: int | str = 0
    episodes: int = 32  # Episodes at each evaluation while training.
    final_episodes: int = 128  # Episodes of each seed at the end, for summary.json.
    greedy: bool = True  # The likeliest action; false samples as in training.
    max_steps: int = 0  # Steps after which an episode is cut; 0 is the environment's own limit.

    def __post_init__(self) -> None:
        validation.counts(self, 1, "episodes", "final_episodes")
        if self.max_steps >= 2**31:
            raise ValueError(f"max_steps={self.max_steps} must be at most 2^31 - 1.")
        if isinstance(self.period, str):
            validation.a_period(self, "period", "updates")
        for name in ("period", "max_steps"):
            if not isinstance(value := getattr(self, name), str) and value < 0:
                raise ValueError(f"{name}={value} must be 0 (automatic) or more.")

    @property
    def on_request(self) -> bool:
        """True if the host says after which chunks there is an evaluation, by a launch of a chunk
        without updates; false if each chunk ends in one."""
        return isinstance(self.period, str)


class Episodes(NamedTuple):
    """Results of the episodes of an evaluation."""

    returns: Float[Array, "episode"]
    lengths: Int[Array, "episode"]
    ended: Bool[Array, "episode"]  # False: cut at `max_steps`, its return is of the steps it had
    # further numbers of the env's `info`, by name, at the last step
    facts: dict[str, Float[Array, "episode"]]


def evaluate(
    algo: Algorithm,
    env: Any,
    env_params: PyTree,
    policy_state: PyTree,
    key: Key[Array, ""],
    *,
    episodes: int,
    max_steps: int,
    greedy: bool,
    joint_policy: bool = False,
) -> Episodes:
    """Play `episodes` fresh envs until each has ended, or for `max_steps`, without learning.

    In a multi-agent env each agent has its episode, [episode x agent], those of one env adjacent;
    `joint_policy`: the policy acts for all agents of an env at once. An agent whose episode has
    ended stays as it was, for the others too, until all have ended.
    """
    reset_key, play_key = for_uses(key, "evaluate", "play")
    episodes *= num_agents_in(env)
    obs, env_state = batched_reset(env, jax.random.split(reset_key, episodes), env_params)
    agents = num_agents_in(env) if joint_policy else 1
    carry = algo.policy.initial_carries(episodes // agents)
    act = jax.vmap(partial(algo.policy.act, greedy=greedy), in_axes=(0, None, 0, 0))
    act = _by_env(act, agents) if joint_policy else act

    def unfinished(loop):
        time, *_, so_far = loop
        return (time < max_steps) & ~so_far.ended.all()

    def play(loop):
        time, obs, env_state, carry, so_far = loop
        act_keys, step_keys = split(jax.random.fold_in(play_key, time), (2, episodes))
        action, carry = act(act_keys, policy_state, carry, obs)
        out = batched_env_step(env, step_keys, env_state, action, env_params)
        stepped = (out.obs, out.state)
        if has_others(env):
            stepped = kept_where(so_far.ended, (obs, env_state), stepped)
        return time + 1, *stepped, carry, _counted(env, so_far, out)

    start = (jnp.int32(0), obs, env_state, carry, _no_steps(env, episodes))
    return jax.lax.while_loop(unfinished, play, start)[-1]


def _by_env(act: Callable[..., tuple[Array, PyTree]], agents: int) -> Callable[..., Any]:
    """`act` of [env, agent, ...] as a function of rows."""

    def rows(keys, policy_state, carry, obs):
        by_env = jax.tree.map(lambda x: x.reshape(-1, agents, *x.shape[1:]), obs)
        action, carry = act(keys[::agents], policy_state, carry, by_env)
        return action.reshape(-1, *action.shape[2:]), carry

    return rows


def _no_steps(env: Any, episodes: int) -> Episodes:
    facts = {name: jnp.zeros(episodes) for name in facts_of(env)}
    return Episodes(
        jnp.zeros(episodes), jnp.zeros(episodes, jnp.int32), jnp.zeros(episodes, bool), facts
    )


def _counted(env: Any, so_far: Episodes, out: EnvStep) -> Episodes:
    """The episodes after one step more, which counts for those that had not ended before it."""
    return Episodes(
        returns=so_far.returns + jnp.where(so_far.ended, 0.0, out.reward),
        lengths=so_far.lengths + ~so_far.ended,
        ended=so_far.ended | out.terminated | out.truncated,
        facts=jax.tree.map(
            partial(jnp.where, so_far.ended), so_far.facts, episode_facts(env, out.info)
        ),
    )
