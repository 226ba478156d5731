"""A uniform random policy, as a baseline."""

from typing import Any, cast

import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from elsinore.envs.random_action import random_action
from elsinore.jaxtools.prng import for_use
from elsinore.nets.heads import head_for
from elsinore.types import Algorithm, PolicyFunctions, PolicyState

UNTRAINED = PolicyState(params=(), stats=())


def random_policy(env: Any, env_params: PyTree) -> Algorithm:
    """Algorithm that draws legal actions uniformly, or normal ones where a Box has no bounds; its
    policy state is `UNTRAINED`.

    Raises:
        ValueError: for an action space without a head.
    """
    space = env.action_space(env_params)
    head = head_for(space)

    def uniform(obs: PyTree) -> Any:
        return head.distribution(jnp.zeros(head.num_outputs), obs)

    def act(
        key: Key[Array, ""], policy_state: PolicyState, carry: PyTree, obs: PyTree, greedy: bool
    ) -> tuple[Array, PyTree]:
        """A sample, whether `greedy` or not."""
        if head.continuous:
            return random_action(space, for_use(key, "act")), carry
        return uniform(obs).sample(head.noise(for_use(key, "act"), ())), carry

    def action_scores(policy_state: PolicyState, carry: PyTree, obs: PyTree) -> dict[str, Array]:
        return {} if head.continuous else uniform(obs).action_scores()

    return Algorithm(
        init=lambda key, env_params, hyper: cast(Any, UNTRAINED),
        update=lambda state: (state, {}),
        policy=PolicyFunctions(act, action_scores=action_scores),
        hyper=(),
        steps_per_update=1,
    )
