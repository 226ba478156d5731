"""A multi-agent elsinore environment with PettingZoo's parallel API.

    env = parallel_env("Hamlet-base6", agents=4)
    observations, infos = env.reset(seed=1)
    actions = {agent: 4 for agent in env.agents}
    observations, rewards, terminations, truncations, infos = env.step(actions)

An agent whose episode has ended leaves `env.agents` until the next reset.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore import envs
from elsinore.arguments import checked
from elsinore.config.agents import AgentsConfig
from elsinore.config.learners import multi_agent_env
from elsinore.envs.scene import Scene
from elsinore.envs.suites import refuse_on_host
from elsinore.envs.views import view_of
from elsinore.experience.autoreset import batched_reset, env_step
from elsinore.experience.multi_agent import MultiAgentEnv, over_agents
from elsinore.integrations.frames import Frames, check_render_mode
from elsinore.integrations.spaces import (
    AS_IT_IS,
    action_of,
    as_numpy,
    gymnasium_space,
    gymnasium_value,
)
from elsinore.runs.replays.player import params_of_each

try:
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise ImportError(
        "parallel_env needs PettingZoo: pip install 'elsinore[pettingzoo]'."
    ) from error


class PettingZooEnv(ParallelEnv):
    """An environment whose agents step together."""

    metadata = {"render_modes": ["rgb_array"], "name": "elsinore"}  # noqa: RUF012

    def __init__(
        self,
        env: MultiAgentEnv,
        params: PyTree,
        names: Sequence[str],
        render_mode: str | None = None,
    ):
        check_render_mode(render_mode)
        refuse_on_host(env.env, AS_IT_IS)
        self.possible_agents = list(names)
        self.agents: list[str] = []
        self._index = {name: i for i, name in enumerate(self.possible_agents)}
        self._env, self._params, one = env, params, env.params_of(params, 0)
        self._view, self.render_mode, self._frames = view_of(env.env), render_mode, Frames()
        self.metadata = {**self.metadata, "render_fps": self._view.steps_per_second}
        self._terminated = np.zeros(len(self.possible_agents), bool)
        self.observation_spaces = {
            a: gymnasium_space(env.env.observation_space(one)) for a in self.possible_agents
        }
        self.action_spaces = {
            a: gymnasium_space(env.env.action_space(one)) for a in self.possible_agents
        }
        self._reset = jax.jit(lambda keys: batched_reset(env, keys, params))
        self._step = jax.jit(over_agents(env, partial(env_step, env.env), params))
        self._no_op = jnp.zeros_like(env.env.action_space(one).sample(jax.random.key(0)))
        self._random = np.random.default_rng()
        self._states: Any = None

    def observation_space(self, agent: str) -> Any:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict, dict]:
        if seed is not None:
            self._random = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self._terminated[:] = False
        obs, self._states = self._reset(self._keys())
        return self._convert(obs), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> tuple[dict, dict, dict, dict, dict]:
        """Step all agents by one action each.

        Raises:
            ValueError: before the first reset; if an agent in `agents` has no action, or an agent
                outside it has one; or if one is no action of the agent's space.
        """
        if self._states is None:
            raise ValueError("step() was called before the first reset(); call reset() first.")
        if set(actions) != set(self.agents):
            given = ", ".join(map(str, actions)) or "none"
            needed = ", ".join(self.agents) or "none; call reset() first"
            raise ValueError(f"actions are of {given}, and the agents alive are {needed}.")
        own = {
            agent: action_of(action, self.action_spaces[agent], f"the action of {agent}")
            for agent, action in actions.items()
        }
        all_actions = [jnp.asarray(own.get(agent, self._no_op)) for agent in self.possible_agents]
        out = self._step(
            self._keys(), self._states, jnp.stack(all_actions).astype(self._no_op.dtype)
        )
        self._states = self._keep_ended(out.state)
        rewards = {a: float(out.reward[self._index[a]]) for a in self.agents}
        terminations = {a: bool(out.terminated[self._index[a]]) for a in self.agents}
        for agent, over in terminations.items():
            self._terminated[self._index[agent]] = over
        truncations = {a: bool(out.truncated[self._index[a]]) for a in self.agents}
        infos = {
            a: as_numpy(jax.tree.map(lambda x, i=self._index[a]: x[i], out.info))
            for a in self.agents
        }
        observations = self._convert(out.obs)
        self.agents = [a for a in self.agents if not (terminations[a] or truncations[a])]
        return observations, rewards, terminations, truncations, infos

    def render(self) -> np.ndarray | None:
        """All agents, or where an environment shows one, the first of those whose episode has not
        ended: uint8 [height, width, 3]. None without `render_mode="rgb_array"`.

        Raises:
            ValueError: before the first reset.
        """
        reset = self._states is not None
        return self._frames.draw(self.render_mode, self._scene if reset else None)

    def _scene(self) -> Scene:
        env, states = self._env.env, jax.device_get(self._states)
        params = params_of_each(self._env, self._params)
        shown = self._index[self.agents[0]] if self.agents else 0
        if self._view.joint_scene is not None:
            return self._view.joint_scene(env, params, states, shown, self._terminated)
        params, state = jax.tree.map(lambda x: x[shown], (params, states))
        return self._view.scene(env, params, state)

    def close(self) -> None:
        return None

    def _keep_ended(self, states: PyTree) -> PyTree:
        """The new states, but the old ones of agents whose episode had ended."""
        alive = np.array([agent in self.agents for agent in self.possible_agents])

        def chosen(new, old):
            return jnp.where(alive.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        return jax.tree.map(chosen, states, self._states)

    def _convert(self, obs: PyTree) -> dict[str, Any]:
        obs = jax.device_get(obs)
        own = {
            agent: jax.tree.map(lambda x, i=self._index[agent]: x[i], obs) for agent in self.agents
        }
        return {
            agent: gymnasium_value(seen, self.observation_spaces[agent])
            for agent, seen in own.items()
        }

    def _keys(self) -> jax.Array:
        key = jax.random.key(int(self._random.integers(2**31)))
        return jax.random.split(key, len(self.possible_agents))


@checked
def parallel_env(
    env: Any,
    agents: int | AgentsConfig = 2,
    kwargs: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    render_mode: str | None = None,
) -> PettingZooEnv:
    """A PettingZoo environment of `agents` agents (1 to 100, or an `AgentsConfig` with differences,
    such as names). With `render_mode="rgb_array"`, `render` draws the present state.

    Raises:
        ValueError: as `elsinore.envs.make`, or for an invalid number of agents or another render
            mode.
    """
    config = agents if isinstance(agents, AgentsConfig) else AgentsConfig(number=agents)
    made, env_params = multi_agent_env(config, *envs.make(env, kwargs, params))
    return PettingZooEnv(made, env_params, config.names, render_mode)
