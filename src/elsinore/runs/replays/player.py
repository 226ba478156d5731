"""Record episodes on a CPU, since an accelerator is slow at single sequential steps."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from elsinore.config.plan import Plan
from elsinore.envs.suites import is_on_host
from elsinore.experience.multi_agent import num_agents_in
from elsinore.jaxtools.compiler_options import CPU_OPTIONS
from elsinore.jaxtools.prng import for_update, for_use
from elsinore.training.recording import Recording, acting_for_all, record_episode
from elsinore.types import Algorithm, PolicyState


class EpisodePlayer:
    """Plays episodes with policies of one algorithm; the first call compiles.

    In a multi-agent environment the algorithm acts for all agents at once.
    """

    def __init__(
        self, algo: Algorithm, env: Any, max_steps: int, greedy: bool, observations: bool = False
    ):
        self._device = _cpu()
        if is_on_host(env):
            from elsinore.runs.host.player import HostPlayer

            self._play: Any = HostPlayer(algo, env, max_steps, greedy, observations)
            return
        options = CPU_OPTIONS if self._device.platform == "cpu" else {}

        def play_episode(policy_state: PolicyState, params: PyTree, key: Key[Array, ""]) -> Any:
            return record_episode(
                algo, env, policy_state, params, key, max_steps, greedy, observations
            )

        self._play = jax.jit(play_episode, compiler_options=options)

    def __call__(self, policy_state: PolicyState, params: PyTree, key: jax.Array) -> Recording:
        """One episode, in host memory."""
        there = partial(jax.device_put, device=self._device)
        return jax.tree.map(np.asarray, self._play(there(policy_state), there(params), there(key)))


def episode_player_for(
    plan: Plan, max_steps: int, greedy: bool, observations: bool = False
) -> EpisodePlayer:
    """The player of a run's policies, for all agents of an environment."""
    algo, agents = plan.program.algo, num_agents_in(plan.env)
    if agents > 1 and not plan.has_learners_of_their_own:
        algo = acting_for_all(algo, agents)
    return EpisodePlayer(algo, plan.env, max_steps, greedy, observations)


def params_of_each(env: Any, params: PyTree) -> PyTree:
    """Environment parameters for an `EpisodeRecording`: of each agent, [agent, ...], if there are
    several."""
    if num_agents_in(env) == 1:
        return params
    each = (env.params_of(params, agent) for agent in range(env.agents))
    return jax.tree.map(
        lambda *own: np.stack([np.asarray(x, jnp.result_type(x)) for x in own]), *each
    )


def episode_key(seed: int, update: int, episode: int = 0) -> jax.Array:
    """The PRNG key of one episode; the same key records the same episode."""
    return for_update(for_use(for_update(jax.random.key(seed), update), "replay"), episode)


def _cpu() -> Any:
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # jax is set to use the accelerator only
        return jax.local_devices()[0]
