"""Twin Delayed DDPG (Fujimoto 2018, arXiv:1802.09477), from top to bottom: config, actions, target,
loss.

A deterministic actor climbs the value of a critic. Three things keep that value from being too
high: the least of two critics in the target, an actor that waits for them, and noise on the
target's action. Without the three it is DDPG (Lillicrap 2016, arXiv:1509.02971): `num_critics: 1`,
`policy_delay: 1`, `target_noise: 0`.
"""

from dataclasses import field
from typing import Any

import jax.numpy as jnp
from jaxtyping import PyTree

from elsinore import validation
from elsinore.algos.off_policy import OffPolicyConfig, off_policy
from elsinore.algos.off_policy_learner import (
    Loss,
    OffPolicyLearner,
    OffPolicyRule,
    Value,
    actor_critics,
)
from elsinore.config_records import inherited, settings
from elsinore.hyperparameters import traced
from elsinore.nets.reparameterised import Actions, deterministic_actor_head
from elsinore.ops.continuous_q import explored_action, min_over_critics, smoothed_action
from elsinore.types import Algorithm


@settings
class TD3Config(OffPolicyConfig):
    """Settings of TD3 beside those of `OffPolicyConfig`; actions are in units of half the range
    between their bounds."""

    name: str = field(default="td3", init=False)
    num_critics: int = inherited()  # Critics, of whose values the least counts.
    policy_delay: int = 2  # Critic steps for each of the actor and targets.
    exploration_noise: float = traced(0.1)  # Standard deviation of noise in training.
    target_noise: float = traced(0.2)  # Standard deviation of noise in targets.
    target_noise_clip: float = traced(0.5)  # Largest noise in targets.

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.counts(self, 1, "policy_delay")
        validation.not_negative(self, "exploration_noise", "target_noise", "target_noise_clip")


def td3(
    config: TD3Config, env: Any, env_params: Any, num_updates: int, network: Any = None
) -> Algorithm:
    """TD3 for one gymnax env; raises as `actor_critics` does."""
    nets = actor_critics(config, env, env_params, network, deterministic_actor_head)
    best = nets.policy

    def explore(actor: PyTree, obs: PyTree, noise: Actions, hyper: Any) -> Actions:
        return explored_action(best(actor, obs), noise, hyper.exploration_noise)

    def next_value(learner: OffPolicyLearner, obs: PyTree, noise: Actions, hyper: Any) -> Value:
        """The least value of the target critics near the target actor's action."""
        actor, critics = learner.target_params
        action = smoothed_action(
            best(actor, obs), noise, hyper.target_noise, hyper.target_noise_clip
        )
        return min_over_critics(nets.q(critics, obs, action))

    def actor_loss(actor: PyTree, learner: OffPolicyLearner, obs: PyTree, *_: Any) -> Loss:
        """Minus the first critic's value of the actor's action (the deterministic policy gradient:
        Silver 2014)."""
        loss = -jnp.mean(nets.q(learner.params.critics, obs, best(actor, obs))[0])
        return loss, {"loss/policy": loss}

    rule = OffPolicyRule(
        explore=explore,
        best=best,
        next_value=next_value,
        actor_loss=actor_loss,
        delay=config.policy_delay,
        target_actor=True,
    )
    return off_policy(config, env, num_updates, nets, rule)
