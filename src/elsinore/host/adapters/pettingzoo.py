"""Several agents of one of our worlds, keyed by name, as PettingZoo's parallel environments are.

env = parallel_env("Hamlet-base6", agents=4)
observations, infos = env.reset(seed=1)
observations, rewards, terminations, truncations, infos = env.step({agent: 4 for agent in env.agents})
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore import envs
from elsinore.config.agents import AgentsConfig, together
from elsinore.experience.autoreset import resets, true_step
from elsinore.experience.bodies import Together, over_bodies
from elsinore.host.adapters.spaces import gymnasium_space, gymnasium_value, plain

try:
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise ImportError("parallel_env needs PettingZoo: pip install 'elsinore[pettingzoo]'.") from error


class Parallel(ParallelEnv):
    """A world with its agents, stepped together. One whose life has ended leaves `agents` until the next reset."""

    metadata = {"render_modes": [], "name": "elsinore"}  # noqa: RUF012
    render_mode = None

    def __init__(self, world: Together, params: PyTree):
        self.possible_agents = [f"agent_{i}" for i in range(world.agents)]
        self.agents: list[str] = []
        self._index = {name: i for i, name in enumerate(self.possible_agents)}
        one = world.params_of(params, 0)
        self.observation_spaces = {a: gymnasium_space(world.env.observation_space(one)) for a in self.possible_agents}
        self.action_spaces = {a: gymnasium_space(world.env.action_space(one)) for a in self.possible_agents}
        self._reset = jax.jit(lambda keys: resets(world, keys, params))
        self._step = jax.jit(over_bodies(world, partial(true_step, world.env), params))
        self._nothing = jnp.zeros_like(world.env.action_space(one).sample(jax.random.key(0)))
        self._random = np.random.default_rng()
        self._states: Any = None

    def observation_space(self, agent: str) -> Any:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        if seed is not None:
            self._random = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        obs, self._states = self._reset(self._keys())
        return self._seen(obs), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> tuple[dict, dict, dict, dict, dict]:
        """One action of every agent that is alive.

        Raises:
            ValueError: where one is missing, or is of an agent that is not there.
        """
        if set(actions) != set(self.agents):
            told, wanted = ", ".join(map(str, actions)) or "none", ", ".join(self.agents) or "none; call reset() first"
            raise ValueError(f"actions are of {told}, and the agents alive are {wanted}.")
        everyone = [jnp.asarray(actions.get(agent, self._nothing)) for agent in self.possible_agents]
        out = self._step(self._keys(), self._states, jnp.stack(everyone).astype(self._nothing.dtype))
        self._states = self._going_on(out.state)
        rewards = {a: float(out.reward[self._index[a]]) for a in self.agents}
        terminations = {a: bool(out.terminated[self._index[a]]) for a in self.agents}
        truncations = {a: bool(out.truncated[self._index[a]]) for a in self.agents}
        infos = {a: plain(jax.tree.map(lambda x, i=self._index[a]: x[i], out.info)) for a in self.agents}
        observations = self._seen(out.obs)
        self.agents = [a for a in self.agents if not (terminations[a] or truncations[a])]
        return observations, rewards, terminations, truncations, infos

    def render(self) -> None:
        return None

    def close(self) -> None:
        return None

    def _going_on(self, states: PyTree) -> PyTree:
        """Those whose life had ended before stay as they were."""
        alive = np.array([agent in self.agents for agent in self.possible_agents])

        def chosen(new, old):
            return jnp.where(alive.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        return jax.tree.map(chosen, states, self._states)

    def _seen(self, obs: PyTree) -> dict[str, Any]:
        obs = jax.device_get(obs)
        own = {agent: jax.tree.map(lambda x, i=self._index[agent]: x[i], obs) for agent in self.agents}
        return {agent: gymnasium_value(seen, self.observation_spaces[agent]) for agent, seen in own.items()}

    def _keys(self) -> jax.Array:
        key = jax.random.key(int(self._random.integers(2**31)))
        return jax.random.split(key, len(self.possible_agents))


def parallel_env(
    env: Any,
    agents: int | AgentsConfig = 2,
    kwargs: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
) -> Parallel:
    """`agents` agents (1 to 100; an `AgentsConfig` also says what differs between them) in one world.

    Raises:
        ValueError: as `elsinore.envs.make` does, or for agents that cannot be.
    """
    config = agents if isinstance(agents, AgentsConfig) else AgentsConfig(number=agents)
    return Parallel(*together(config, *envs.make(env, kwargs, params)))
