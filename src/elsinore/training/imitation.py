"""Learning from a teacher before learning from reward: a policy is fitted to the choices of an expert.

The pupil acts for itself part of the time, so that it is also taught where its own mistakes lead, and not only where
the expert would have gone (DAgger: Ross 2011, arXiv:1011.0686).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.experience.autoreset import autoreset_steps, resets
from elsinore.nets.heads import action_mask
from elsinore.ops.randomness import for_use
from elsinore.types import Acting, Algorithm, TrainState

LOSSES = ("choice", "worth")


class Advice(NamedTuple):
    """What a teacher says of one state; one of n actions."""

    action: Int[Array, ""]
    matters: Bool[Array, ""]  # whether there is anything to decide
    worth: Float[Array, "action"] | None = None  # of each action, in any unit; `action` is the best


Teacher = Callable[[PyTree, PyTree], tuple]  # (state, env_params) -> the fields of an `Advice`


@dataclass(frozen=True, kw_only=True)
class ImitationConfig:
    """Whose choices, how long, and from whose experience.

    Raises:
        ValueError: naming the field, its value and what would do.
    """

    teacher: str = "belady"  # a known name, or "module:function", called with the env for a `Teacher`
    env_steps: int = 200_000  # before any reinforcement; rounded down to whole updates
    loss: str = "choice"  # choice: the log-likelihood of the teacher's | worth: what the teacher says each is worth
    num_envs: int = 16
    rollout_length: int = 128  # steps per env per update
    num_epochs: int = 4  # gradient steps per update, each on the whole rollout
    learning_rate: float = 3e-3  # of Adam, falling to 0
    own_share: float = 0.5  # of the steps in which the pupil acts rather than the teacher

    def __post_init__(self):
        for name in ("num_envs", "rollout_length", "num_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        if self.num_updates < 1:
            steps = self.num_envs * self.rollout_length
            raise ValueError(f"env_steps={self.env_steps} must be at least one update of {steps} steps "
                             "(num_envs x rollout_length).")  # fmt: skip
        if self.loss not in LOSSES:
            raise ValueError(f"loss={self.loss!r} is unknown; choose {' or '.join(LOSSES)}.")
        if not self.learning_rate > 0.0:
            raise ValueError(f"learning_rate={self.learning_rate} must be positive.")
        if not 0.0 <= self.own_share <= 1.0:
            raise ValueError(f"own_share={self.own_share} must be a share, 0 to 1.")

    @property
    def described(self) -> str:
        """For people."""
        steps = self.num_updates * self.num_envs * self.rollout_length
        return f"of {self.teacher}, for {steps:,} env steps a seed before the others"

    @property
    def num_updates(self) -> int:
        return self.env_steps // (self.num_envs * self.rollout_length)


class Lesson(NamedTuple):
    """What was seen, and what the teacher says of it: [time, env, ...]."""

    obs: PyTree
    advice: Advice


def imitate(
    key: Key[Array, ""], algo: Algorithm, state: TrainState, env: Any, teacher: Teacher, config: ImitationConfig
) -> tuple[TrainState, dict[str, Float[Array, "update"]]]:  # fmt: skip
    """The state of an algorithm that acts as the teacher does; and each update's `loss` and `agreement` before it.

    What is fitted is `algo.preferences`: the probabilities of a policy, or action values. What only values states is
    left to later learning. Observations are taken as the world gives them, so that the algorithm must not normalise.

    Raises:
        ValueError: for a policy with a memory, or an algorithm that does not tell its preferences.
    """
    check_pupil(algo)
    optimiser = optax.adam(optax.linear_schedule(config.learning_rate, 0.0, config.num_updates * config.num_epochs))

    def loss(params: PyTree, lesson: Lesson):
        return judged(algo, Acting(params, state.stats), lesson, config.loss)

    def update(carry, key):
        params, opt_state, seen = carry
        seen, lesson = attend(key, algo, Acting(params, state.stats), env, state.env_params, teacher, seen, config)
        lesson = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), lesson)

        def descend(carry, _):
            params, opt_state = carry
            told, gradient = jax.value_and_grad(loss, has_aux=True)(params, lesson)
            changes, opt_state = optimiser.update(gradient, opt_state)
            return (optax.apply_updates(params, changes), opt_state), told

        (params, opt_state), (losses, agreement) = jax.lax.scan(descend, (params, opt_state), None, config.num_epochs)
        return (params, opt_state, seen), {"loss": losses[0], "agreement": agreement[0]}

    seen = resets(env, jax.random.split(for_use(key, "reset"), config.num_envs), state.env_params)
    keys = jax.random.split(for_use(key, "updates"), config.num_updates)
    params = state.learner.params
    (params, *_), told = jax.lax.scan(update, (params, optimiser.init(params), seen), keys)
    return with_params(state, params), told


def judged(algo: Algorithm, acting: Acting, lesson: Lesson, loss: str) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The mean loss over the rows of a lesson that matter, and the share of them in which pupil and teacher agree."""
    outputs = jax.vmap(lambda obs: scores(algo, acting, obs))(lesson.obs)
    advice, legal = lesson.advice, legal_in(lesson.obs, outputs)
    weight = advice.matters / jnp.maximum(jnp.sum(advice.matters), 1)
    best = jnp.argmax(jnp.where(legal, outputs, -jnp.inf), axis=-1)
    of_each = {"choice": of_choice, "worth": of_worth}[loss](outputs, legal, advice)
    return jnp.sum(weight * of_each), jnp.sum(weight * (best == advice.action))


