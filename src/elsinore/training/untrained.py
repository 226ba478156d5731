"""Who plays without having learnt anything: what a trained policy is to be compared with."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import PyTree

from elsinore.nets.heads import head_for
from elsinore.ops.randomness import for_use
from elsinore.types import Acting, Algorithm

NOBODY = Acting(params=(), stats=())


def by_chance(env: Any, env_params: PyTree) -> Algorithm:
    """A policy to which any legal action is as good as another, to be used with `NOBODY`. Updates teach it nothing.

    Raises:
        ValueError: for an action space that no policy here can act in.
    """
    space = env.action_space(env_params)
    head = head_for(space)

    def uniform(obs):
        return head.distribution(jnp.zeros(head.num_outputs), obs)

    def act(key, acting: Acting, memory, obs, greedy: bool):
        """No action is the best one, so `greedy` draws like any other."""
        if head.continuous:
            return space.sample(for_use(key, "act")), memory
        return uniform(obs).sample(head.noise(for_use(key, "act"), ())), memory

    def preferences(acting: Acting, memory, obs):
        return {} if head.continuous else uniform(obs).preferences()

    return Algorithm(
        init=lambda key, env_params, hyper: NOBODY, update=lambda state: (state, {}), act=act, hyper=(),
        steps_per_update=1, preferences=preferences,
    )  # fmt: skip
