"""Early stopping: convergence of a seed, decided on the device from its evaluations alone."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from elsinore import validation
from elsinore.config_records import record


@record
class ConvergenceConfig:
    """A seed has converged once the mean of its last `window` evaluations, or training episodes,
    has been at or above `target` for `patience` evaluations in a row, not before `min_env_steps`.
    It is on a plateau once `plateau_patience` evaluations have passed without a new best by more
    than `min_delta`. Either freezes it."""

    enabled: bool = True  # Early stopping; false trains the whole budget.
    target: float | None = None  # The evaluation return at which a seed has converged; null: none.
    # evaluations | episodes: what the window counts; training episodes are looked at after a chunk.
    counts: str = "evaluations"
    window: int = 3  # Evaluations, or training episodes, whose mean is compared with the target.
    patience: int = 2  # Evaluations in a row at the target.
    min_env_steps: int = 0  # Env steps of a seed before which it cannot converge.
    # Evaluations without a new best after which a seed is on a plateau; null: never.
    plateau_patience: int | None = None
    min_delta: float = 0.0  # The least improvement that counts as a new best.

    def __post_init__(self) -> None:
        validation.counts(self, 1, "window", "patience", "plateau_patience")
        validation.one_of(self, "counts", "evaluations", "episodes")
        validation.not_negative(self, "min_env_steps", "min_delta")
        if self.target is not None:
            validation.finite(self, "target")

    @property
    def counts_episodes(self) -> bool:
        """True if the mean of training episodes is compared with the target."""
        return self.counts == "episodes" and self.enabled and self.target is not None


class Convergence(NamedTuple):
    """Convergence state of a seed: summary of its evaluations."""

    # the last evaluations, newest first; NaN where there were none yet, and for parameters that are
    # not finite, so that no such seed is taken for the best
    history: Float[Array, "window"]
    streak: Int[Array, ""]  # evaluations in a row with the window's mean at the target
    best: Float[Array, ""]
    since_best: Int[Array, ""]  # evaluations since it improved
    converged_at: Int[Array, ""]  # the update, or -1
    plateau_at: Int[Array, ""]
    diverged_at: Int[Array, ""]  # parameters are not finite
    pruned_at: Int[Array, ""]  # frozen in favour of better members of its population

    @property
    def frozen(self) -> Bool[ArrayLike, "*replica"]:
        return (
            (self.converged_at >= 0)
            | (self.plateau_at >= 0)
            | (self.diverged_at >= 0)
            | (self.pruned_at >= 0)
        )


def init_convergence(config: ConvergenceConfig) -> Convergence:
    never = jnp.int32(-1)
    history = jnp.full(1 if config.counts == "episodes" else config.window, jnp.nan)
    return Convergence(
        history=history,
        streak=jnp.int32(0),
        best=jnp.float32(-jnp.inf),
        since_best=jnp.int32(0),
        converged_at=never,
        plateau_at=never,
        diverged_at=never,
        pruned_at=never,
    )


def watched(state: Convergence, finite: Bool[Array, ""], update: Int[Array, ""]) -> Convergence:
    """Update the test without an evaluation: parameters that are not finite freeze the seed."""
    diverged_at = jnp.where((state.diverged_at < 0) & ~finite, update, state.diverged_at)
    history = jnp.where(finite, state.history, jnp.nan)
    return state._replace(history=history, diverged_at=diverged_at)


def judge(
    config: ConvergenceConfig,
    state: Convergence,
    score: Float[Array, ""],
    finite: Bool[Array, ""],
    update: Int[Array, ""],
    min_updates: int | Int[Array, ""],
    trained: Float[Array, ""] | None = None,
) -> Convergence:
    """Update the test with one evaluation, made after `update` updates; `trained` is the mean of
    the last `window` training episodes where these count, NaN for fewer."""
    history = jnp.roll(state.history, 1).at[0].set(jnp.where(finite, score, jnp.nan))
    full = ~jnp.isnan(history).any()
    compared = jnp.mean(history) if trained is None else trained
    full = full if trained is None else ~jnp.isnan(trained)
    reached = full & (compared >= (jnp.inf if config.target is None else config.target))
    streak = jnp.where(reached, state.streak + 1, 0)
    improved = finite & (score > state.best + config.min_delta)
    since_best = jnp.where(improved, 0, state.since_best + 1)
    diverged_at = jnp.where((state.diverged_at < 0) & ~finite, update, state.diverged_at)
    converged_at, plateau_at = state.converged_at, state.plateau_at
    if config.enabled:
        converged = (streak >= config.patience) & (update >= min_updates) & finite
        converged_at = jnp.where((converged_at < 0) & converged, update, converged_at)
        if config.plateau_patience is not None:
            plateau = (
                (since_best >= config.plateau_patience)
                & (update >= min_updates)
                & (converged_at < 0)
            )
            plateau_at = jnp.where((plateau_at < 0) & plateau, update, plateau_at)
    best = jnp.where(improved, score, state.best)
    return Convergence(
        history=history,
        streak=streak,
        best=best,
        since_best=since_best,
        converged_at=converged_at,
        plateau_at=plateau_at,
        diverged_at=diverged_at,
        pruned_at=state.pruned_at,
    )
