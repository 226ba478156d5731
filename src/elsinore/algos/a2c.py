"""Advantage actor-critic, the synchronous form of A3C (Mnih 2016, arXiv:1602.01783), from top to bottom.

The published form and defaults: short rollouts, n-step returns (`gae_lambda` 1; less is GAE), one gradient step an
update over the whole rollout, RMSprop as TensorFlow's.
"""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp

from elsinore.algos import checks
from elsinore.algos.descent import OPTIMISERS, gradient_step, scaler
from elsinore.algos.on_policy import Sample, on_policy
from elsinore.experience.curiosity import RNDConfig
from elsinore.nets.build import NetworkConfig
from elsinore.ops.losses import standardise, value_loss
from elsinore.ops.randomness import for_update, for_uses
from elsinore.ops.schedules import linear
from elsinore.traced import numbers_of, traced
from elsinore.types import Algorithm, Mean, TrainState


@dataclass(frozen=True, kw_only=True)
class A2CConfig:
    """What A2C is run with. What is `traced` may differ between seeds of one compiled program."""

    name: str = field(default="a2c", init=False)
    num_envs: int = 8
    rollout_length: int = 5  # steps per env per update: the n of its n-step returns
    optimiser: str = "rmsprop"  # rmsprop | adam | radam
    optimiser_eps: float = 1e-5
    learning_rate: float = traced(7e-4)
    learning_rate_final: float | None = traced(None, absent="learning_rate")  # approached linearly; null: constant
    gamma: float = traced(0.99)
    gae_lambda: float = traced(1.0)
    vf_coef: float = traced(0.5)
    ent_coef: float = traced(0.0)
    ent_coef_final: float | None = traced(None, absent="ent_coef")  # likewise
    max_grad_norm: float = traced(0.5)  # of all gradients together; .inf: no clipping
    normalize_advantage: bool = False
    normalize_obs: bool = False
    normalize_rewards: bool = False
    network: NetworkConfig = NetworkConfig()
    rnd: RNDConfig = RNDConfig()  # a reward for what is new

    def __post_init__(self):
        checks.at_least(self, 1, "num_envs", "rollout_length")
        checks.one_of(self, "optimiser", *OPTIMISERS)
        checks.in_unit_interval(self, "gamma", "gae_lambda")
        checks.positive(self, "learning_rate", "optimiser_eps", off={"max_grad_norm": float("inf")})
        checks.not_negative(self, "learning_rate_final", "vf_coef", "ent_coef", "ent_coef_final")


def a2c(config: A2CConfig, env: Any, env_params: Any, num_updates: int, network: Any = None) -> Algorithm:
    """A2C for one gymnax env: pure functions over `TrainState`, to be jitted together with it.

    Raises:
        ValueError: where the env's action space has no head, or the network cannot read its observations.
    """
    agent = on_policy(config, env, env_params, network)

    def scale(hyper):
        return scaler(config.optimiser, config.optimiser_eps, hyper.max_grad_norm)

    def init(key, env_params, hyper) -> TrainState:
        return agent.init(key, env_params, hyper, scale(hyper))

    def loss(params, batch: Sample, hyper):
        policy, value = agent.read(params, batch)
        advantage = standardise(batch.advantage) if config.normalize_advantage else batch.advantage
        policy_loss = -jnp.mean(advantage * policy.log_prob(batch.action))
        critic_loss = value_loss(value, batch.target)
        entropy = jnp.mean(policy.entropy())
        total = policy_loss + hyper.vf_coef * critic_loss - hyper.ent_coef * entropy
        told = {"loss/total": total, "loss/policy": policy_loss, "loss/value": critic_loss, "policy/entropy": entropy}
        return total, told

    def update(state: TrainState) -> tuple[TrainState, dict[str, Mean]]:
        """One rollout, and the one step down its gradient."""
        hyper, progress = state.hyper, state.update / state.hyper.num_updates
        learning_rate = linear(hyper.learning_rate, hyper.learning_rate_final, progress)
        ent_coef = linear(hyper.ent_coef, hyper.ent_coef_final, progress)
        state, batch, lived = agent.live(state, *for_uses(for_update(state.key, state.update), "act", "rollout"))

        def objective(params, batch):
            return loss(params, batch, hyper._replace(ent_coef=ent_coef))

        learner, learnt = gradient_step(objective, scale(hyper), state.learner, batch, learning_rate)
        metrics = {name: Mean.of(x) for name, x in (learnt | {"schedule/learning_rate": learning_rate}).items()}
        return state._replace(update=state.update + 1, learner=learner), lived | metrics

    hyper = numbers_of(config, num_updates=num_updates)
    steps = config.num_envs * config.rollout_length
    return Algorithm(init, update, agent.act, hyper, steps, agent.memory, agent.value, agent.preferences)
