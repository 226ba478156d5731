"""Environments that each fail one check, and one that passes them all.

`Wall` is sound: a sentry walks a short wall, and falls off its right end. Each class below changes
one thing.
"""

import dataclasses
import itertools
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState

from elsinore.jaxtools.agents import gather_agents

LENGTH = 5


@struct.dataclass
class Params(EnvParams):
    max_steps_in_episode: int = 20


@struct.dataclass
class State(EnvState):
    position: Any
    extra: Any = 0


class Wall(Environment):
    """Passes every check."""

    @property
    def default_params(self):
        return Params()

    def reset_env(self, key, params):
        state = State(time=0, position=jax.random.randint(key, (), 0, LENGTH))
        return self.look(state), state

    def step_env(self, key, state, action, params):
        position = jnp.maximum(state.position + action - 1, 0)
        state = state.replace(time=state.time + 1, position=position)
        return self.look(state), state, jnp.float32(1.0), position > LENGTH, {}

    def look(self, state):
        return jnp.stack([state.position, state.time]).astype(jnp.float32)

    def action_space(self, params):
        return spaces.Discrete(3)

    def observation_space(self, params):
        return spaces.Box(0.0, 20.0, (2,))


class Masked(Wall):
    """Sound too: it looks through a dict, whose mask forbids to stay where one is."""

    legal = (True, False, True)

    def look(self, state):
        return {"seen": super().look(state), "action_mask": jnp.array(self.legal)}

    def observation_space(self, params):
        mask = spaces.Box(0, 1, (3,), bool)
        return spaces.Dict({"seen": super().observation_space(params), "action_mask": mask})


class Pair(Masked):
    """Sound too: two sentries, each on a wall of its own, who know their numbers."""

    fixed_agents = 2

    @property
    def legal(self):
        return jnp.array([True, False, True])

    def of_second(self, x, wrong):
        """`x` of the first sentry, `wrong` of the second."""
        return jnp.where(gather_agents(0)[1] == 1, wrong, x)


class SecondIdle(Pair):
    """The second agent has no legal action."""

    @property
    def legal(self):
        return self.of_second(super().legal, False)


class SecondUnseen(Pair):
    """The second agent sees no number."""

    def look(self, state):
        obs = super().look(state)
        return obs | {"seen": self.of_second(obs["seen"], jnp.nan)}


class SecondUnpaid(Pair):
    """The second agent has no finite reward."""

    def step_env(self, key, state, action, params):
        obs, state, reward, *ends = super().step_env(key, state, action, params)
        return obs, state, self.of_second(reward, jnp.inf), *ends


class SecondFar(Pair):
    """The second agent sees beyond the declared bounds."""

    def look(self, state):
        obs = super().look(state)
        return obs | {"seen": self.of_second(obs["seen"], 99.0)}


class Pushed(Wall):
    """Sound too: it goes left or right by a force without bounds, and is paid less for a strong
    one."""

    def step_env(self, key, state, action, params):
        obs, state, reward, *ends = super().step_env(
            key, state, jnp.where(action[0] > 0.0, 2, 0), params
        )
        return obs, state, reward - 0.001 * jnp.abs(action[0]), *ends

    def action_space(self, params):
        return spaces.Box(-jnp.inf, jnp.inf, (1,))


class Endless(Wall):
    """Sound but for one thing that its author may want: there is no limit to an episode, nor an
    end."""

    @property
    def default_params(self):
        return NoLimit()

    def is_truncated(self, state, params):
        return jnp.bool_(False)

    def step_env(self, key, state, action, params):
        obs, state, reward, _, info = super().step_env(key, state, action, params)
        state = state.replace(position=state.position % LENGTH, time=state.time % LENGTH)
        return self.look(state), state, reward, jnp.bool_(False), info


@struct.dataclass
class NoLimit:
    chill: float = 0.1


# interface


