"""Envs so small that what should happen in them is known."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState

from elsinore.envs.spaces import MultiDiscrete


@struct.dataclass
class Clocked(EnvParams):
    max_steps_in_episode: int = 1_000


@dataclass(frozen=True)
class World(Environment):
    """Two actions and a time limit, unless an env says otherwise."""

    @property
    def default_params(self) -> Clocked:
        return Clocked()

    def action_space(self, params) -> Any:
        return spaces.Discrete(2)


@struct.dataclass
class Life(EnvState):
    name: jax.Array  # drawn at birth, kept for life: which episode this is
    warmth: Any  # a Python float at birth, as gymnax envs often have


@dataclass(frozen=True)
class Scripted(World):
    """The action decides: action 1 dies, action 0 lives on. The n-th step of an episode pays n.

    It begins with Python numbers (`time=0`, `warmth=1.0`) and shows [name, time].
    """

    def reset_env(self, key, params):
        state = Life(time=0, name=jax.random.uniform(key), warmth=1.0)
        return self.observe(key, state, None, params), state

    def step_env(self, key, state, action, params):
        state = state.replace(time=state.time + 1, warmth=state.warmth * 0.5)
        return (
            self.observe(key, state, action, params),
            state,
            jnp.float32(state.time),
            action == 1,
            {},
        )

    def observe(self, key, state, action, params):
        return jnp.stack([state.name, jnp.float32(state.time)])


@dataclass(frozen=True)
class Corridor(World):
    """Cells in a row, begun at the left: action 1 goes right, 0 left; the right end pays 1 and ends
    it."""

    length: int = 5

    def reset_env(self, key, params):
        return jax.nn.one_hot(0, self.length), Cell(time=jnp.int32(0), cell=jnp.int32(0))

    def step_env(self, key, state, action, params):
        cell = jnp.clip(state.cell + 2 * action - 1, 0, self.length - 1)
        arrived = cell == self.length - 1
        state = Cell(time=state.time + 1, cell=cell)
        return jax.nn.one_hot(cell, self.length), state, arrived.astype(jnp.float32), arrived, {}


@struct.dataclass
class Cell(EnvState):
    cell: jax.Array


@dataclass(frozen=True)
class Wait(World):
    """Nothing can be done: a reward of 1 at the last of `length` steps. Worth gamma^(length - 1) at
    first."""

    length: int = 1

    def reset_env(self, key, params):
        return jax.nn.one_hot(0, self.length), EnvState(time=jnp.int32(0))

    def step_env(self, key, state, action, params):
        time = state.time + 1
        over = time == self.length
        return (
            jax.nn.one_hot(time, self.length),
            EnvState(time=time),
            over.astype(jnp.float32),
            over,
            {},
        )


@dataclass(frozen=True)
class Forever(World):
    """A reward of 1 a step in an env without end, which always looks the same: worth 1 / (1 -
    gamma)."""

    def reset_env(self, key, params):
        return jnp.ones(1), EnvState(time=jnp.int32(0))

    def step_env(self, key, state, action, params):
        return jnp.ones(1), EnvState(time=state.time + 1), jnp.float32(1.0), jnp.bool_(False), {}


@dataclass(frozen=True)
class Seesaw(World):
    """Up, down, up, down for ever, begun either way; a step from up pays 1: 1 / (1 - gamma^2), and
    gamma times that."""

    def reset_env(self, key, params):
        up = jax.random.randint(key, (), 0, 2)
        return jax.nn.one_hot(up, 2), Cell(time=jnp.int32(0), cell=up)

    def step_env(self, key, state, action, params):
        state = Cell(time=state.time + 1, cell=1 - state.cell)
        return jax.nn.one_hot(state.cell, 2), state, 1.0 - state.cell, jnp.bool_(False), {}


@struct.dataclass
class Arms(EnvState):
    legal: jax.Array


@dataclass(frozen=True)
class MaskedBandit(World):
    """One choice of four arms that pay 0, 1, 2 and 3; a random half or so are illegal, and cost
    1,000."""

    def action_space(self, params):
        return spaces.Discrete(4)

    def reset_env(self, key, params):
        legal = (
            jax.random.bernoulli(key, 0.5, (4,))
            .at[jax.random.randint(jax.random.fold_in(key, 1), (), 0, 4)]
            .set(True)
        )
        return self.sight(legal), Arms(time=jnp.int32(0), legal=legal)

    def step_env(self, key, state, action, params):
        reward = jnp.where(state.legal[action], action.astype(jnp.float32), -1_000.0)
        return (
            self.sight(state.legal),
            state.replace(time=state.time + 1),
            reward,
            jnp.bool_(True),
            {},
        )

    def sight(self, legal):
        return {"bias": jnp.ones(1), "action_mask": legal}


@dataclass(frozen=True)
class Dart(World):
    """One throw at 0.5 on a board from -1 to 1: it costs the squared distance, and 1,000 off the
    board."""

    def action_space(self, params):
        return spaces.Box(-1.0, 1.0, (1,))

    def reset_env(self, key, params):
        return jnp.ones(1), EnvState(time=jnp.int32(0))

    def step_env(self, key, state, action, params):
        reward = jnp.where(jnp.abs(action[0]) <= 1.0, -jnp.square(action[0] - 0.5), -1_000.0)
        return jnp.ones(1), EnvState(time=state.time + 1), reward, jnp.bool_(True), {}


@dataclass(frozen=True)
class Steered(World):
    """An env of two actions behind one number from -3 to 1: above the middle it is action 1."""

    world: World

    def action_space(self, params):
        return spaces.Box(-3.0, 1.0, (1,))

    def reset_env(self, key, params):
        return self.world.reset_env(key, params)

    def step_env(self, key, state, action, params):
        return self.world.step_env(key, state, jnp.int32(action[0] > -1.0), params)


@dataclass(frozen=True)
class Honest(World):
    """Two numbers, within bounds of which none is the other's, are paid as they are: the first and
    ten times the second."""

    def action_space(self, params):
        return spaces.Box(jnp.array([-2.0, 0.25]), jnp.array([6.0, 0.5]), (2,))

    def reset_env(self, key, params):
        return jnp.ones(1), EnvState(time=jnp.int32(0))

    def step_env(self, key, state, action, params):
        reward = action[0] + 10.0 * action[1]
        return jnp.ones(1), EnvState(time=state.time + 1), reward, jnp.bool_(False), {}


@struct.dataclass
class Heard(EnvState):
    cue: jax.Array


@dataclass(frozen=True)
class Echo(World):
    """A word of two is said once, then it is silent; the last of `length` actions is to repeat it,
    which pays 1.

    Who does not remember is right half of the time.
    """

    length: int = 3

    def reset_env(self, key, params):
        state = Heard(time=jnp.int32(0), cue=jax.random.randint(key, (), 0, 2))
        return self.sight(state), state

    def step_env(self, key, state, action, params):
        state = state.replace(time=state.time + 1)
        over = state.time == self.length
        return (
            self.sight(state),
            state,
            (over & (action == state.cue)).astype(jnp.float32),
            over,
            {},
        )

    def sight(self, state):
        said = jax.nn.one_hot(state.cue, 2) * (state.time == 0)
        return jnp.append(said, (state.time == self.length - 1).astype(jnp.float32))


@dataclass(frozen=True)
class MaskedEcho(Echo):
    """The same with a third word, which pays 1 but may only be said first: later it is illegal, and
    costs 1,000."""

    def action_space(self, params):
        return spaces.Discrete(3)

    def step_env(self, key, state, action, params):
        illegal = (action == 2) & (state.time > 0)
        obs, state, reward, over, info = super().step_env(key, state, action, params)
        return obs, state, jnp.where(illegal, -1_000.0, reward), over, info

    def sight(self, state):
        return {
            "heard": super().sight(state),
            "action_mask": jnp.array([True, True, False]).at[2].set(state.time == 0),
        }


@dataclass(frozen=True)
class Gate(World):
    """Two steps, each pays 1. At the first both actions are legal; at the second action 1 is not,
    and costs 1,000."""

    def reset_env(self, key, params):
        state = Cell(time=jnp.int32(0), cell=jnp.int32(0))
        return self.sight(state.cell), state

    def step_env(self, key, state, action, params):
        reward = jnp.where((state.cell == 1) & (action == 1), -1_000.0, 1.0)
        over = state.cell == 1
        state = Cell(time=state.time + 1, cell=1 - state.cell)
        return self.sight(state.cell), state, reward, over, {}

    def sight(self, cell):
        return {
            "step": jax.nn.one_hot(cell, 2),
            "action_mask": jnp.stack([jnp.bool_(True), cell == 0]),
        }


@dataclass(frozen=True)
class Dials(World):
    """One turn of three dials with 3, 2 and 4 settings: each pays 1 at its last legal one, and
    1,000 is lost where one is set to what this episode forbids.
    """

    sizes: tuple[int, ...] = (3, 2, 4)

    def action_space(self, params):
        return MultiDiscrete(self.sizes)

    def observation_space(self, params):
        count = sum(self.sizes)
        mask = spaces.Box(0, 1, (count,), jnp.bool_)
        return spaces.Dict({"action_mask": mask, "legal": spaces.Box(0.0, 1.0, (count,))})

    def reset_env(self, key, params):
        some = jax.random.bernoulli(key, 0.5, (sum(self.sizes),))
        first = jnp.concatenate([jnp.arange(size) == 0 for size in self.sizes])  # always legal
        state = Arms(time=jnp.int32(0), legal=some | first)
        return self.sight(state.legal), state

    def step_env(self, key, state, action, params):
        masks = jnp.split(state.legal, [3, 5])
        legal = jnp.stack([mask[a] for mask, a in zip(masks, action, strict=True)])
        best = jnp.stack([jnp.max(jnp.where(mask, jnp.arange(mask.size), 0)) for mask in masks])
        reward = jnp.where(legal.all(), jnp.sum(action == best, dtype=jnp.float32), -1_000.0)
        return (
            self.sight(state.legal),
            state.replace(time=state.time + 1),
            reward,
            jnp.bool_(True),
            {},
        )

    def sight(self, legal):
        return {"legal": legal.astype(jnp.float32), "action_mask": legal}


@dataclass(frozen=True)
class Camera(World):
    """An image of which one half is bright, and one step: the action of that half pays 1."""

    @property
    def default_params(self) -> Clocked:
        return Clocked(max_steps_in_episode=1)

    def reset_env(self, key, params):
        cell = jax.random.randint(key, (), 0, 2)
        return self._image(cell), Cell(time=jnp.int32(0), cell=cell)

    def step_env(self, key, state, action, params):
        reward = jnp.float32(action == state.cell)
        state = state.replace(time=state.time + 1)
        return self._image(state.cell), state, reward, jnp.bool_(True), {}

    def _image(self, cell):
        bright = jnp.arange(40) // 20 == cell
        return jnp.broadcast_to(jnp.where(bright, 255, 16)[:, None], (36, 40, 2)).astype(jnp.uint8)

    def observation_space(self, params):
        return spaces.Box(0, 255, (36, 40, 2), jnp.uint8)
