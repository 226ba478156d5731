"""JaxMARL (Rutherford 2024, arXiv:2311.10090): `jaxmarl/MPE_simple_spread_v3` and others whose
agents are alike.

Every agent is a row with its own observation and reward, and all rows of an env hold one and the
same world, which is stepped once for all of them. JaxMARL ends an episode at its time limit as if
by death; here its limit is lifted, and `max_steps_in_episode` truncates instead.
"""

from typing import Any

import jax
import jax.numpy as jnp
import jaxmarl  # pyright: ignore[reportMissingImports]
from gymnax.environments import spaces
from jaxmarl.environments import MultiAgentEnv  # pyright: ignore[reportMissingImports]
from jaxtyping import Array, Bool, Key, PyTree

from elsinore.envs.suites.adapter import FOREVER, SuiteEnv, SuiteState, never_empty
from elsinore.errors import ConfigError
from elsinore.jaxtools.agents import gather_agents

# The ids that were tried: their agents have one observation space and one action space.
ALIKE = ("HeuristicEnemySMAX", "MPE_simple_spread_v3", "overcooked", "overcooked_v2")


class JaxMARL(SuiteEnv):
    """An environment of several agents that are alike; `agents.number` must be theirs.

    An episode ends for all agents together. Without other agents, as where its shapes are read, it
    has all agents do what the single one does.
    """

    @staticmethod
    def ids() -> tuple[str, ...]:
        return ALIKE

    @classmethod
    def make(cls, env_id: str, **kwargs: Any) -> "JaxMARL":
        return cls(jaxmarl.make(env_id, **kwargs), f"jaxmarl/{env_id}")

    @classmethod
    def of(cls, native: Any) -> "JaxMARL":
        while not isinstance(native, MultiAgentEnv) and hasattr(native, "_env"):  # of a wrapper
            native = native._env
        return cls(native, cls.named("jaxmarl", native))

    def __init__(self, native: Any, name: str):
        _refuse_inner_episodes(native, name)
        super().__init__(without_limit(native), name, _limit_of(native))
        self.names = tuple(native.agents)
        self.fixed_agents = len(self.names)
        fresh = jax.eval_shape(native.reset, jax.random.PRNGKey(0))
        self._refuse_unlike(fresh[0])
        self.masked = _has_masks(native, fresh[1])

    def _refuse_unlike(self, obs: dict[str, Any]) -> None:
        seen = {agent: (obs[agent].shape, obs[agent].dtype) for agent in self.names}
        acts = {agent: _kind(self.native.action_space(agent)) for agent in self.names}
        first = self.names[0]
        for agent in self.names:
            if seen[agent] != seen[first] or acts[agent] != acts[first]:
                raise ConfigError(
                    f"env={self.name!r} has agents that differ: {first} sees {seen[first]} and acts"
                    f" by {acts[first]}, {agent} sees {seen[agent]} and acts by {acts[agent]}."
                    " Adapted are environments whose agents are alike."
                )

    def action_space(self, params: Any) -> spaces.Space:
        space = self.native.action_space(self.names[0])
        if hasattr(space, "n"):
            return spaces.Discrete(int(space.n))
        return spaces.Box(space.low, space.high, space.shape, jnp.float32)

    def _seen(self, obs: dict[str, Array], world: PyTree) -> PyTree:
        """The observations of all agents, [agent, ...]."""
        everyone = jnp.stack([obs[agent] for agent in self.names])
        if not self.masked:
            return everyone
        legal = self.native.get_avail_actions(world)
        mask = never_empty(jnp.stack([legal[agent] for agent in self.names]))
        return {"seen": everyone, "action_mask": mask}

    def begin(self, key):
        obs, world = self.native.reset(key)
        return self._seen(obs, world), world

    def advance(self, key, world, action):
        """As of any suite, with observations, actions and rewards [agent, ...]."""
        actions = {agent: action[i] for i, agent in enumerate(self.names)}
        obs, world, reward, done, info = self.native.step_env(key, world, actions)
        rewards = jnp.stack([jnp.float32(reward[agent]) for agent in self.names])
        own = {
            name: jnp.stack([jnp.asarray(of_each[agent]) for agent in self.names])
            for name, of_each in info.items()
            if isinstance(of_each, dict) and set(self.names) <= set(of_each)
        }
        return self._seen(obs, world), world, rewards, done["__all__"], own

    def reset_env(self, key: Key[Array, ""], params: PyTree) -> tuple[PyTree, SuiteState]:
        keys, me = gather_agents(jax.random.key_data(key))
        obs, world = self._begin(keys[0])
        return _mine(obs, me), SuiteState(time=jnp.int32(0), world=world)

    def step_env(
        self, key: Key[Array, ""], state: SuiteState, action: Array, params: PyTree
    ) -> tuple[PyTree, SuiteState, Array, Array, dict[str, Any]]:
        own = jax.random.key_data(key), state.world, action
        (keys, worlds, actions), me = gather_agents(own)
        actions = jnp.broadcast_to(actions, (self.fixed_agents, *actions.shape[1:]))
        world = jax.tree.map(lambda x: x[0], worlds)
        obs, world, reward, over, info = self._advance(keys[0], world, actions)
        obs, reward, info = _mine((obs, reward, info), me)
        state = SuiteState(time=state.time + 1, world=world)
        return obs, state, reward, jnp.bool_(over), info

    def is_truncated(self, state: SuiteState, params: PyTree) -> Bool[Array, ""]:
        """By the limit of the first agent, where those of the agents differ."""
        limits, _ = gather_agents(jnp.asarray(params.max_steps_in_episode))
        return state.time >= limits[0]


def _refuse_inner_episodes(native: Any, name: str) -> None:
    if hasattr(native, "num_outer_steps"):  # which is in the program of its steps
        steps = native.num_inner_steps * native.num_outer_steps
        raise ConfigError(
            f"env={name!r} ends after num_inner_steps x num_outer_steps = {steps} steps as if by"
            " death, and that clock cannot be lifted. Adapted are environments without episodes"
            " inside an episode."
        )


def _limit_of(native: Any) -> int:
    """The time limit of a JaxMARL environment, in its steps."""
    if hasattr(native, "episode_length"):  # MABrax, which counts steps of its physics
        return -(-native.episode_length // native.action_repeat)
    return getattr(native, "max_steps", 1000)


def without_limit(native: Any) -> Any:
    """A copy of a JaxMARL environment, and of one inside it, that has no time limit and no
    reset of its own."""
    copied = object.__new__(type(native))  # `copy` asks it for attributes that it has not yet
    copied.__dict__.update(native.__dict__)
    if "max_steps" in copied.__dict__:
        copied.max_steps = FOREVER
    if "_env" in copied.__dict__:
        copied._env = without_limit(native._env)
    if "episode_length" in copied.__dict__:
        from brax.envs.wrappers.training import EpisodeWrapper

        copied.env = EpisodeWrapper(native.env.unwrapped, FOREVER, native.action_repeat)
    return copied


def _mine(of_all: PyTree, me: Array) -> PyTree:
    return jax.tree.map(lambda x: x[me], of_all)


def _kind(space: Any) -> str:
    """An action space, as text."""
    size = getattr(space, "n", getattr(space, "shape", ()))
    return f"{type(space).__name__}({size})"


def _has_masks(native: Any, world: PyTree) -> bool:
    try:
        jax.eval_shape(native.get_avail_actions, world)
    except NotImplementedError:  # which JaxMARL's base class raises for envs without masks
        return False
    return True
