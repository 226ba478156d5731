"""A toy algorithm whose score is known in advance, in an env that pays the action."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from gymnax.environments import spaces
from gymnax.environments.environment import EnvState

from elsinore.hyperparameters import numbers_of, traced
from elsinore.training.chunk import build_program
from elsinore.training.early_stopping import ConvergenceConfig
from elsinore.training.evaluation import EvaluationConfig
from elsinore.training.schedule import Schedule
from elsinore.types import Actor, Algorithm, Mean, PolicyFunctions, TrainState
from tests.small_envs import World

BEST = 0.7  # the gain at which nothing is lost
TRACES: list[str] = []  # one entry each time that a toy's update is traced


@dataclass(frozen=True)
class Payout(World):
    """One step, whose reward is the action."""

    def action_space(self, params):
        return spaces.Box(-1e9, 1e9, ())

    def reset_env(self, key, params):
        return jnp.ones(1), EnvState(time=jnp.int32(0))

    def step_env(self, key, state, action, params):
        return jnp.ones(1), EnvState(time=state.time + 1), jnp.float32(action), jnp.bool_(True), {}


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    num_envs: int = 1
    rollout_length: int = 1
    # an update costs the square of how far it is from BEST; above 1 it breaks everything
    gain: float = traced(0.5)
    gain_final: float | None = traced(None, absent="gain")
    noise: float = traced(0.0)  # of each update's own, drawn from the seed's key
    ballast: int = 1  # numbers in a buffer, one of which each update writes
    network: Any = None

    def __post_init__(self):
        if not self.gain >= 0.0:
            raise ValueError(f"gain={self.gain} must not be negative.")
        if self.ballast % self.num_envs:
            raise ValueError(
                f"ballast={self.ballast} must be a multiple of num_envs={self.num_envs}."
            )


class ToyLearner(NamedTuple):
    params: Any  # the score: what the policy does is what it is paid
    buffer: Any


def toy(config: ToyConfig, env, env_params, num_updates, network=None) -> Algorithm:
    hyper = numbers_of(config)

    def init(key, env_params, hyper) -> TrainState:
        obs, env_state = jax.vmap(env.reset_env, (0, None))(
            jax.random.split(key, config.num_envs), env_params
        )
        zeros = jnp.zeros(config.num_envs)
        actor = Actor(
            env_state=env_state, obs=obs, carry=(), episode_return=zeros, episode_length=zeros
        )
        learner = ToyLearner({"score": jnp.float32(0.0)}, jnp.zeros(config.ballast))
        return TrainState(key, jnp.int32(0), learner, actor, (), hyper, env_params)

    def update(state: TrainState):
        TRACES.append("update")
        hyper, learner = state.hyper, state.learner
        noise = hyper.noise * jax.random.normal(jax.random.fold_in(state.key, state.update))
        loss = jnp.where(hyper.gain > 1.0, jnp.nan, jnp.square(hyper.gain - BEST))
        params = {"score": learner.params["score"] - loss + noise}
        buffer = learner.buffer.at[state.update % config.ballast].set(params["score"])
        metrics = {"loss/total": Mean(loss, jnp.float32(1.0))}
        return state._replace(update=state.update + 1, learner=ToyLearner(params, buffer)), metrics

    def act(key, policy_state, carry, obs, greedy):
        return policy_state.params["score"], carry

    return Algorithm(
        init, update, PolicyFunctions(act), hyper, config.num_envs * config.rollout_length
    )


def toy_program(config: ToyConfig | None = None, num_updates: int = 12, updates_per_chunk: int = 2):
    """The toy's whole training."""
    env = Payout()
    algo = toy(config or ToyConfig(), env, env.default_params, num_updates)
    return build_program(
        algo,
        env,
        env.default_params,
        Schedule(num_updates, updates_per_chunk),
        EvaluationConfig(episodes=1),
        ConvergenceConfig(enabled=False),
        max_steps=1,
    )


# A small experiment with it: 12 updates in 6 chunks.
TOY = {
    "env": "tests.toys:Payout",
    "algo": {"name": "tests.toys:toy"},
    "env_steps": 12,
    "evaluation": {"period": 2, "episodes": 1, "final_episodes": 2, "max_steps": 1},
    "convergence": {"enabled": False},
    "sinks": {"console": False, "tensorboard": False, "jsonl": False, "mlflow": {"enabled": False}},
}


def score_after(updates: int, gain: float) -> float:
    """What a toy has come to, without noise."""
    return -updates * (gain - BEST) ** 2
