"""Advantage actor-critic, the synchronous form of A3C (Mnih 2016, arXiv:1602.01783): its settings
and loss.

The published form: short rollouts, n-step returns (`gae_lambda` 1; less is GAE), one gradient step
an update over the whole rollout, RMSprop as TensorFlow's. Its numbers are Stable-Baselines3's, but
for `vf_coef` (docs/a2c.md).

The update is in `on_policy.py`: read `prepare`, `act` and `learn_once` there, then
`with_advantages` in `on_policy_batch.py` and `gradient_step` in `optimise.py`.
"""

from dataclasses import field
from functools import partial
from typing import Any

from jaxtyping import Array, Float

from elsinore import validation
from elsinore.algos.on_policy import OnPolicyConfig, actor_critic_loss, on_policy
from elsinore.algos.on_policy_batch import OnPolicyBatch
from elsinore.algos.optimise import OPTIMISERS, LossAndMetrics, optimiser
from elsinore.config_records import settings
from elsinore.hyperparameters import traced
from elsinore.nets.distributions import Distribution
from elsinore.ops.losses import policy_gradient_loss, value_loss
from elsinore.types import Algorithm


@settings
class A2CConfig(OnPolicyConfig):
    """Settings of A2C beside those of every `OnPolicyConfig`."""

    name: str = field(default="a2c", init=False)
    num_envs: int = 8
    rollout_length: int = 5  # Steps of each environment per update: the n of its n-step returns.
    optimiser: str = "rmsprop"  # rmsprop | adam | radam: the optimiser of the gradient step.
    optimiser_eps: float = 1e-5  # Its epsilon, which bounds the step of small gradients.
    learning_rate: float = traced(7e-4)
    gae_lambda: float = traced(1.0)
    normalize_advantage: bool = False  # Standardise the advantages of a rollout.

    def __post_init__(self) -> None:
        validation.one_of(self, "optimiser", *OPTIMISERS)
        validation.positive(self, "optimiser_eps")
        super().__post_init__()


def a2c(
    config: A2CConfig, env: Any, env_params: Any, num_updates: int, network: Any = None
) -> Algorithm:
    """A2C for one gymnax env; the rest is `on_policy`, and it raises what that raises."""

    def loss(
        policy: Distribution, value: Float[Array, "*batch"], batch: OnPolicyBatch, hyper: Any
    ) -> LossAndMetrics:
        policy_loss = policy_gradient_loss(policy.log_prob(batch.action), batch.advantage)
        return actor_critic_loss(policy_loss, value_loss(value, batch.target), policy, hyper)

    make_optimiser = partial(optimiser, config.optimiser, config.optimiser_eps)
    given = config, env, env_params, num_updates, network
    return on_policy(
        *given,
        loss=loss,
        make_optimiser=make_optimiser,
        annealed=("learning_rate", "ent_coef"),
        standardise=config.normalize_advantage,
    )
