"""Recording episodes, on a CPU: an episode is one step after another, which no accelerator is quick at."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.config.plan import Plan
from elsinore.experience.bodies import agents_in
from elsinore.ops.randomness import for_update, for_use
from elsinore.training.recording import Recording, in_every_body, record
from elsinore.training.seeds import CPU_OPTIONS
from elsinore.types import Acting, Algorithm


class Recorder:
    """Plays episodes with policies of one algorithm; compiled at the first.

    Where several agents live in the world, the algorithm acts for all of them at once.
    """

    def __init__(self, algo: Algorithm, env: Any, max_steps: int, greedy: bool):
        self._device = _cpu()
        options = CPU_OPTIONS if self._device.platform == "cpu" else {}
        self._play = jax.jit(
            lambda acting, params, key: record(algo, env, acting, params, key, max_steps, greedy),
            compiler_options=options,
        )

    def __call__(self, acting: Acting, params: PyTree, key: jax.Array) -> Recording:
        """One episode, in host memory."""
        there = partial(jax.device_put, device=self._device)
        return jax.tree.map(np.asarray, self._play(there(acting), there(params), there(key)))


def recorder_for(plan: Plan, max_steps: int, greedy: bool) -> Recorder:
    """A recorder of a run's policies: those of all the agents in a world."""
    algo, agents = plan.program.algo, agents_in(plan.env)
    if agents > 1 and not plan.has_learners_of_their_own:
        algo = in_every_body(algo, agents)
    return Recorder(algo, plan.env, max_steps, greedy)


def params_of_each(env: Any, params: PyTree) -> PyTree:
    """The parameters of a world as a replay keeps them: those of each agent, [agent, ...], where several live in it."""
    if agents_in(env) == 1:
        return params
    each = (env.params_of(params, agent) for agent in range(env.agents))
    return jax.tree.map(lambda *own: np.stack([np.asarray(x, jnp.result_type(x)) for x in own]), *each)


def episode_key(seed: int, update: int, episode: int = 0) -> jax.Array:
    """The randomness of one episode: recorded again, it is the same episode."""
    return for_update(for_use(for_update(jax.random.key(seed), update), "replay"), episode)


def _cpu() -> Any:
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # jax was told to use the accelerator alone
        return jax.local_devices()[0]