class OldGymnax:
    """Before gymnax 1.0 there was no is_truncated."""

    default_params = Params()
    reset_env, step_env, look = Wall.reset_env, Wall.step_env, Wall.look
    action_space, observation_space = Wall.action_space, Wall.observation_space


class OldDone(Wall):
    """Its step_env returns done, as before gymnax 1.0: the end of the env or of the time."""

    def step_env(self, key, state, action, params):
        obs, state, reward, terminated, info = super().step_env(key, state, action, params)
        return obs, state, reward, terminated | self.is_truncated(state, params), info


class SixValues(Wall):
    def step_env(self, key, state, action, params):
        obs, state, reward, terminated, info = super().step_env(key, state, action, params)
        return obs, state, reward, terminated, self.is_truncated(state, params), info


class Unpaid(Wall):
    def step_env(self, key, state, action, params):
        obs, state, _, terminated, info = super().step_env(key, state, action, params)
        return obs, state, None, terminated, info


class NoActions(Wall):
    def action_space(self, params):
        raise NotImplementedError


class FailingStep(Wall):
    def step_env(self, key, state, action, params):
        raise KeyError("brazier")


# pure


class Counting(Wall):
    """The reward depends on the number of calls."""

    def __init__(self):
        self.calls = itertools.count()

    def step_env(self, key, state, action, params):
        obs, state, _, terminated, info = super().step_env(key, state, action, params)
        return obs, state, jnp.float32(next(self.calls)), terminated, info


class Remembering(Wall):
    """It counts calls, and keeps the actions: nothing depends on either."""

    def __init__(self):
        self.calls, self.actions = 0, []

    def step_env(self, key, state, action, params):
        self.calls += 1
        self.actions.append(action)
        return super().step_env(key, state, action, params)


class Caching(Wall):
    """It computes a table at its first step, and keeps it."""

    @cached_property
    def table(self):
        return jnp.arange(3)

    def step_env(self, key, state, action, params):
        obs, state, reward, terminated, info = super().step_env(key, state, action, params)
        return obs, state, reward + 0.0 * self.table[0], terminated, info


class NumpyChance(Wall):
    def reset_env(self, key, params):
        obs, state = super().reset_env(key, params)
        return obs, state.replace(extra=jnp.float32(np.random.default_rng().random()))


class Overwriting(Wall):
    """Its state is a dict that a step writes into."""

    def reset_env(self, key, params):
        state = {"time": 0, "position": jax.random.randint(key, (), 0, LENGTH)}
        return self.look(State(**state)), state

    def step_env(self, key, state, action, params):
        obs, new, reward, terminated, info = super().step_env(key, State(**state), action, params)
        state.update(time=new.time, position=new.position)
        return obs, state, reward, terminated, info

    def is_truncated(self, state, params):
        return state["time"] >= params.max_steps_in_episode


class Printing(Wall):
    def step_env(self, key, state, action, params):
        jax.debug.print("")
        return super().step_env(key, state, action, params)


class CallingBack(Wall):
    def look(self, state):
        like = jax.ShapeDtypeStruct((2,), jnp.float32)
        return jax.pure_callback(
            lambda seen: seen, like, super().look(state), vmap_method="sequential"
        )


# jit


class PythonIf(Wall):
    def step_env(self, key, state, action, params):
        if state.position > 2:
            action = action * 0
        return super().step_env(key, state, action, params)


class OtherWhenTraced(Wall):
    def step_env(self, key, state, action, params):
        obs, state, reward, terminated, info = super().step_env(key, state, action, params)
        return obs, state, reward + isinstance(state.time, jax.core.Tracer), terminated, info


# stable


class GrowingState(Wall):
    def step_env(self, key, state, action, params):
        obs, state, reward, terminated, info = super().step_env(key, state, action, params)
        return obs, state.replace(extra=jnp.zeros(3)), reward, terminated, info


class ForgetfulState(Wall):
    def step_env(self, key, state, action, params):
        obs, state, reward, terminated, info = super().step_env(key, state, action, params)
        return obs, state.replace(extra=None), reward, terminated, info


