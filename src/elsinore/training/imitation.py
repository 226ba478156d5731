"""Imitation before reinforcement: a policy is fitted to the choices of a teacher.

The student acts in a share of the steps, so that it also learns from the states that its own
mistakes lead to (DAgger: Ross 2011, arXiv:1011.0686).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore import validation
from elsinore.config_records import record
from elsinore.experience.autoreset import batched_autoreset_step, batched_reset
from elsinore.experience.minibatches import merge_time_and_env
from elsinore.experience.normalisation import without_unit
from elsinore.jaxtools import shards
from elsinore.jaxtools.prng import for_use
from elsinore.nets.heads import action_mask
from elsinore.types import Algorithm, PolicyState, TrainState

LOSSES = ("choice", "worth")


class Advice(NamedTuple):
    """Label of one state by a teacher, for n actions."""

    action: Int[Array, "*rows"]
    matters: Bool[Array, "*rows"]  # False where no decision is pending: the state has no weight
    worth: Float[Array, "*rows action"] | None = None  # in any unit; `action` has the most


Teacher = Callable[[PyTree, PyTree], tuple]  # (state, env_params) -> fields of an `Advice`


@record
class ImitationConfig:
    """Settings of imitation.

    Raises:
        ValueError: if a field is out of range.
    """

    # A known name, or "module:function", called with the env for a `Teacher`.
    teacher: str = "belady"
    env_steps: int = 200_000  # Env steps before any reinforcement; rounded down to whole updates.
    # choice | worth: learn the teacher's action, or its value of each action.
    loss: str = "choice"
    num_envs: int = 16  # Environments that run in parallel.
    rollout_length: int = 128  # Steps of each environment per update.
    num_epochs: int = 4  # Gradient steps per update, each on the whole rollout.
    learning_rate: float = 3e-3  # The step size of Adam, falling to 0.
    own_share: float = 0.5  # Share of the steps in which the student acts, not the teacher.

    def __post_init__(self) -> None:
        validation.counts(self, 1, "num_envs", "rollout_length", "num_epochs")
        steps = self.num_envs * self.rollout_length
        if self.num_updates < 1:
            raise ValueError(
                f"env_steps={self.env_steps} must be at least one update of {steps} steps "
                "(num_envs x rollout_length)."
            )
        if self.num_updates >= 2**31:
            raise ValueError(
                f"env_steps={self.env_steps} must be at most {2**31 - 1} updates of {steps} steps"
                " (num_envs x rollout_length), which 32 bits can count."
            )
        validation.one_of(self, "loss", *LOSSES)
        validation.positive(self, "learning_rate")
        validation.in_unit_interval(self, "own_share")

    @property
    def described(self) -> str:
        """Summary in words."""
        steps = self.num_updates * self.num_envs * self.rollout_length
        return f"of {self.teacher}, for {steps:,} env steps a seed before the others"

    @property
    def remedy(self) -> str:
        """Remedy of parameters that are not finite."""
        return f"a teacher ({self.teacher}) that gives legal actions, from 0, and finite worth"

    @property
    def num_updates(self) -> int:
        return self.env_steps // (self.num_envs * self.rollout_length)


class LabelledObs(NamedTuple):
    """Observations and the teacher's labels: [time, env, ...]."""

    obs: PyTree
    advice: Advice


