"""An env whose every episode is known in advance, an algorithm that only lives in it, and both by
hand."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments.environment import EnvParams, EnvState

from elsinore.experience.rollout import init_actor, rollout
from elsinore.types import Algorithm, Decision, Mean, PolicyFunctions, TrainState
from tests.small_envs import World


@struct.dataclass
class Sand(EnvParams):
    max_steps_in_episode: int = 100
    grains: int = 4  # steps until an episode ends
    prize: float = 1.0  # of each step
    weights: Any = None  # an array
    colour: str = struct.field(pytree_node=False, default="white")


@dataclass(frozen=True)
class Hourglass(World):
    """Nothing can be done: an episode ends after as many steps as there are grains, and is won
    where they are even."""

    @property
    def default_params(self) -> Sand:
        return Sand(weights=jnp.array([1.0, 2.0]))

    def reset_env(self, key, params):
        return jnp.ones(1), EnvState(time=jnp.int32(0))

    def step_env(self, key, state, action, params):
        time = state.time + 1
        info = {"won": params.grains % 2 == 0, "weights": params.weights}
        return (
            jnp.ones(1),
            EnvState(time=time),
            jnp.float32(params.prize),
            time >= params.grains,
            info,
        )


@dataclass(frozen=True, kw_only=True)
class LiveConfig:
    num_envs: int = 3
    rollout_length: int = 5
    network: Any = None


def live(config: LiveConfig, env, env_params, num_updates, network=None) -> Algorithm:
    """Does the same whatever it sees; after u updates `policy/entropy` is log(2) / u."""

    def init(key, env_params, hyper) -> TrainState:
        actor = init_actor(env, key, env_params, config.num_envs)
        return TrainState(
            key, jnp.int32(0), Learner({"nothing": jnp.zeros(1)}), actor, (), hyper, env_params
        )

    def update(state: TrainState):
        key = jax.random.fold_in(state.key, state.update)
        noise = jnp.zeros((config.rollout_length, config.num_envs), jnp.int32)
        policy = lambda noise, carry, obs: Decision(noise, noise, ())  # noqa: E731
        actor, _, metrics = rollout(env, state.env_params, policy, state.actor, key, noise)
        entropy = jnp.log(2.0) / (state.update + 1)
        return state._replace(actor=actor, update=state.update + 1), metrics | {
            "policy/entropy": Mean.of(entropy)
        }

    def act(key, policy_state, carry, obs, greedy):
        return jnp.int32(0), carry

    return Algorithm(
        init, update, PolicyFunctions(act), (), config.num_envs * config.rollout_length
    )


class Learner(NamedTuple):
    params: Any


def forgetful(config: LiveConfig, env, env_params, num_updates, network=None) -> Algorithm:
    """Reports no outcome of an episode."""
    algo = live(config, env, env_params, num_updates)

    def update(state):
        later, metrics = algo.update(state)
        return later._replace(
            actor=later.actor._replace(episode_stats=state.actor.episode_stats)
        ), metrics

    return algo._replace(update=update)


@dataclass
class ByHand:
    """The same lives, and a curriculum of grains, one step and one episode at a time."""

    grains: list[int]
    window: int
    advance: Any  # (lengths of the window) -> bool
    retreat: Any
    num_envs: int = 3
    rollout_length: int = 5
    stage: int = 0
    updates: int = 0
    moves: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self):
        self.ages, self.born_here = [0] * self.num_envs, [True] * self.num_envs
        self.lengths: deque[int] = deque(maxlen=self.window)

    def update(self):
        for _ in range(self.rollout_length):
            for env in range(self.num_envs):
                self._step(env)
        self.updates += 1
        full = len(self.lengths) == self.window
        to = self.stage
        if full and self.retreat(self.lengths) and self.stage > 0:
            to = self.stage - 1
        elif full and self.advance(self.lengths) and self.stage + 1 < len(self.grains):
            to = self.stage + 1
        if to != self.stage:
            self.stage = to
            self.moves.append((self.updates, to))
            self.lengths.clear()
            self.born_here = [False] * self.num_envs

    def _step(self, env):
        self.ages[env] += 1
        if self.ages[env] >= self.grains[self.stage]:
            if self.born_here[env]:
                self.lengths.append(self.ages[env])
            self.ages[env], self.born_here[env] = 0, True


# A small experiment: 40 updates of 15 env steps in 10 chunks, three stages, the last of them the
# target.
HOURGLASS = {
    "env": "tests.training.hourglass:Hourglass",
    "algo": {"name": "tests.training.hourglass:live"},
    "env_params": {"grains": 5},
    "env_steps": 600,
    "rows_per_chunk": 2,
    "evaluation": {"period": 4, "episodes": 1, "final_episodes": 2},
    "convergence": {"enabled": False},
    "sinks": {"console": False, "tensorboard": False, "mlflow": {"enabled": False}},
    "curriculum": {
        "stages": [
            {"name": "short", "params": {"grains": 4}},
            {"name": "long", "params": {"grains": 6}},
            {"name": "own"},
        ],
        "advance_when": {"metric": "length", "at_least": 1.0, "window": 4},
    },
}
