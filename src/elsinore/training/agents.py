"""Several agents in one world, each learning for itself: an algorithm along the agent axis.

Each has parameters, experience and numbers of its own, as a seed has; what a seed does not have is company: their
steps are taken together, so that a world may let them see one another (`ops/company.py`). One learner for all of
them needs nothing of this: it is the algorithm itself in a world of several bodies (`experience/bodies.py`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from elsinore.experience.bodies import Together
from elsinore.ops.company import AGENTS
from elsinore.ops.randomness import for_use
from elsinore.training.evaluation import Episodes
from elsinore.types import EACH, Algorithm, Mean, TrainState


def independent(algo: Algorithm, world: Together) -> Algorithm:
    """`algo`, made for `world.env`, as one for all agents of the world, each with a learner of its own.

    Every leaf of the state is [agent, ...], but for the seed's `key`, `update` and what the agents share of
    `env_params`. Metrics tell the mean of all agents, and each one's (`EACH`).
    """

    def axes(state: TrainState) -> TrainState:
        return TrainState(0, None, 0, 0, 0, 0, world.axes(state.env_params), 0)

    def init(key: Key[Array, ""], env_params: PyTree, hyper: Any) -> TrainState:
        def one(agent) -> TrainState:
            mine = jax.tree.map(lambda x: x[agent], differing(env_params))
            return algo.init(key_of(key, agent), env_params.replace(**mine), hyper)

        # Not batched: a vmapped orthogonal initialisation can deadlock on jax 0.10.
        state = jax.lax.map(one, jnp.arange(world.agents))
        return state._replace(key=key, update=jnp.int32(0), env_params=env_params)

    def differing(env_params: PyTree) -> dict[str, Array]:
        return {name: getattr(env_params, name) for name in world.differing}

    def update(state: TrainState) -> tuple[TrainState, dict[str, Mean]]:
        over = jax.vmap(algo.update, in_axes=(axes(state),), out_axes=(axes(state), 0), axis_name=AGENTS)
        seed_key = state.key
        state, each = over(state._replace(key=keys_of(seed_key, world.agents)))
        state = state._replace(key=seed_key)
        means = {name: Mean(mean.total.sum(), mean.count.sum()) for name, mean in each.items()}
        return state, means | {EACH + name: mean for name, mean in each.items()}

    def act(key, acting, memory, obs, greedy):
        """For one observation of each agent, [agent, ...]."""
        return jax.vmap(partial(algo.act, greedy=greedy))(jax.random.split(key, world.agents), acting, memory, obs)

    memory = jax.tree.map(lambda x: jnp.broadcast_to(x, (world.agents, *jnp.shape(x))), algo.memory)
    over = jax.vmap  # what the agents think of what each sees
    return algo._replace(
        init=init, update=update, act=act, memory=memory, steps_per_update=world.agents * algo.steps_per_update,
        value=algo.value and over(algo.value), preferences=algo.preferences and over(algo.preferences),
    )  # fmt: skip


def key_of(key: Key[Array, ""], agent: Any) -> Key[Array, ""]:
    """The key that an agent's is among those of one seed."""
    return jax.random.fold_in(for_use(key, "agent"), agent)


def keys_of(key: Key[Array, ""], agents: int) -> Key[Array, "agent"]:
    return jax.vmap(partial(key_of, key))(jnp.arange(agents))


def evaluate_each(evaluate: Callable[..., Episodes], algo: Algorithm, world: Together) -> Callable[..., Episodes]:
    """An evaluation of `independent` agents: `episodes` worlds with all of them in each.

    The agents of a world stand next to each other: [episode x agent].
    """

    def each(_, env, env_params: PyTree, acting: PyTree, key: Key[Array, ""], **how) -> Episodes:
        def one(env_params, acting, key) -> Episodes:
            return evaluate(algo, world.env, env_params, acting, key, **how)

        over = jax.vmap(one, in_axes=(world.axes(env_params), 0, 0), axis_name=AGENTS)
        return jax.tree.map(lambda x: x.T.reshape(-1), over(env_params, acting, keys_of(key, world.agents)))

    return each
