"""Proximal Policy Optimisation (Schulman 2017, arXiv:1707.06347), read from top to bottom: config, loss, update.

Of the published "37 implementation details" (Huang 2022) each one that applies is a choice here, with its
reference setting as the default; `docs/ppo.md` lists them one by one.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from elsinore.algos import checks
from elsinore.algos.descent import minibatch_epochs, scaler
from elsinore.algos.on_policy import Sample, on_policy
from elsinore.experience.curiosity import RNDConfig
from elsinore.nets.build import NetworkConfig
from elsinore.ops.losses import approximate_kl, clipped_surrogate, clipped_value_loss, standardise, value_loss
from elsinore.ops.randomness import for_update, for_uses
from elsinore.ops.schedules import linear
from elsinore.traced import numbers_of, traced
from elsinore.types import Algorithm, Mean, TrainState


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """What PPO is run with. What is `traced` may differ between seeds of one compiled program."""

    name: str = field(default="ppo", init=False)
    num_envs: int = 4
    rollout_length: int = 128  # steps per env per update
    num_minibatches: int = 4
    num_epochs: int = 4
    learning_rate: float = traced(2.5e-4)
    # The final ones are approached linearly, update u of n at u / n; null: constant.
    learning_rate_final: float | None = traced(0.0, absent="learning_rate")
    adam_eps: float = 1e-5
    gamma: float = traced(0.99)
    gae_lambda: float = traced(0.95)
    clip_eps: float = traced(0.2)
    clip_eps_final: float | None = traced(None, absent="clip_eps")
    value_clip_eps: float | None = traced(None, absent=math.inf)  # in units of value; null: the plain squared error
    vf_coef: float = traced(0.5)
    ent_coef: float = traced(0.01)
    ent_coef_final: float | None = traced(None, absent="ent_coef")
    max_grad_norm: float = traced(0.5)  # of all gradients together; .inf: no clipping
    # An update stops learning once a minibatch's KL passes 1.5 times it.
    target_kl: float | None = traced(None, absent=math.inf)
    normalize_advantage: str = "minibatch"  # minibatch | batch | none
    normalize_obs: bool = False
    normalize_rewards: bool = False
    network: NetworkConfig = NetworkConfig()
    rnd: RNDConfig = RNDConfig()  # a reward for what is new

    def __post_init__(self):
        checks.at_least(self, 1, "num_envs", "rollout_length", "num_minibatches", "num_epochs")
        checks.in_unit_interval(self, "gamma", "gae_lambda")
        checks.positive(self, "learning_rate", "clip_eps", "adam_eps",
                        off={"max_grad_norm": float("inf"), "value_clip_eps": None, "target_kl": None})  # fmt: skip
        checks.not_negative(self, "learning_rate_final", "clip_eps_final", "vf_coef", "ent_coef", "ent_coef_final")
        checks.one_of(self, "normalize_advantage", "minibatch", "batch", "none")
        self._check_minibatches()

    def _check_minibatches(self):
        transitions = self.num_envs * self.rollout_length
        self.check_envs(self.network.gru is not None)
        checks.divides(self, "num_minibatches")
        if self.normalize_advantage == "minibatch" and self.num_minibatches == transitions > 1:
            raise ValueError(
                f"num_minibatches={self.num_minibatches} leaves one transition a minibatch, whose normalised advantage "
                "is always 0; choose fewer, or normalize_advantage: batch."
            )

    def check_envs(self, remembers: bool):
        """Refuse minibatches that would cut through the time of a policy that remembers."""
        if remembers and self.num_envs % self.num_minibatches:
            raise ValueError(
                f"num_minibatches={self.num_minibatches} does not divide num_envs={self.num_envs}, and a recurrent "
                "policy learns from whole envs; choose a divisor, or more envs."
            )


def ppo(config: PPOConfig, env: Any, env_params: Any, num_updates: int, network: Any = None) -> Algorithm:
    """PPO for one gymnax env: pure functions over `TrainState`, to be jitted together with it.

    Raises:
        ValueError: where the env's action space has no head, or the network cannot read its observations.
    """
    agent = on_policy(config, env, env_params, network)
    config.check_envs(bool(jax.tree.leaves(agent.memory)))  # a network of one's own may remember too

    def scale(hyper):
        return scaler("adam", config.adam_eps, hyper.max_grad_norm)

    def init(key, env_params, hyper) -> TrainState:
        return agent.init(key, env_params, hyper, scale(hyper))

    def loss(params, batch: Sample, hyper, clip_eps):
        policy, value = agent.read(params, batch)
        log_ratio = policy.log_prob(batch.action) - batch.log_prob
        ratio = jnp.exp(log_ratio)
        advantage = batch.advantage
        if config.normalize_advantage == "minibatch":
            advantage = standardise(advantage)

        policy_loss = clipped_surrogate(ratio, advantage, clip_eps)
        if config.value_clip_eps is None:
            critic_loss = value_loss(value, batch.target)
        else:
            critic_loss = clipped_value_loss(value, batch.value, batch.target, hyper.value_clip_eps)
        entropy = jnp.mean(policy.entropy())
        total = policy_loss + hyper.vf_coef * critic_loss - hyper.ent_coef * entropy
        told = {"loss/total": total, "loss/policy": policy_loss, "loss/value": critic_loss, "policy/entropy": entropy}
        return total, told | {
            "policy/kl": approximate_kl(log_ratio),
            "policy/clip_fraction": jnp.mean(jnp.abs(ratio - 1.0) > clip_eps, dtype=jnp.float32),
        }

    def update(state: TrainState) -> tuple[TrainState, dict[str, Mean]]:
        """One rollout, and all the learning from it."""
        hyper, progress = state.hyper, state.update / state.hyper.num_updates
        act_key, rollout_key, learn_key = for_uses(for_update(state.key, state.update), "act", "rollout", "minibatches")
        learning_rate = linear(hyper.learning_rate, hyper.learning_rate_final, progress)
        clip_eps = linear(hyper.clip_eps, hyper.clip_eps_final, progress)
        hyper = hyper._replace(ent_coef=linear(hyper.ent_coef, hyper.ent_coef_final, progress))

        state, batch, lived = agent.live(state, act_key, rollout_key)
        if config.normalize_advantage == "batch":
            batch = batch._replace(advantage=standardise(batch.advantage))
        learner, learnt = minibatch_epochs(
            lambda params, batch: loss(params, batch, hyper, clip_eps),
            scale(hyper), state.learner, batch, learn_key, learning_rate,
            num_epochs=config.num_epochs, num_minibatches=config.num_minibatches,
            enough=None if config.target_kl is None else lambda told: told["policy/kl"] > 1.5 * hyper.target_kl,
        )  # fmt: skip
        schedules = {"schedule/learning_rate": Mean.of(learning_rate), "schedule/clip_eps": Mean.of(clip_eps)}
        return state._replace(update=state.update + 1, learner=learner), lived | learnt | schedules

    steps = config.num_envs * config.rollout_length
    hyper = numbers_of(config, num_updates=num_updates)
    return Algorithm(init, update, agent.act, hyper, steps, agent.memory, agent.value, agent.preferences)
