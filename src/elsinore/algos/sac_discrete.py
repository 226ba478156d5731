"""Soft Actor-Critic for n actions (Christodoulou 2019, arXiv:1910.07207), from top to bottom:
config, networks, policy, target, losses.

A critic gives the values of all actions, so expectations over the policy are exact sums where SAC
has a sample. An action mask rules actions out of the policy, its entropy and its target.
"""

from dataclasses import field
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.algos.common import observation_of
from elsinore.algos.off_policy import off_policy
from elsinore.algos.off_policy_learner import (
    Loss,
    LossMetrics,
    OffPolicyLearner,
    Value,
    with_critics,
)
from elsinore.algos.sac import SACEquations, TemperatureConfig
from elsinore.config_records import inherited, settings
from elsinore.hyperparameters import traced
from elsinore.nets.build import actor_and_critics
from elsinore.nets.continuous_q import ValueCritics
from elsinore.nets.distributions import Categorical, categorical
from elsinore.nets.heads import action_mask, discrete_actions
from elsinore.nets.network import Network
from elsinore.ops.continuous_q import expected_soft_value
from elsinore.ops.exploration import best_action
from elsinore.types import Algorithm


@settings
class SACDiscreteConfig(TemperatureConfig):
    """Settings of discrete SAC beside those of `TemperatureConfig`."""

    name: str = field(default="sac_discrete", init=False)
    tune_temperature: bool = inherited()  # Tune it towards the target entropy.
    # Share of the largest entropy, the logarithm of the number of legal actions.
    target_entropy: float = traced(0.98)

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.in_unit_interval(self, "target_entropy")

    def _check_correlation(self) -> None:
        if self.noise_correlation:
            raise ValueError(
                f"noise_correlation={self.noise_correlation} applies to continuous actions only;"
                " leave it out."
            )


class ChoiceNetworks(NamedTuple):
    """`Networks` of a choice among n actions, which an `action_mask` may exclude."""

    net: Network
    critics: ValueCritics
    num_actions: int

    def q_all(self, critics: PyTree, obs: PyTree) -> Float[Array, "critic batch action"]:
        """Q(s, a) of every action."""
        q = self.critics.q(critics, obs, ())
        return q.reshape(*q.shape[:2], self.num_actions)  # of one action there is no axis

    def q(
        self, critics: PyTree, obs: PyTree, action: Int[Array, "batch"]
    ) -> Float[Array, "critic batch"]:
        """Q(s, a) of one action."""
        return jnp.take_along_axis(self.q_all(critics, obs), action[None, :, None], axis=2)[..., 0]

    def policy(self, actor: PyTree, obs: PyTree) -> Categorical:
        return categorical(self.net.step(actor, (), obs)[1], action_mask(obs))

    def env_action(self, action: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
        return action

    def like_action(self) -> Int[Array, ""]:
        return jnp.int32(0)

    def noise(self, key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, "... action"]:
        return Categorical.noise(key, shape, self.num_actions)

    def exploring_noise(
        self, key: Key[Array, ""], shape: tuple[int, ...], correlation: Any
    ) -> Float[Array, "... action"]:
        return self.noise(key, shape)

    def random_action(self, noise: Float[Array, "... action"], obs: PyTree) -> Int[Array, "..."]:
        """Any legal action, each as likely."""
        return best_action(noise, action_mask(obs))

    def scores(self, actor: PyTree, obs: PyTree, best: Int[Array, "1"]) -> dict[str, Array]:
        return {"probability": self.policy(actor, obs).action_scores()["probability"][0]}


class DiscreteEquations(SACEquations):
    """SAC's functions, with sums over the actions in place of samples."""

    def soft_value(self, critics: PyTree, policy: Categorical, obs: PyTree, alpha: Any) -> Value:
        """V(s) = sum_a pi(a|s) min_k Q_k(s, a) + alpha H(pi(.|s)), by these critics."""
        q, probability = self.nets.q_all(critics, obs), jnp.exp(policy.log_probs)
        return expected_soft_value(q, probability, policy.entropy(), alpha)

    def next_value(self, learner: OffPolicyLearner, obs: PyTree, noise: Any, hyper: Any) -> Value:
        """The soft value of the policy, by the target critics."""
        policy, alpha = self.policy(learner.params.actor, obs), self.temperature(learner, hyper)
        return self.soft_value(learner.target_params.critics, policy, obs, alpha)

    def actor_loss(
        self, actor: PyTree, learner: OffPolicyLearner, obs: PyTree, noise: Any, hyper: Any
    ) -> Loss:
        """Minus the soft value of the policy, by the critics (arXiv:1910.07207 eq. 12)."""
        policy, alpha = self.policy(actor, obs), self.temperature(learner, hyper)
        loss = -jnp.mean(self.soft_value(learner.params.critics, policy, obs, alpha))
        legal = jnp.ones_like(policy.log_probs) if policy.legal is None else policy.legal
        return loss, {
            "loss/policy": loss,
            "policy/entropy": jnp.mean(policy.entropy()),
            "policy/largest_entropy": jnp.mean(jnp.log(jnp.sum(legal, axis=-1))),
            "policy/temperature": alpha,
        }

    def target_entropy(self, metrics: LossMetrics, hyper: Any) -> Float[Array, ""]:
        """Target of the policy's entropy, in nats: a share of the largest one, the logarithm of
        the number of legal actions, which is a mean over the batch."""
        return hyper.target_entropy * metrics["policy/largest_entropy"]


def sac_discrete(
    config: SACDiscreteConfig, env: Any, env_params: Any, num_updates: int, network: Any = None
) -> Algorithm:
    """SAC for one gymnax env of discrete actions; the rest is `off_policy`.

    Raises:
        ValueError: for an action space that is not discrete; as `actor_and_critics`.
    """
    space = env.action_space(env_params)
    num_actions = discrete_actions(space, config.name, "a policy over n actions")
    actor, critics = actor_and_critics(
        config.network,
        num_actions,
        config.num_critics,
        observation_of(env, env_params),
        network,
        critic_outputs=num_actions,
        dropout=config.critic_dropout,
    )
    nets = ChoiceNetworks(with_critics(actor, critics, ()), critics, num_actions)
    return off_policy(config, env, num_updates, nets, DiscreteEquations(config, nets))
