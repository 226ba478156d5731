"""Variants of PPO, DQN and SAC, each with one equation of its own."""

from dataclasses import dataclass

import jax.numpy as jnp

from elsinore import toolkit as tk


@dataclass(frozen=True, kw_only=True)
class PenaltyConfig(tk.PPOConfig):
    kl_coef: float = tk.traced(1.0)  # traced: may differ between runs of one program


def penalty_loss(config, policy, value, batch, hyper):
    """PPO's other loss (Schulman 2017, eq. 8): KL(old, new) is penalised, nothing is clipped."""
    log_ratio = policy.log_prob(batch.action) - batch.log_prob
    kl = tk.approximate_kl(log_ratio)
    policy_loss = hyper.kl_coef * kl - jnp.mean(jnp.exp(log_ratio) * batch.advantage)
    critic_loss = tk.value_loss(value, batch.target)
    total, metrics = tk.actor_critic_loss(policy_loss, critic_loss, policy, hyper)
    return total, metrics | {"policy/kl": kl}


def penalty(config: PenaltyConfig, env, env_params, num_updates, network=None) -> tk.Algorithm:
    return tk.ppo(config, env, env_params, num_updates, network, loss=penalty_loss)


@dataclass(frozen=True, kw_only=True)
class AdvantageConfig(tk.DQNConfig):
    gap: float = 0.5  # share of an action's loss of value by which its target is lowered

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.gap < 1.0:
            raise ValueError(f"gap={self.gap} must be at least 0 and below 1; 0 is DQN.")
        if self.distribution != "none":
            raise ValueError(f"distribution={self.distribution!r} has no such target; use none.")


class AdvantageEquations(tk.DQNEquations):
    """Advantage learning (Bellemare 2016, arXiv:1512.04860): y - gap (max_b Q(s, b) - Q(s, a))."""

    def targets(self, params, target_params, batch, key):
        target, metrics = super().targets(params, target_params, batch, key)
        q = self.values.q(target_params, batch.obs)
        best = tk.best_value(q, self.values.legal(batch.obs))
        return target - self.config.gap * (best - tk.chosen_value(q, batch.action)), metrics


def advantage(config: AdvantageConfig, env, env_params, num_updates, network=None) -> tk.Algorithm:
    equations = AdvantageEquations
    return tk.dqn(config, env, env_params, num_updates, network, equations=equations)


class HardTargetEquations(tk.SACEquations):
    """SAC whose targets leave the entropy of later steps out (Ball 2023, arXiv:2302.02948)."""

    def next_value(self, learner, obs, noise, hyper):
        action = self.policy(learner.params.actor, obs).sample(noise)
        return tk.min_over_critics(self.nets.q(learner.target_params.critics, obs, action))


def hard_target(config: tk.SACConfig, env, env_params, num_updates, network=None) -> tk.Algorithm:
    equations = HardTargetEquations
    return tk.sac(config, env, env_params, num_updates, network, equations=equations)
