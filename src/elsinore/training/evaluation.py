"""How good a policy is: the first episode of each of E fresh worlds, and nothing else.

Counting every episode that ends within a window would favour the short ones; one episode each has no such bias.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.experience.autoreset import resets, true_steps
from elsinore.experience.bodies import agents_in
from elsinore.experience.facts import facts_of, told
from elsinore.ops.randomness import for_uses, split
from elsinore.types import Acting, Algorithm


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """When and how policies are evaluated. The evaluation at the end of a run is the one that is reported."""

    period: int = 0  # updates between evaluations; 0: the run's updates / 20
    episodes: int = 32  # at each evaluation while training
    final_episodes: int = 128  # at the end, for summary.json
    greedy: bool = True  # the likeliest action; false: sampled as in training
    max_steps: int = 0  # steps after which an episode is cut; 0: the environment's own limit

    def __post_init__(self):
        for name in ("episodes", "final_episodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        for name in ("period", "max_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must be 0 (automatic) or more.")


class Episodes(NamedTuple):
    """What became of each episode of an evaluation."""

    returns: Float[Array, "episode"]
    lengths: Int[Array, "episode"]
    ended: Bool[Array, "episode"]  # False: cut at `max_steps`, its return is of the steps it had
    facts: dict[str, Float[Array, "episode"]]  # what the world tells of it beside, by name, at its last step


def evaluate(
    algo: Algorithm,
    env: Any,
    env_params: PyTree,
    acting: Acting,
    key: Key[Array, ""],
    *,
    episodes: int,
    max_steps: int,
    greedy: bool,
) -> Episodes:
    """Play `episodes` fresh worlds until each has ended, or for `max_steps`; the policy learns nothing from it.

    Where several agents live in each world there is an episode of each, [episode x agent]: those of one world stand
    next to each other.
    """
    reset_key, play_key = for_uses(key, "evaluate", "play")
    episodes *= agents_in(env)
    obs, env_state = resets(env, jax.random.split(reset_key, episodes), env_params)
    memory = jax.tree.map(lambda x: jnp.broadcast_to(x, (episodes, *jnp.shape(x))), algo.memory)
    act = jax.vmap(partial(algo.act, greedy=greedy), in_axes=(0, None, 0, 0))

    def going_on(carry):
        time, *_, so_far = carry
        return (time < max_steps) & ~so_far.ended.all()

    def play(carry):
        time, obs, env_state, memory, so_far = carry
        act_keys, step_keys = split(jax.random.fold_in(play_key, time), (2, episodes))
        action, memory = act(act_keys, acting, memory, obs)
        out = true_steps(env, step_keys, env_state, action, env_params)
        so_far = Episodes(
            returns=so_far.returns + jnp.where(so_far.ended, 0.0, out.reward),
            lengths=so_far.lengths + ~so_far.ended,
            ended=so_far.ended | out.terminated | out.truncated,
            facts=jax.tree.map(partial(jnp.where, so_far.ended), so_far.facts, told(env, out.info)),
        )
        return time + 1, out.obs, out.state, memory, so_far

    facts = {name: jnp.zeros(episodes) for name in facts_of(env)}
    start = Episodes(jnp.zeros(episodes), jnp.zeros(episodes, jnp.int32), jnp.zeros(episodes, bool), facts)
    return jax.lax.while_loop(going_on, play, (jnp.int32(0), obs, env_state, memory, start))[-1]
