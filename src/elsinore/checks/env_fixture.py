"""An environment under test, with the values that several checks share, each made once."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree

from elsinore.checks.tree_differences import is_tuple
from elsinore.envs.random_action import random_action
from elsinore.envs.time_limit import LIMIT, time_limits
from elsinore.envs.wrapped import is_wrapper
from elsinore.experience.autoreset import autoreset_step, reset
from elsinore.jaxtools.agents import AGENTS
from elsinore.nets.heads import choices, head_for, mask_shape

NUM_ENVS = 8  # in a batch
LONGEST_WALK = 20_000  # steps; a longer episode is not waited for


class Walk(NamedTuple):
    """Records of a walk of random legal actions, through as many episodes as fit."""

    lowest: PyTree  # of each number of the observation, over the whole walk
    highest: PyTree
    finite: PyTree  # one [time] for each leaf of the observation
    legal: Bool[Array, "time"]  # at least one action was legal
    reward: Float[Array, "time ..."]
    terminated: Bool[Array, "time"]
    truncated: Bool[Array, "time"]


class EnvFixture:
    """An env, with the values that several checks share, each made at its first use."""

    def __init__(self, env: Any, params: PyTree | None, seed: int, num_steps: int, agents: int = 1):
        self.env, self.agents = env, getattr(env, "fixed_agents", agents)
        self.key = jax.random.key(seed)
        self._params, self._seed, self._num_steps = params, seed, num_steps

    @cached_property
    def params(self) -> PyTree:
        return self.env.default_params if self._params is None else self._params

    @cached_property
    def fresh(self) -> tuple[PyTree, PyTree]:
        return self.env.reset_env(self.key, self.params)

    @cached_property
    def action(self) -> Array:
        return random_action(self.env.action_space(self.params), self.key)

    @cached_property
    def stepped(self) -> tuple:
        return self.env.step_env(self.key, self.fresh[1], self.action, self.params)

    def calls(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """Each required method, by name, with a call of it."""
        yield "default_params", lambda: self.params
        yield "reset_env", lambda: self.fresh
        yield "action_space", lambda: self.action
        yield "observation_space", lambda: self.env.observation_space(self.params)
        if is_tuple(self.fresh, 2):
            yield "step_env", lambda: self.stepped
            yield "is_truncated", lambda: self.env.is_truncated(self.fresh[1], self.params)

    @cached_property
    def compiled_step(self) -> Callable[..., tuple]:
        return jax.jit(self.env.step_env)

    @cached_property
    def batch(self) -> tuple[PyTree, PyTree]:
        """Observations and states of a batch of resets."""
        keys = jax.random.split(self.key, NUM_ENVS)
        return jax.jit(jax.vmap(partial(reset, self.env), (0, None)))(keys, self.params)

    @cached_property
    def first_inputs(self) -> list[tuple]:
        """The arguments of the first three steps of an episode of random actions."""
        inputs = []
        state = jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), self.fresh[1])
        for key in jax.random.split(self.key, 3):
            action = random_action(self.env.action_space(self.params), key)
            inputs.append((key, state, action, self.params))
            state = self.env.step_env(*inputs[-1])[1]
        return inputs

    @cached_property
    def max_steps(self) -> int | None:
        steps = time_limits(self.params)
        return None if steps is None else int(np.max(steps))

    @cached_property
    def walks(self) -> dict[str, Walk]:
        """The walk of each agent, by words that name the agent where an env has several."""
        length = max(self._num_steps, min(self.max_steps or 0, LONGEST_WALK))
        walk = partial(random_walk, self.env, length)
        agents = self.agents
        if agents == 1:
            return {"": jax.device_get(jax.jit(walk)(self.key, self.params))}
        together = jax.jit(jax.vmap(walk, (0, None), axis_name=AGENTS))
        walks = jax.device_get(together(jax.random.split(self.key, agents), self.params))
        return {f" (of agent {i})": jax.tree.map(lambda x, i=i: x[i], walks) for i in range(agents)}

    def lossy_dtypes(self) -> Iterator[str]:
        """Each wrapper `obs_dtype`'s dtype that changes a number in a random walk."""
        env = self.env
        while is_wrapper(env):
            from elsinore.envs.wrappers.observations import LostNumbers, ObsDtype

            if isinstance(env, ObsDtype):
                watched = LostNumbers(env.env, env.dtype.name)
                walks = EnvFixture(watched, None, self._seed, self._num_steps, self.agents).walks
                if any(walk.highest["lost"] for walk in walks.values()):
                    yield env.dtype.name
            env = env.env

    def ends_with_the_clock(self) -> bool:
        """True if a first step terminates only when max_steps_in_episode is 1."""
        limited = self._with_limit_of_one_step()
        return limited is not None and bool(np.all(limited[3]))

    def outlives_the_limit(self) -> bool:
        """True if an episode that goes past a max_steps_in_episode of 1 is not truncated."""
        limited = self._with_limit_of_one_step()
        drawn = hasattr(self.params, f"{LIMIT}_range")  # for each episode, and kept in its state
        if limited is None or drawn or np.any(limited[3]):
            return False
        return not np.any(self.env.is_truncated(limited[1], self._one_step))

    @cached_property
    def _one_step(self) -> PyTree:
        return dataclasses.replace(self.params, **{LIMIT: 1})

    def _with_limit_of_one_step(self) -> tuple | None:
        """A first step under that limit; None where the env takes no such limit, or where the
        step terminates without it, too."""
        if (
            self.max_steps is None
            or not dataclasses.is_dataclass(self.params)
            or np.any(self.stepped[3])
        ):
            return None
        try:
            return self.env.step_env(self.key, self.fresh[1], self.action, self._one_step)
        except Exception:  # shapes may depend on the limit
            return None


def random_walk(env: Any, length: int, key: Key[Array, ""], params: PyTree) -> Walk:
    """Take `length` random legal steps in one scan, keeping only the extremes of observations."""
    actions = env.action_space(params)

    def step(carry, keys):
        state, obs, lowest, highest = carry
        act_key, step_key, reset_key = keys
        action, legal = random_legal_action(act_key, actions, obs)
        out = autoreset_step(env, step_key, reset_key, state, action, params)
        finite = jax.tree.map(lambda *seen: jnp.isfinite(jnp.stack(seen)).all(), obs, out.final_obs)
        for seen in (out.final_obs, out.obs):
            lowest = jax.tree.map(lambda x, low: jnp.where(x < low, x, low), seen, lowest)
            highest = jax.tree.map(lambda x, high: jnp.where(x > high, x, high), seen, highest)
        seen = (finite, legal, out.reward, out.terminated, out.truncated)
        return (out.state, out.obs, lowest, highest), seen

    obs, state = reset(env, key, params)
    (_, _, lowest, highest), seen = jax.lax.scan(
        step, (state, obs, obs, obs), jax.random.split(key, (length, 3))
    )
    return Walk(lowest, highest, *seen)


def random_legal_action(
    key: Key[Array, ""], space: Any, obs: PyTree
) -> tuple[Array, Bool[Array, ""]]:
    """A random legal action, and whether every choice of the space had one."""
    mask = obs.get("action_mask") if isinstance(obs, Mapping) else None
    if mask is None or mask.shape != mask_shape(space):
        return random_action(space, key), jnp.bool_(True)
    head = head_for(space)
    action = head.distribution(jnp.zeros(head.num_outputs), obs).sample(head.noise(key, ()))
    ends = np.cumsum(choices(space))
    legal = [part.any() for part in jnp.split(mask.astype(bool), ends[:-1])]
    return action.astype(space.dtype), jnp.stack(legal).all()