# flags


class LongFlag(Wall):
    def step_env(self, key, state, action, params):
        obs, state, reward, terminated, info = super().step_env(key, state, action, params)
        return obs, state, reward, terminated[None], info


class NumberFlag(Wall):
    def is_truncated(self, state, params):
        return jnp.float32(super().is_truncated(state, params))


# vmap


@jax.custom_batching.custom_vmap
def one_more(x):
    return x + 1


@one_more.def_vmap
def _two_more(axis_size, in_batched, x):
    return x + 2, True


class OtherInABatch(Wall):
    def step_env(self, key, state, action, params):
        obs, state, _, terminated, info = super().step_env(key, state, action, params)
        return obs, state, one_more(state.position).astype(jnp.float32), terminated, info


# float32


class HalfPrecision(Wall):
    def look(self, state):
        return super().look(state).astype(jnp.float16)


class NotANumber(Wall):
    """Only at the right end, which the first step does not reach."""

    def look(self, state):
        return jnp.where(state.position > LENGTH, jnp.nan, super().look(state))


class RewardOfOne(Wall):
    def step_env(self, key, state, action, params):
        obs, state, reward, terminated, info = super().step_env(key, state, action, params)
        return obs, state, reward[None], terminated, info


class InfiniteReward(Wall):
    def step_env(self, key, state, action, params):
        obs, state, reward, terminated, info = super().step_env(key, state, action, params)
        return obs, state, reward / ~terminated, terminated, info


# spaces


class OtherShape(Wall):
    def observation_space(self, params):
        return spaces.Box(0.0, 20.0, (3,))


class MissingPart(Masked):
    def observation_space(self, params):
        return {"seen": Wall.observation_space(self, params)}


class NumberMask(Masked):
    legal = (1, 0, 1)


class NothingLegal(Masked):
    legal = (False, False, False)


class OutOfBounds(Wall):
    def observation_space(self, params):
        return spaces.Box(0.0, jnp.array([3.0, 20.0]), (2,))


class OtherKind(Wall):
    def observation_space(self, params):
        return spaces.Box(0, 20, (2,), jnp.int32)


# resets


class OneBeginning(Wall):
    def reset_env(self, key, params):
        return super().reset_env(jax.random.key(0), params)


# varies


class AlwaysTheSame(Wall):
    def look(self, state):
        return jnp.ones(2)


# ends


class StoppedClock(Wall):
    def step_env(self, key, state, action, params):
        obs, state, reward, _, info = super().step_env(key, state, action, params)
        state = state.replace(time=0 * state.time, position=state.position % LENGTH)
        return self.look(state), state, reward, jnp.bool_(False), info


class FallsBeforeTheLimit(Wall):
    """Counts no steps, and random actions end each episode by the second one."""

    def step_env(self, key, state, action, params):
        _, after, reward, _, info = super().step_env(key, state, action, params)
        fallen = state.position < 0
        after = after.replace(time=0, position=jnp.int32(-1))
        return self.look(after), after, reward, fallen, info

    def observation_space(self, params):
        return spaces.Box(-1.0, 20.0, (2,))


@dataclasses.dataclass(frozen=True)
class OfPython:
    """Params or a state that jax does not know."""

    time: Any = 0
    position: Any = 0
    max_steps_in_episode: int = 20


class PythonParams(Wall):
    @property
    def default_params(self):
        return OfPython()


class PythonState(Wall):
    def reset_env(self, key, params):
        obs, state = super().reset_env(key, params)
        return obs, OfPython(state.time, state.position)

    def step_env(self, key, state, action, params):
        state = State(time=state.time, position=state.position)
        obs, state, *rest = super().step_env(key, state, action, params)
        return obs, OfPython(state.time, state.position), *rest


@struct.dataclass
class Moody(Params):
    mood: str = "grim"


class TextParam(Wall):
    @property
    def default_params(self):
        return Moody()
