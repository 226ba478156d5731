"""Self-play: one learner against frozen copies of itself, kept on the device.

Every `period` updates the policy is frozen into a ring of `pool` policies. After each update the
rival of the next rollout is drawn: the newest of them with probability `latest`, or else one of the
pool, each as likely. Past policies keep a learner from forgetting how to beat them, and from
cycles. A frozen policy plays as it did in training: one of action values with the epsilon that it
was frozen with, without which all its games would be alike.

Sources: Bansal 2018, arXiv:1710.03748, section 3.2 (uniform over past policies); OpenAI 2019,
arXiv:1912.06680, appendix N (the newest in a fixed share of games).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.config_records import record
from elsinore.jaxtools.prng import for_use
from elsinore.training.curriculum.stages import Curriculum, RolloutOutcome
from elsinore.types import Algorithm, Mean, PolicyFunctions, PolicyState

POOL = "self_play/pool"  # metric: policies in the pool
EPSILON = "schedule/epsilon"  # metric of the algorithms that explore by it


@record
class SelfPlayConfig:
    """Self-play in an environment with a rival: one learner against frozen copies of itself."""

    pool: int = 8  # Frozen policies that are kept; the oldest makes room for a new one.
    period: int = 20  # Updates between two of them.
    latest: float = 0.5  # How likely the next rival is the newest; else any of the pool.

    def __post_init__(self) -> None:
        validation.counts(self, 1, "pool", "period")
        validation.in_unit_interval(self, "latest")

    @property
    def described(self) -> str:
        """Summary in words."""
        return (
            f"against the last {self.pool} of the policies frozen every {self.period} updates, the"
            f" newest with probability {self.latest + (1 - self.latest) / self.pool:.3g}"
        )


class Exploring(NamedTuple):
    """A frozen policy of action values."""

    policy_state: PolicyState
    epsilon: Float[Array, ""]  # its probability of a random action


Frozen = PolicyState | Exploring


class PoolState(NamedTuple):
    """The frozen policies of a seed."""

    stage: Int[Array, ""]  # always 0: self-play has no stages
    pool: Frozen  # each leaf [pool, ...]; a ring
    frozen: Int[Array, ""]  # policies frozen so far, the first one among them


def self_play(config: SelfPlayConfig, first: Frozen) -> Curriculum:
    """Curriculum that replaces `env_params.rival` by a frozen policy after each update.

    `first` is the first policy of the pool, which is the rival until another is frozen. If it is
    `Exploring`, so are all, with the epsilon of the update after which they were frozen.
    """

    def frozen(outcome: RolloutOutcome) -> Frozen:
        if not isinstance(first, Exploring):
            return outcome.policy_state
        epsilon = outcome.metrics[EPSILON]
        return Exploring(outcome.policy_state, epsilon.total / epsilon.count)

    def begin(env_params: PyTree) -> tuple[PoolState, PyTree]:
        pool = jax.tree.map(
            lambda x: jnp.zeros((config.pool, *x.shape), x.dtype).at[0].set(x), first
        )
        return PoolState(jnp.int32(0), pool, jnp.int32(1)), env_params.replace(rival=first)

    def advance(state: PoolState, outcome: RolloutOutcome) -> tuple[PoolState, PyTree, Mean]:
        state = with_frozen(state, frozen(outcome), outcome.update % config.period == 0)
        index = drawn(for_use(outcome.key, "rival"), state.frozen, config)
        rival = jax.tree.map(lambda x: x[index], state.pool)
        size = jnp.minimum(state.frozen, config.pool).astype(jnp.float32)
        return state, outcome.env_params.replace(rival=rival), Mean.of(size)

    return Curriculum(
        begin, advance, 1, recorded=("length",), window=1, score_name=POOL, has_stages=False
    )


def with_frozen(state: PoolState, policy: Frozen, freeze: Array) -> PoolState:
    """The pool with this policy in place of its oldest, if `freeze`."""
    size = jax.tree.leaves(state.pool)[0].shape[0]
    slot = jnp.where(freeze, state.frozen % size, size)  # beyond the ring: dropped
    pool = jax.tree.map(lambda x, new: x.at[slot].set(new, mode="drop"), state.pool, policy)
    return state._replace(pool=pool, frozen=state.frozen + freeze)


def drawn(key: Key[Array, ""], frozen: Int[Array, ""], config: SelfPlayConfig) -> Int[Array, ""]:
    """The place in the ring of the next rival; `frozen` policies have been frozen so far."""
    newest_key, any_key = jax.random.split(key)
    anyone = jax.random.randint(any_key, (), 0, jnp.minimum(frozen, config.pool))
    is_newest = jax.random.bernoulli(newest_key, config.latest)
    return jnp.where(is_newest, (frozen - 1) % config.pool, anyone)


def first_policy(algo: Algorithm, env_params: PyTree) -> Frozen:
    """A policy that plays each legal move as likely: all zeros, which makes logits equal; of action
    values with an epsilon of 1."""
    shapes = jax.eval_shape(algo.init, jax.random.key(0), env_params, algo.hyper).policy_state
    zeros = jax.tree.map(jnp.zeros_like, shapes)
    return zeros if algo.policy.explore is None else Exploring(zeros, jnp.float32(1.0))


def rival_move(
    policy: PolicyFunctions, key: Key[Array, ""], rival: Frozen, obs: PyTree
) -> Int[Array, ""]:
    """The move of a frozen policy without a memory, drawn as in training."""
    if isinstance(rival, Exploring) and policy.explore is not None:
        return policy.explore(key, rival.policy_state, (), obs, rival.epsilon)[0]
    return policy.act(key, rival, (), obs, False)[0]