def imitate(
    key: Key[Array, ""],
    algo: Algorithm,
    state: TrainState,
    env: Any,
    teacher: Teacher,
    config: ImitationConfig,
) -> tuple[TrainState, dict[str, Float[Array, "update"]]]:
    """Fit a policy to a teacher: new train state, and each update's prior `loss` and `agreement`.

    This fits `algo.policy.action_scores`: the probabilities of a policy, or action values. A critic
    is left to later learning. Observations are raw, so the algorithm must not normalise them.

    Raises:
        ValueError: for a recurrent policy, or one without `action_scores`.
    """
    check_student(algo)
    steps = config.num_updates * config.num_epochs
    optimiser = optax.adam(optax.linear_schedule(config.learning_rate, 0.0, steps))
    key, stats = shards.own_key(key), without_unit(state.stats)

    def loss(
        params: PyTree, rows: tuple[LabelledObs, Array]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        return imitation_loss(algo, PolicyState(params, stats), *rows, config.loss)

    def update(carry, key):
        params, opt_state, seen = carry
        play = partial(labelled_rollout, algo=algo, env=env, teacher=teacher, config=config)
        policy_state = PolicyState(params, stats)
        seen, batch = shards.per_shard(play)(key, policy_state, state.env_params, seen)
        batch = merge_time_and_env(batch)
        rows = batch, shards.total(jnp.sum(batch.advice.matters))
        params, opt_state, (losses, agreement) = teacher_steps(
            loss, optimiser, params, opt_state, rows, config.num_epochs
        )
        return (params, opt_state, seen), {"loss": losses[0], "agreement": agreement[0]}

    reset_keys = jax.random.split(for_use(key, "reset"), config.num_envs)
    seen = batched_reset(env, reset_keys, state.env_params)
    keys = jax.random.split(for_use(key, "updates"), config.num_updates)
    params = state.learner.params
    (params, *_), metrics = jax.lax.scan(update, (params, optimiser.init(params), seen), keys)
    return with_params(state, params), metrics


def teacher_steps(
    loss: Callable[[PyTree, Any], tuple],
    optimiser: optax.GradientTransformation,
    params: PyTree,
    opt_state: PyTree,
    batch: Any,
    num_steps: int,
) -> tuple[PyTree, PyTree, PyTree]:
    """(params, opt_state, metrics [step, ...]) after steps that each take the whole batch. The loss
    of a seed is the sum of its shards' losses."""

    def stepped(gradient, params, opt_state):
        changes, opt_state = optimiser.update(gradient, opt_state)
        return optax.apply_updates(params, changes), opt_state

    def one(carry, _):
        found = shards.per_shard(jax.value_and_grad(loss, has_aux=True))(carry[0], batch)
        metrics, gradient = shards.total(found)
        return shards.per_shard(stepped)(gradient, *carry), metrics

    (params, opt_state), metrics = jax.lax.scan(one, (params, opt_state), None, num_steps)
    return params, opt_state, metrics


def imitation_loss(
    algo: Algorithm,
    policy_state: PolicyState,
    batch: LabelledObs,
    num_rows: Int[Array, ""],
    loss: str,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean loss over the rows that matter, `num_rows` in all shards, and the share in which student
    and teacher agree; of a shard its part of both."""
    outputs = jax.vmap(lambda obs: action_outputs(algo, policy_state, obs))(batch.obs)
    advice, legal = batch.advice, legal_or_all(batch.obs, outputs)
    weight = advice.matters / jnp.maximum(num_rows, 1)
    best = jnp.argmax(jnp.where(legal, outputs, -jnp.inf), axis=-1)
    outputs *= jnp.where(allowed(legal, advice), 1.0, jnp.nan)[:, None]  # loss and gradient are NaN
    row_loss = {"choice": choice_loss, "worth": worth_loss}[loss](outputs, legal, advice)
    return jnp.sum(weight * row_loss), jnp.sum(weight * (best == advice.action))


def allowed(legal: Bool[Array, "row action"], advice: Advice) -> Bool[Array, "row"]:
    """True where the teacher's action is legal, or the state has no weight. Without a check, an
    action that does not exist would teach nothing, in silence."""
    number = legal.shape[-1]
    exists = (advice.action >= 0) & (advice.action < number)
    chosen = jnp.clip(advice.action, 0, number - 1)[:, None]
    return ~advice.matters | exists & jnp.take_along_axis(legal, chosen, axis=-1)[:, 0]


def check_student(algo: Algorithm) -> None:
    """Check that imitation can train an algorithm.

    Raises:
        ValueError: for a recurrent policy, or one without `action_scores`.
    """
    if algo.policy.recurrent:
        raise ValueError(
            "imitation trains no recurrent network (algo.network.gru); leave out one or the other."
        )
    if algo.policy.action_scores is None:
        raise ValueError(
            "imitation fits `action_scores`, which this algorithm does not have; choose another"
            " or leave out imitation."
        )


def action_outputs(
    algo: Algorithm, policy_state: PolicyState, obs: PyTree
) -> Float[Array, "action"]:
    """Log-probabilities, or action values with 0 in place of -inf: the greatest is chosen."""
    assert algo.policy.action_scores is not None
    (name, outputs), *_ = algo.policy.action_scores(policy_state, (), obs).items()
    outputs = jnp.log(jnp.maximum(outputs, 1e-30)) if name == "probability" else outputs
    return jnp.where(jnp.isneginf(outputs), 0.0, outputs)


def legal_or_all(obs: PyTree, outputs: Float[Array, "row action"]) -> Bool[Array, "row action"]:
    """Legal actions; all where none is, as in `nets.distributions.categorical`."""
    mask = action_mask(obs)
    if mask is None:
        return jnp.ones(outputs.shape, bool)
    return mask | ~mask.any(axis=-1, keepdims=True)


def choice_loss(
    outputs: Float[Array, "row action"], legal: Bool[Array, "row action"], advice: Advice
) -> Float[Array, "row"]:
    """Negative log-likelihood of the teacher's action under the outputs' softmax, nats."""
    log_probs = jax.nn.log_softmax(jnp.where(legal, outputs, jnp.finfo(outputs.dtype).min))
    action = jnp.clip(advice.action, 0, legal.shape[-1] - 1)  # without weight it may be any number
    return -jnp.take_along_axis(log_probs, action[:, None], axis=-1)[:, 0]


def worth_loss(
    outputs: Float[Array, "row action"], legal: Bool[Array, "row action"], advice: Advice
) -> Float[Array, "row"]:
    """Mean squared error of the outputs against the actions' worth, up to a constant per row."""
    assert advice.worth is not None, "the teacher gives no worth of actions"
    error = outputs - advice.worth
    mean = jnp.mean(error, axis=-1, where=legal, keepdims=True)
    return jnp.mean(jnp.square(error - mean), axis=-1, where=legal)


def with_params(state: TrainState, params: PyTree) -> TrainState:
    """The train state with these parameters, also as target network where it is one of them all
    (that of SAC is of its critics, which imitation does not change)."""
    like, names = jax.tree.structure(params), ("params", "target_params")
    same = (n for n in names if jax.tree.structure(getattr(state.learner, n, None)) == like)
    return state._replace(learner=state.learner._replace(**dict.fromkeys(same, params)))


def labelled_rollout(
    key: Key[Array, ""],
    policy_state: PolicyState,
    env_params: PyTree,
    seen: tuple[PyTree, PyTree],
    *,
    algo: Algorithm,
    env: Any,
    teacher: Teacher,
    config: ImitationConfig,
) -> tuple[tuple[PyTree, PyTree], LabelledObs]:
    """One rollout from `seen` (obs, state); teacher or student acts at random in each step, and the
    student where the advice has no weight and is no action."""

    def step(seen, key):
        obs, state = seen
        act_key, own_key, step_key, reset_key = jax.random.split(key, 4)
        advice = Advice(*jax.vmap(teacher, in_axes=(0, None))(state, env_params))
        keys = jax.random.split(act_key, config.num_envs)
        own = jax.vmap(
            lambda key, obs: algo.policy.act(key, policy_state, (), obs, config.loss == "worth")[0]
        )(keys, obs)
        student_acts = jax.random.bernoulli(own_key, config.own_share, (config.num_envs,))
        exists = (advice.action >= 0) & (advice.action < env.action_space(env_params).n)
        student_acts |= jnp.logical_not(advice.matters | exists)
        action = jnp.where(student_acts, own, advice.action)
        step_keys, reset_keys = (
            jax.random.split(k, config.num_envs) for k in (step_key, reset_key)
        )
        out = batched_autoreset_step(env, step_keys, reset_keys, state, action, env_params)
        return (out.obs, out.state), LabelledObs(obs, advice)

    return jax.lax.scan(step, seen, jax.random.split(key, config.rollout_length))