def check_pupil(algo: Algorithm) -> None:
    """Refuse an algorithm that cannot be taught.

    Raises:
        ValueError: saying why.
    """
    if jax.tree.leaves(algo.memory):
        raise ValueError("imitation teaches no network with a memory (algo.network.gru); leave out one or the other.")
    if algo.preferences is None:
        raise ValueError("imitation fits what an algorithm thinks of each action, and this one has no `preferences`.")


def scores(algo: Algorithm, acting: Acting, obs: PyTree) -> Float[Array, "action"]:
    """Log-probabilities or action values: what is greatest is chosen."""
    assert algo.preferences is not None
    (name, outputs), *_ = algo.preferences(acting, (), obs).items()
    outputs = jnp.log(jnp.maximum(outputs, 1e-30)) if name == "probability" else outputs
    return jnp.where(jnp.isfinite(outputs), outputs, 0.0)


def legal_in(obs: PyTree, outputs: Float[Array, "row action"]) -> Bool[Array, "row action"]:
    mask = action_mask(obs)
    return jnp.ones(outputs.shape, bool) if mask is None else mask


def of_choice(outputs: Float[Array, "row action"], legal: Bool[Array, "row action"], advice: Advice):
    """Nats: how unlikely the teacher's choice is under the softmax of the outputs, [row]."""
    log_probs = jax.nn.log_softmax(jnp.where(legal, outputs, jnp.finfo(outputs.dtype).min))
    return -jnp.take_along_axis(log_probs, advice.action[:, None], axis=-1)[:, 0]


def of_worth(outputs: Float[Array, "row action"], legal: Bool[Array, "row action"], advice: Advice):
    """How far the differences between the outputs are from those between the actions' worth, mean square, [row]."""
    assert advice.worth is not None, "this teacher does not say what actions are worth"
    error = outputs - advice.worth
    mean = jnp.mean(error, axis=-1, where=legal, keepdims=True)
    return jnp.mean(jnp.square(error - mean), axis=-1, where=legal)


def with_params(state: TrainState, params: PyTree) -> TrainState:
    """The state with these parameters, also in place of those that targets are computed with."""
    names = {"params", "target"} & set(state.learner._fields)
    return state._replace(learner=state.learner._replace(**dict.fromkeys(names, params)))


def attend(
    key: Key[Array, ""], algo: Algorithm, acting: Acting, env: Any, env_params: PyTree, teacher: Teacher,
    seen: tuple[PyTree, PyTree], config: ImitationConfig,
) -> tuple[tuple[PyTree, PyTree], Lesson]:  # fmt: skip
    """One rollout from `seen` (obs, state), by teacher and pupil in turn as the lot falls."""

    def step(seen, key):
        obs, state = seen
        act_key, own_key, step_key, reset_key = jax.random.split(key, 4)
        advice = Advice(*jax.vmap(teacher, in_axes=(0, None))(state, env_params))
        keys = jax.random.split(act_key, config.num_envs)
        own = jax.vmap(lambda key, obs: algo.act(key, acting, (), obs, config.loss == "worth")[0])(keys, obs)
        by_itself = jax.random.bernoulli(own_key, config.own_share, (config.num_envs,))
        action = jnp.where(by_itself, own, advice.action)
        step_keys, reset_keys = (jax.random.split(k, config.num_envs) for k in (step_key, reset_key))
        out = autoreset_steps(env, step_keys, reset_keys, state, action, env_params)
        return (out.obs, out.state), Lesson(obs, advice)

    return jax.lax.scan(step, seen, jax.random.split(key, config.rollout_length))
