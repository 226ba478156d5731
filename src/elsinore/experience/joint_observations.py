"""Joint observations: what a centralised critic reads, those of all agents of an env.

The critic of MAPPO (Yu 2022, arXiv:2103.01955 section 5.2, "the concatenation of all local
observations") is used in training alone; policies read their own observations only.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree, Shaped

from elsinore.experience.multi_agent import MultiAgentEnv
from elsinore.nets.centralised import SplitObs


def has_joint_critic(env: Any) -> bool:
    """True if critics read the observations of all agents of an env."""
    return isinstance(env, MultiAgentEnv) and env.critic == "joint"


def critic_view(env: Any, one: PyTree) -> Callable[[PyTree], PyTree]:
    """A function from observations [..., row, ...] to the input of an actor-critic network: the
    same, or a `SplitObs` with those of each row's env. `one` has the shapes of an observation."""
    if not has_joint_critic(env):
        return lambda obs: obs
    return lambda obs: SplitObs(obs, joint_observation(env, one, obs))


def example_of(env: MultiAgentEnv, one: PyTree) -> Callable[[PyTree], SplitObs]:
    """A function from one observation to a `SplitObs` of it, in an env where all agents see it."""

    def example(obs: PyTree) -> SplitObs:
        rows = jax.tree.map(lambda x: jnp.broadcast_to(x, (env.agents, *x.shape)), obs)
        return SplitObs(obs, jax.tree.map(lambda x: x[0], joint_observation(env, one, rows)))

    return example


def joint_observation(env: MultiAgentEnv, one: PyTree, obs: PyTree) -> PyTree:
    """For each row of [..., row, ...], the observations of all agents of its env, without their
    action masks.

    Images [height, width, channel] become one, with the channels of all agents, and with `env.ids`
    a channel for each agent, which is 1 for the row's own. Other leaves become [agent, ...], and
    with `env.ids` there is a one-hot `id` beside them.
    """
    one, obs = _without_mask(one), _without_mask(obs)
    everyone = jax.tree.map(partial(_of_env, env.agents), one, obs)
    if not isinstance(one, dict) and one.ndim == 3:
        return _as_image(env, everyone)
    if not env.ids:
        return everyone
    like, first = jax.tree.leaves(one)[0], jax.tree.leaves(obs)[0]
    rows = first.shape[: first.ndim - like.ndim]
    return {"everyone": everyone, "id": _ids(env.agents, rows)}


def _without_mask(obs: PyTree) -> PyTree:
    if not isinstance(obs, dict):
        return obs
    return {name: part for name, part in obs.items() if name != "action_mask"}


def _of_env(agents: int, one: Any, x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Of each row those of all agents of its env; agents of one env are adjacent rows."""
    before = x.shape[: x.ndim - one.ndim - 1]
    by_env = x.reshape(*before, -1, 1, agents, *one.shape)
    shape = (*by_env.shape[: len(before) + 1], agents, agents, *one.shape)
    return jnp.broadcast_to(by_env, shape).reshape(*before, -1, agents, *one.shape)


def _ids(agents: int, shape: tuple[int, ...]) -> Array:
    """The agent of each row, one-hot, [..., row, agent]."""
    mine = jnp.eye(agents)[jnp.arange(shape[-1]) % agents]
    return jnp.broadcast_to(mine, (*shape, agents))


def _as_image(
    env: MultiAgentEnv, everyone: Shaped[Array, "... row agent height width channel"]
) -> Shaped[Array, "... row height width channels"]:
    by_channel = jnp.moveaxis(everyone, -4, -2)
    image = by_channel.reshape(*by_channel.shape[:-2], -1)
    if not env.ids:
        return image
    own = _ids(env.agents, image.shape[:-3])[..., None, None, :].astype(image.dtype)
    planes = jnp.broadcast_to(own, (*image.shape[:-1], env.agents))
    return jnp.concatenate([image, planes], axis=-1)
