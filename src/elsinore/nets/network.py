"""A network as algorithms use it: functions of batches, the same whether it remembers or not."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

from elsinore.nets.initialisation import initialise


class Network(NamedTuple):
    """What a flax module becomes.

    `init(key, obs) -> params`, for one observation. `step(params, memory, obs) -> (memory, outputs, value)`, over
    [batch]. `unroll(params, memory, obs, begins) -> (memories, outputs, values)`, over [time, batch]: `memory`
    ([batch]) is that of the first step, `begins` tells the steps at which an episode begins, and `memories` are
    those after each step.
    """

    init: Callable[..., PyTree]
    memory: PyTree  # one agent's when an episode begins; () where nothing is remembered
    step: Callable[..., tuple[PyTree, Array, Array]]
    unroll: Callable[..., tuple[PyTree, Array, Array]]

    @property
    def remembers(self) -> bool:
        return bool(jax.tree.leaves(self.memory))


def network_of(module: Any) -> Network:
    """A module with `initial_memory` takes (memory, obs) and gives (memory, (outputs, value)); any other takes obs
    and gives (outputs, value)."""
    return _recurrent(module) if hasattr(module, "initial_memory") else _feed_forward(module)


def _feed_forward(module: Any) -> Network:
    forward = jax.vmap(module.apply, in_axes=(None, 0))

    def step(params, memory, obs):
        return memory, *forward(params, obs)

    def unroll(params, memory, obs, begins: Bool[Array, "time batch"]):
        rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), obs)
        answers = jax.tree.map(lambda x: x.reshape(*begins.shape, *x.shape[1:]), forward(params, rows))
        return memory, *answers

    return Network(lambda key, obs: initialise(module, key, obs), (), step, unroll)


def _recurrent(module: Any) -> Network:
    forward = jax.vmap(module.apply, in_axes=(None, 0, 0))
    beginning = module.initial_memory()

    def step(params, memory, obs):
        memory, (outputs, value) = forward(params, memory, obs)
        return memory, outputs, value

    def unroll(params, memory, obs, begins: Bool[Array, "time batch"]):
        def one(memory, now):
            obs, begins = now
            memory = renew(begins, beginning, memory)
            memory, outputs, value = step(params, memory, obs)
            return memory, (memory, outputs, value)

        return jax.lax.scan(one, memory, (obs, begins))[1]

    return Network(lambda key, obs: initialise(module, key, beginning, obs), beginning, step, unroll)


def renew(begins: Bool[Array, "batch"], fresh: PyTree, running: PyTree) -> PyTree:
    """`fresh`, one agent's memory, where an episode begins, and `running` ([batch, ...]) elsewhere."""

    def pick(fresh: Array, running: Array) -> Array:
        return jnp.where(begins.reshape(begins.shape + (1,) * (running.ndim - begins.ndim)), fresh, running)

    return jax.tree.map(pick, fresh, running)
